# SPDX-License-Identifier: MIT OR Apache-2.0
"""Texts that several dialogs share, and formatting of numbers and edits.

The library provides the labels of sliders and stages; see engine.face_directions and engine.stage_label.
"""
import math
import re

from . import engine, library as L

PRESETS = [
    ("Fast: a few minutes", L.PRESET_FAST),
    ("Best: three times as long", L.PRESET_BEST),
    ("Draft: half a minute, rough", L.PRESET_DRAFT),
    ("Paper: published settings, for comparison", L.PRESET_PAPER),
]

DEVICES = [("Automatic", "auto"), ("CPU", "cpu"), ("GPU (CUDA)", "cuda")]

KEEP = [("Everything unchanged", L.KEEP_ALL), ("Background", L.KEEP_BACKGROUND), ("Nothing", L.KEEP_NONE)]

LOADING_MODEL = "Loading the model"
FINDING_FACE = "Finding the face"
RENDERING = "Rendering the face"
DRAFT = "Making a draft"
INVERTING = "Inverting the face"
FOR_TESTS = "This model is for tests: its faces are soft and grainy. Choose the default model for photos."
UNIT = re.compile("(°|deg|σ|sigma)$")  # after a strength; the unit of the direction is meant
SUFFIXES = {"deg": "°", "sigma": ""}  # of numbers in fields, by the unit of a direction
READY = "This face is ready. The preview follows the sliders."
STOPPED = "Stopped. Invert this face to continue; OK does so, too."
STOPPED_WITH_DRAFT = "Stopped. The sliders edit a draft, and OK takes it. Invert this face for the full quality."
CONTINUED = "OK adds the edit to its group, above the earlier one."
OTHER_INVERSION = ("The earlier edit was made with an inversion that the cache no longer has for this face, so the result may differ "
                   "slightly.")
NO_DOCUMENT = "No image is open. Open one that shows a face, and select the layer with the face."
NO_LAYER = "No layer is selected. Select the layer with the face."
INTERNAL_ERROR = ("Internal error in the gani plug-in ({}). Nothing was changed. Please report it with the messages in "
                  "Krita's log.")

MODEL_HELP = "The face model. The default is for photos"
PRESET_HELP = "How much work goes into the first inversion of a face. Later edits reuse the inversion"
DEVICE_HELP = "Where the networks run. Automatic: the GPU if CUDA works, otherwise the CPU"
KEEP_HELP = ("What stays of the photo around and in the face. Everything unchanged: hair, background and skin wherever the edit "
             "changes nothing. Background: the same, but the face is the model's")
FACE_HELP = "Automatic: the selected face, or the largest if nothing is selected. 1: the leftmost face, 2: the next, and so on"
LOOK_HELP = "Moves the sliders to a saved look. Looks are shared with `gani looks` and `gani edit --look`"
MORE_HELP = "Other directions and their strengths, for example: pca.3=1.5 sefa.0=-2"
INVERT_HELP = "Fits the model to this face, so that the sliders can edit it. Needed once for each face, model and quality"


def model(bundle):
    """The text of an engine.Bundle in the list of models: "ffhq-1024: 1024 px"."""
    return "{}: {} px{}".format(bundle.name, bundle.width, ", for tests" if bundle.for_tests else "")


def progress(task, progress, elapsed):
    """The status text of a task, DRAFT or INVERTING, and its completed fraction, 0 to 1, or None if unknown.

    progress: engine.Progress. elapsed: seconds since the start.
    """
    text = task + ": " + engine.stage_label(progress.stage)
    if not progress.steps:
        return text, None
    text += ", step {} of {}".format(progress.step, progress.steps)
    if progress.seconds_left < 0:
        return text, None
    fraction = elapsed / (elapsed + progress.seconds_left) if elapsed > 0 else 0.0
    return text + ", {} left".format(format_duration(progress.seconds_left)), fraction


def format_duration(seconds):
    """A duration, rounded up: "45 s", "2 min 10 s", "12 min"."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    if not minutes:
        return "{} s".format(seconds)
    return "{} min {} s".format(minutes, seconds) if minutes < 10 else "{} min".format(minutes)


def format_edits(edits):
    """Edits for the name of a layer: "smile +1.5, age −2"."""
    return ", ".join("{} {}".format(name.replace("_", " "), format_strength(strength)) for name, strength in edits)


def format_strength(strength):
    """A strength with its sign and at most two decimals: "+1.5", "−2", "0"."""
    rounded = round(strength, 2)
    if rounded == 0:
        return "0"
    return ("−" if rounded < 0 else "+") + "{:g}".format(abs(rounded))


def parse_edits(text):
    """Edits from the text field Further edits, [(direction, strength)]. Raises L.GaniError for an invalid word."""
    edits = []
    for word in text.replace(",", " ").replace(";", " ").split():
        name, _, strength = word.partition("=")
        try:
            value = float(UNIT.sub("", strength))
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise L.GaniError("`{}` is not an edit. Write NAME=STRENGTH, for example smile=1.5.".format(word))
        edits.append((name, value))
    return edits
