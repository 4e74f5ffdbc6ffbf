# SPDX-License-Identifier: MIT OR Apache-2.0
"""The worker's session: model, face and patches of one image. Independent of Krita and Qt."""
import time
from collections import namedtuple

from . import library as L
from . import patch, strings
from .engine import Model

# Options of an inversion: bundle name ("" for the default one), L.PRESET_…, device, face (see Model.invert).
Settings = namedtuple("Settings", "model preset device face")

VIEW = 384  # side length of the dialog's previews, in pixels
PREVIEW_INTERVAL = 10  # tuning steps between two previews


class Session:
    """The state of one dialog: the open model and the inverted face. Each method does only the missing steps.

    picture: engine.Pixels. emit(kind, *values) receives the events working(text, fraction or None) and
    preview(RGB bytes, width, height).
    """

    def __init__(self, picture, emit):
        self.picture, self.emit = picture, emit
        self.settings = self.model = self.face = None

    def find(self, settings, cancelled):
        """Opens the model, finds the face and reads its inversion from the cache, if it is there.

        cancelled: function that returns whether to cancel; polled during the work. Returns the model's
        engine.Directions, and the face's corners (engine.FaceSession.alignment) or None if the face is not inverted yet.
        """
        if self.model is None or (settings.model, settings.device) != (self.settings.model, self.settings.device):
            self.emit("working", strings.LOADING_MODEL, None)
            self.model = self.face = None
            self.model = Model(settings.model, settings.device)
        if settings != self.settings:
            self.settings, self.face = settings, None
        if self.face is None:
            self.emit("working", strings.FINDING_FACE, None)
            try:
                # Cancels when the inversion would start: only a cached inversion is wanted here.
                self.face = self._invert(lambda progress: progress.stage == L.STAGE_FIND and not cancelled())
            except L.Cancelled:
                if cancelled():
                    raise
        return self.model.directions(), self.face and self.face.alignment

    def invert(self, cancelled):
        """Inverts the face unless that is done. Returns the corners of its square."""
        started = time.monotonic()

        def on_progress(progress):
            if progress.preview is not None:
                self.emit("preview", progress.preview, progress.width, progress.height)
            else:
                self.emit("working", *strings.progress(progress, time.monotonic() - started))
            return not cancelled()

        if self.face is None:
            self.face = self._invert(on_progress, PREVIEW_INTERVAL)
        return self.face.alignment

    def show(self, edits, keep):
        """The face with edits: RGB bytes [VIEW, VIEW, 3]. keep: L.KEEP_…, what stays of the picture."""
        return self.face.preview(edits, self.picture, VIEW, keep)

    def render(self, settings, all_edits, keep, cancelled):
        """A patch.Patch for each list of edits. keep: L.KEEP_…, what stays of the picture. Finds and inverts the face first if necessary."""
        self.find(settings, cancelled)
        self.invert(cancelled)
        patches = []
        for i, edits in enumerate(all_edits):
            if cancelled():
                raise L.Cancelled()
            self.emit("working", strings.RENDERING, i / len(all_edits))
            patches.append(patch.make(self.face, edits, self.picture, keep))
        return patches

    def _invert(self, on_progress, preview_interval=0):
        return self.model.invert(self.picture, self.settings.preset, self.settings.face, on_progress, preview_interval)
