# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the dialogs say; the same words as in GIMP's."""
import math

from . import library as L

# Directions of the face models: label and what it does.
SLIDERS = {
    "smile": ("Smile", "Right: more of a smile; left: more serious. In standard deviations of the model's faces"),
    "age": ("Age", "Right: older; left: younger"),
    "yaw": ("Turn", "Turns the head to the side"),
    "pitch": ("Nod", "Lifts or lowers the head"),
    "mouth_open": ("Mouth open", "Right: opens the mouth; left: closes it"),
    "eyes_open": ("Eyes open", "Right: opens the eyes; left: closes them"),
    "gender": ("Gender", "More feminine or more masculine"),
}

PRESETS = [
    ("Fast: a few minutes", L.PRESET_FAST),
    ("Best: three times as long", L.PRESET_BEST),
    ("Paper: as published, for comparison", L.PRESET_PAPER),
]

DEVICES = [("Automatic", "auto"), ("Processor", "cpu"), ("GPU (CUDA)", "cuda")]

STAGES = {
    L.STAGE_FIND: "looking for it",
    L.STAGE_PREPARE: "loading the networks",
    L.STAGE_REFINE: "first shape",
    L.STAGE_TUNE: "details",
    L.STAGE_FINISH: "measuring the result",
}

NEW_FACE = ("This face is new. Invert it once to see the sliders' effect here; that takes a few minutes, and gani then "
            "remembers it. OK inverts it too.")
READY = "This face is ready: the picture follows the sliders."
STOPPED = "Stopped. Nothing was changed."

MODEL_HELP = 'The face model. "gani models fetch ffhq-1024" gets the 1024 px model'
PRESET_HELP = "How long a face is worked on the first time; afterwards it is remembered"
DEVICE_HELP = "Where the networks run; Automatic takes the GPU where CUDA works, else the processor"
FACE_HELP = "Automatic: the one that is selected, or else the largest; 1: the leftmost, 2: the next one to the right, and so on"
MORE_HELP = "Other directions with their strengths, for example: pca.3=1.5 sefa.0=-2"
INVERT_HELP = "Puts the face inside the model, so that the sliders can move it there. Done once for each face, model and quality"


def label(direction):
    """A direction's label and tooltip; those of models we do not know say their own name."""
    plain = direction.replace("_", " ")
    return SLIDERS.get(direction, (plain[:1].upper() + plain[1:], "In standard deviations of the model's faces"))


def ordered(directions):
    """Directions in the order of SLIDERS, then all others."""
    known = list(SLIDERS)
    return sorted(directions, key=lambda name: known.index(name) if name in known else len(known))


def progress(news, elapsed):
    """What an inversion is at, and how far: a sentence, and 0 to 1 or None while unknown. elapsed: seconds so far."""
    text = "Inverting the face: " + STAGES.get(news.stage, "working")
    if not news.steps:
        return text, None
    text += ", step {} of {}".format(news.step, news.steps)
    if news.seconds_left < 0:
        return text, None
    done = elapsed / (elapsed + news.seconds_left) if elapsed > 0 else 0.0
    return text + ", {} left".format(duration(news.seconds_left)), done


def duration(seconds):
    """A duration as one says it: 45 s, 2 min 10 s, 12 min."""
    minutes, seconds = divmod(math.ceil(seconds), 60)
    if not minutes:
        return "{} s".format(seconds)
    return "{} min {} s".format(minutes, seconds) if minutes < 10 else "{} min".format(minutes)


def described(edits):
    """smile +1.5, age −2: for the names of layers."""
    return ", ".join("{} {}".format(name.replace("_", " "), signed(strength)) for name, strength in edits)


def signed(strength):
    """A strength with its sign, without needless digits."""
    rounded = round(strength, 2)
    if rounded == 0:
        return "0"
    return ("−" if rounded < 0 else "+") + "{:g}".format(abs(rounded))


def parse_more(text):
    """The edits that the row Further edits names, [(direction, σ)]. Raises L.Failed for a word that is no edit."""
    edits = []
    for word in text.replace(",", " ").replace(";", " ").split():
        name, _, strength = word.partition("=")
        try:
            value = float(strength)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise L.Failed("`{}` is no edit: write NAME=SIGMA, for example smile=1.5.".format(word))
        edits.append((name, value))
    return edits
