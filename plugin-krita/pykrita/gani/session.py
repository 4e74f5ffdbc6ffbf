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


class Session:
    """The state of one dialog: the open model and the inverted face. Each method does only the missing steps.

    picture: engine.Pixels. emit(kind, *values) receives the events working(text, fraction or None) and drafted(corners).
    """

    def __init__(self, picture, emit):
        self.picture, self.emit = picture, emit
        # The face inverted with the settings, and with PRESET_DRAFT, for previews until then.
        self.settings = self.model = self.face = self.draft = None

    def find(self, settings, cancelled):
        """Opens the model, finds the face and reads its inversion from the cache, if it is there.

        cancelled: function that returns whether to cancel; polled during the work. Returns the model's
        engine.Directions, and the engine.FaceSession or None if the face is not inverted yet.
        """
        if self.model is None or (settings.model, settings.device) != (self.settings.model, self.settings.device):
            self.emit("working", strings.LOADING_MODEL, None)
            self.model = self.face = self.draft = None
            self.model = Model(settings.model, settings.device)
        if settings != self.settings:
            self.settings, self.face, self.draft = settings, None, None
        if self.face is None:
            self.emit("working", strings.FINDING_FACE, None)
            try:
                # Cancels when the inversion would start: only a cached inversion is wanted here.
                self.face = self._invert(settings.preset,
                                         lambda progress: progress.stage == L.STAGE_FIND and not cancelled())
            except L.Cancelled:
                if cancelled():
                    raise
        return self.model.directions(), self.face

    def make_draft(self, cancelled):
        """Inverts the face with PRESET_DRAFT, unless it is inverted or its own preset is that one."""
        def on_progress(progress):
            self.emit("working", strings.progress(strings.DRAFT, progress, 0)[0], None)
            return not cancelled()

        if self.face is None and self.draft is None and self.settings.preset != L.PRESET_DRAFT:
            self.draft = self._invert(L.PRESET_DRAFT, on_progress)
            self.emit("drafted", self.draft.alignment)

    def invert(self, cancelled, each_step=lambda: None):
        """Inverts the face unless that is done. Calls each_step between steps. Returns the corners of its square."""
        started = time.monotonic()

        def on_progress(progress):
            self.emit("working", *strings.progress(strings.INVERTING, progress, time.monotonic() - started))
            each_step()
            return not cancelled()

        if self.face is None:
            self.face = self._invert(self.settings.preset, on_progress)
            self.draft = None
        return self.face.alignment

    def show(self, edits, keep):
        """The face, or its draft, with edits: RGB bytes [VIEW, VIEW, 3]; None before there is a draft. keep: L.KEEP_…, what stays of
        the picture."""
        face = self.face or self.draft
        return face and face.preview(edits, self.picture, VIEW, keep)

    def render(self, settings, all_edits, keep, accept_draft, cancelled):
        """A patch.Patch for each list of edits, and the engine.FaceSession. keep: L.KEEP_…, what stays of the picture. Finds and
        inverts the face first if necessary; accept_draft: a draft will do."""
        self.find(settings, cancelled)
        if not (accept_draft and self.draft):
            self.invert(cancelled)
        face, patches = self.face or self.draft, []
        for i, edits in enumerate(all_edits):
            if cancelled():
                raise L.Cancelled()
            self.emit("working", strings.RENDERING, i / len(all_edits))
            patches.append(patch.make(face, edits, self.picture, keep))
        return patches, face

    def _invert(self, preset, on_progress):
        return self.model.invert(self.picture, preset, self.settings.face, on_progress)
