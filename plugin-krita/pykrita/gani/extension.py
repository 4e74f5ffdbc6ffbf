# SPDX-License-Identifier: MIT OR Apache-2.0
"""The plug-in's entries in Krita's menu."""
from krita import Extension, Krita

from . import engine, library as L
from . import picture, strings
from .dialog import EditFace
from .qt import QApplication, QMessageBox
from .variations import FaceVariations

MENU = "tools/scripts"


class GaniExtension(Extension):
    """Tools ▸ Scripts ▸ Edit Face…, Face Variations… and About gani…"""

    def __init__(self, parent):
        super().__init__(parent)
        self.dialog = None  # the dialog that was opened last
        self.workers = set()

    def setup(self):
        QApplication.instance().aboutToQuit.connect(self.stop_workers)

    def createActions(self, window):
        for name, text, dialog in (("gani_edit_face", "Edit Face...", EditFace),
                                   ("gani_face_variations", "Face Variations...", FaceVariations)):
            action = window.createAction(name, text, MENU)
            action.triggered.connect(lambda _=False, dialog=dialog: self.open(dialog))
        window.createAction("gani_about", "About gani...", MENU).triggered.connect(lambda _=False: self.about())

    def open(self, kind):
        """Opens a dialog for the active layer, or a message if that is not possible."""
        window = Krita.instance().activeWindow()
        parent = window.qwindow() if window else None
        document = Krita.instance().activeDocument()
        try:
            if document is None:
                raise L.GaniError(strings.NO_DOCUMENT)
            layer = picture.layer_of(document.activeNode())
            if layer is None:
                raise L.GaniError(strings.NO_LAYER)
            self.dialog = kind(parent, document, layer)
        except L.GaniError as error:
            self.dialog = QMessageBox(QMessageBox.Icon.Warning, kind.TITLE, str(error), QMessageBox.StandardButton.Ok, parent)
        else:
            self.keep(self.dialog.worker)
        self.dialog.open()

    def about(self):
        """Shows versions, device, model and folders."""
        window = Krita.instance().activeWindow()
        try:
            text, icon = engine.about(), QMessageBox.Icon.Information
        except L.GaniError as error:
            text, icon = str(error), QMessageBox.Icon.Warning
        self.dialog = QMessageBox(icon, "About gani", text, QMessageBox.StandardButton.Ok, window.qwindow() if window else None)
        self.dialog.open()

    def keep(self, worker):
        """Keeps a reference to a worker until its thread has ended; Qt requires the object to outlive the thread."""
        self.workers.add(worker)
        worker.finished.connect(lambda: self.workers.discard(worker))

    def stop_workers(self):
        for worker in list(self.workers):
            worker.stop()
            worker.wait(10_000)
