# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the worker works with, from the picture to patches: the model, the face, its inversion."""
import time
from collections import namedtuple

from . import library as L
from . import patch, words
from .engine import Model

# What a face is inverted with: name of the bundle ("" for the best one installed), a L.PRESET_…, device, which face.
Settings = namedtuple("Settings", "model preset device face")

VIEW = 384  # side of the pictures in dialogs
LOOK_EVERY = 10  # tuning steps between two looks at the face on its way


class Studio:
    """The worker's state; each order brings it as far as is needed.

    picture: engine.Pixels. tell(kind, *what) is told working(text, fraction or None) and underway(RGB bytes, width,
    height).
    """

    def __init__(self, picture, tell):
        self.picture, self.tell = picture, tell
        self.settings = self.model = self.face = None

    def find(self, settings, cancelled):
        """Opens the model and looks whether its face has been inverted before.

        cancelled() is asked again and again. Returns names of the model's directions and, where the face is ready, the
        corners of its square (engine.Inversion.place), else None.
        """
        if self.model is None or (settings.model, settings.device) != (self.settings.model, self.settings.device):
            self.tell("working", "Loading the model", None)
            self.model = self.face = None
            self.model = Model(settings.model, settings.device)
        if settings != self.settings:
            self.settings, self.face = settings, None
        if self.face is None:
            self.tell("working", "Looking for the face", None)
            try:
                # What comes after finding the face would be the inversion: it is in the cache, or it stops here.
                self.face = self._invert(lambda news: news.stage == L.STAGE_FIND and not cancelled())
            except L.Cancelled:
                if cancelled():
                    raise
        return words.ordered(self.model.directions()), self.face and self.face.place

    def invert(self, cancelled):
        """Inverts the face, unless that has been done. Returns the corners of its square."""
        started = time.monotonic()

        def watch(news):
            if news.preview is not None:
                self.tell("underway", news.preview, news.width, news.height)
            else:
                self.tell("working", *words.progress(news, time.monotonic() - started))
            return not cancelled()

        if self.face is None:
            self.face = self._invert(watch, LOOK_EVERY)
        return self.face.place

    def show(self, edits):
        """The face with edits: RGB bytes [VIEW, VIEW, 3]."""
        return self.face.draw(edits, VIEW)

    def render(self, settings, all_edits, cancelled):
        """A patch.Patch of each list of edits, with all that it takes."""
        self.find(settings, cancelled)
        self.invert(cancelled)
        patches = []
        for i, edits in enumerate(all_edits):
            if cancelled():
                raise L.Cancelled()
            self.tell("working", "Rendering the face", i / len(all_edits))
            patches.append(patch.make(self.face, edits, self.picture))
        return patches

    def _invert(self, watch, preview_every=0):
        return self.model.invert(self.picture, self.settings.preset, self.settings.face, watch, preview_every)
