# SPDX-License-Identifier: MIT OR Apache-2.0
"""The entries in Krita's menu."""
from krita import Extension, Krita

from . import library as L
from . import picture
from .dialog import EditFace
from .qt import QApplication, QMessageBox
from .variations import FaceVariations

MENU = "tools/scripts"


class GaniExtension(Extension):
    """Tools ▸ Scripts ▸ Edit Face… and Face Variations…"""

    def __init__(self, parent):
        super().__init__(parent)
        self.dialog = None  # the one that was opened last
        self.workers = set()

    def setup(self):
        QApplication.instance().aboutToQuit.connect(self.end_workers)

    def createActions(self, window):
        for name, text, dialog in (("gani_edit_face", "Edit Face...", EditFace),
                                   ("gani_face_variations", "Face Variations...", FaceVariations)):
            action = window.createAction(name, text, MENU)
            action.triggered.connect(lambda _=False, dialog=dialog: self.open(dialog))

    def open(self, kind):
        """Opens a dialog for the active layer; a message where that cannot be."""
        window = Krita.instance().activeWindow()
        parent = window.qwindow() if window else None
        document = Krita.instance().activeDocument()
        try:
            if document is None:
                raise L.Failed("No picture is open: open one with a face and choose the layer with it.")
            layer = picture.layer_of(document.activeNode())
            if layer is None:
                raise L.Failed("No layer is chosen: choose the one with the face.")
            self.dialog = kind(parent, document, layer)
        except L.Failed as error:
            self.dialog = QMessageBox(QMessageBox.Icon.Warning, kind.TITLE, str(error), QMessageBox.StandardButton.Ok, parent)
        else:
            self.keep(self.dialog.worker)
        self.dialog.open()

    def keep(self, worker):
        """A thread's object must outlive the thread."""
        self.workers.add(worker)
        worker.finished.connect(lambda: self.workers.discard(worker))

    def end_workers(self):
        for worker in list(self.workers):
            worker.end()
            worker.wait(10_000)
