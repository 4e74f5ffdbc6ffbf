# SPDX-License-Identifier: MIT OR Apache-2.0
"""The dialogs: preview of the face on the left, edits and options on the right."""
from krita import Krita

from . import engine, library as L, picture, record, strings
from .controls import Sliders, group
from .qt import (QCheckBox, QComboBox, QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QProgressBar, QPushButton,
                 QSpinBox, Qt, QVBoxLayout)
from .session import VIEW, Settings
from .view import original, pixmap
from .worker import Worker

# Stages of a dialog: an error that only other options can resolve; searching for the face; inverting; the user has stopped the
# inversion; inverted; rendering the layers.
IDLE, FINDING, INVERTING, STOPPED, READY, RENDERING = range(6)


class FaceDialog(QDialog):
    """Base class of both dialogs. Subclasses define TITLE, the rows for the edits, and the layers."""

    TITLE = ""

    def __init__(self, parent, document, layer):
        """Opens the dialog for a layer of a document. Raises library.GaniError if the layer cannot be edited."""
        bundles = [b for b in engine.bundles() if not b.problem]
        pixels, space = picture.read(document, layer)
        super().__init__(parent)
        self.document, self.layer, self.space, self.alignment, self.edited = document, layer, space, None, None
        self.drafted = False  # whether previews are possible before the inversion ends
        self.worker = Worker(pixels)
        self.worker.event.connect(self.on_event, Qt.ConnectionType.QueuedConnection)
        self.setWindowTitle(self.TITLE)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.build(bundles)
        self.stage = IDLE
        self.restore()
        self.worker.start()
        self.find()

    # Defined by subclasses.

    def build_edits(self):
        """Creates the widget with the rows for the edits. Their changes call self.preview."""
        raise NotImplementedError

    def preview_edits(self):
        """The edits that the preview shows, [(direction, strength)]. May raise library.GaniError."""
        raise NotImplementedError

    def all_edits(self):
        """A list of edits for each layer to create. May raise library.GaniError."""
        raise NotImplementedError

    def add_layers(self, patches, face):
        """Adds the patches rendered for all_edits to the image. face: the engine.FaceSession that rendered them."""
        raise NotImplementedError

    def restore(self):
        """Sets the rows to an edit that is continued, before the face is searched."""

    def compare(self, face):
        """The face was found. face: its engine.FaceSession, or None if it is not inverted."""

    def set_directions(self, directions):
        """Adapts the rows to the model's engine.Directions."""

    # Widgets.

    def build(self, bundles):
        self.edit_rows = self.build_edits()
        self.settings_rows = self.build_settings(bundles)
        right = QVBoxLayout()
        right.addWidget(self.edit_rows)
        right.addWidget(self.settings_rows)
        right.addStretch()

        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        self.buttons.accepted.connect(self.render_layers)
        self.buttons.rejected.connect(self.reject)
        columns, whole = QHBoxLayout(), QVBoxLayout(self)
        columns.addLayout(self.build_preview())
        columns.addSpacing(12)
        columns.addLayout(right, 1)
        whole.addLayout(columns)
        whole.addWidget(self.buttons)

    def build_preview(self):
        """The left column: preview, progress and the button that inverts the face."""
        self.view, self.status, self.bar, self.note = QLabel(), QLabel(), QProgressBar(), QLabel()
        self.view.setFixedSize(VIEW, VIEW)
        self.view.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.before = QCheckBox("Show the face &before editing")
        self.before.toggled.connect(self.draw)
        self.bar.setTextVisible(False)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        for label in (self.status, self.note):
            label.setWordWrap(True)
            label.setFixedWidth(VIEW)
        # Room for four lines, so that a longer text does not resize the dialog.
        self.status.setMinimumHeight(4 * self.status.fontMetrics().lineSpacing())
        self.button = QPushButton("&Invert this face")
        self.button.setToolTip(strings.INVERT_HELP)
        self.button.clicked.connect(self.on_button)
        left = QVBoxLayout()
        for widget in (self.view, self.before, self.bar, self.status, self.button, self.note):
            left.addWidget(widget)
        left.addStretch()
        return left

    def build_settings(self, bundles):
        models = [("Default", "")] + [(strings.model(b), b.name) for b in bundles]
        self.for_tests = {b.name for b in bundles if b.for_tests}
        self.model = self.choice("model", models, strings.MODEL_HELP)
        self.preset = self.choice("preset", strings.PRESETS, strings.PRESET_HELP)
        self.device = self.choice("device", strings.DEVICES, strings.DEVICE_HELP)
        self.keep = self.choice("keep", strings.KEEP, strings.KEEP_HELP)
        self.keep.currentIndexChanged.connect(lambda _: self.preview())
        self.face = QSpinBox()
        self.face.setRange(0, 100)
        self.face.setSpecialValueText("Automatic")  # 0
        self.face.setToolTip(strings.FACE_HELP)
        for changed in (self.model.currentIndexChanged, self.preset.currentIndexChanged,
                        self.device.currentIndexChanged, self.face.valueChanged):
            changed.connect(lambda _: self.find())
        return group("Options", (("Mo&del", self.model), ("&Quality", self.preset), ("De&vice", self.device),
                                 ("&Which face", self.face), ("&Keep", self.keep)))

    def choice(self, name, items, tip):
        """A combo box with items (text, value). The last selection is stored in Krita's settings and restored."""
        combo = QComboBox()
        combo.setToolTip(tip)
        stored = Krita.instance().readSetting("gani", name, "")
        for text, value in items:
            combo.addItem(text, value)
            if str(value) == stored:
                combo.setCurrentIndex(combo.count() - 1)
        combo.currentIndexChanged.connect(
            lambda _: Krita.instance().writeSetting("gani", name, str(combo.currentData())))
        return combo

    # Requests to the worker.

    def settings(self):
        return Settings(self.model.currentData(), self.preset.currentData(), self.device.currentData(),
                        self.face.value())

    def find(self):
        self.worker.cancel()
        self.alignment = self.edited = None
        self.drafted = False
        self.enter(FINDING)
        self.draw()
        self.worker.request("find", self.settings())

    def preview(self):
        if self.stage == READY or (self.drafted and self.stage in (INVERTING, STOPPED)):
            self.run_or_report(lambda: self.worker.request("show", self.preview_edits(), self.keep.currentData()))

    def render_layers(self):
        def start():
            edits, accept_draft = self.all_edits(), self.stage == STOPPED
            self.enter(RENDERING)
            self.worker.request("render", self.settings(), edits, self.keep.currentData(), accept_draft)
        self.run_or_report(start)

    def on_button(self):
        """Starts or stops the inversion."""
        if self.stage == STOPPED:
            self.invert()
        elif self.stage == INVERTING:
            self.worker.cancel()
            self.enter(STOPPED)
            self.status.setText(strings.STOPPED_WITH_DRAFT if self.drafted else strings.STOPPED)

    def invert(self):
        """Starts the inversion, which first makes a draft."""
        self.enter(INVERTING)
        self.worker.request("invert")

    def run_or_report(self, function):
        """Calls a function and shows its error, if any, as the status."""
        try:
            function()
        except L.GaniError as error:
            self.status.setText(str(error))

    # Events of the worker.

    def on_event(self, cancel_token, kind, values):
        if not cancel_token.is_set():
            getattr(self, "on_" + kind)(*values)

    def on_working(self, text, fraction):
        self.status.setText(text + "…" if fraction is None else text)
        self.bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self.bar.setValue(int(1000 * fraction))

    def on_drafted(self, alignment):
        self.alignment, self.drafted = alignment, True
        self.draw()
        self.preview()

    def on_found(self, directions, face):
        self.set_directions(directions)
        self.compare(face)
        if face:
            self.on_inverted(face.alignment)
        else:
            self.invert()

    def on_inverted(self, alignment):
        self.alignment = alignment
        self.enter(READY)
        self.status.setText(strings.FOR_TESTS if self.model.currentData() in self.for_tests else strings.READY)
        self.preview()

    def on_shown(self, pixels):
        if pixels:
            self.edited = pixmap(pixels, VIEW, VIEW, VIEW)
            self.draw()

    def on_not_shown(self, text):
        self.status.setText(text)

    def on_rendered(self, patches, face):
        self.add_layers(patches, face)
        self.accept()

    def on_failed(self, text):
        self.enter(IDLE)
        self.status.setText(text)

    # Appearance.

    def enter(self, stage):
        self.stage = stage
        self.button.setText("Sto&p" if stage == INVERTING else "&Invert this face")
        self.button.setEnabled(stage in (INVERTING, STOPPED))
        self.ok.setEnabled(stage in (INVERTING, STOPPED, READY))
        self.edit_rows.setEnabled(stage != RENDERING)
        self.settings_rows.setEnabled(stage != RENDERING)
        self.bar.setRange(0, 1000)
        self.bar.setValue(1000 if stage == READY else 0)

    def draw(self, _=None):
        """Shows the edited face; the original if there is none or if Show the face before editing is checked."""
        if self.edited is None or self.before.isChecked():
            self.view.setPixmap(original(self.document, self.layer, self.alignment, VIEW))
        else:
            self.view.setPixmap(self.edited)

    def done(self, result):
        self.worker.stop()
        super().done(result)


class EditFace(FaceDialog):
    """Sliders for the model's directions; adds one layer, in a group. For a layer that it has added, it continues the edit."""

    TITLE = "Edit Face"

    def __init__(self, parent, document, layer):
        self.continued, self.record = record.find(document, layer)
        super().__init__(parent, document, record.photo(document, self.record) if self.record else layer)

    def build_edits(self):
        self.sliders = Sliders(engine.face_directions(), self.preview)
        return group("Edit", (self.sliders,))

    def set_directions(self, directions):
        self.sliders.set_directions(directions)

    def preview_edits(self):
        return self.sliders.all_edits()

    def all_edits(self):
        self.chosen = self.preview_edits()
        return [self.chosen]

    def restore(self):
        if not self.record:
            return
        for combo, value in ((self.model, self.record["model"]), (self.preset, self.record["preset"]), (self.keep, self.record["keep"])):
            combo.blockSignals(True)  # the last values of a new edit stay
            if combo.findData(value) < 0:
                combo.addItem(str(value), value)
            combo.setCurrentIndex(combo.findData(value))
            combo.blockSignals(False)
        self.face.blockSignals(True)
        self.face.setValue(self.record["face"])
        self.face.blockSignals(False)
        self.sliders.set_edits([tuple(edit) for edit in self.record["edits"]])

    def compare(self, face):
        if self.record:
            same = face and face.key == self.record["key"]
            self.note.setText(strings.CONTINUED if same else strings.CONTINUED + " " + strings.OTHER_INVERSION)

    def add_layers(self, patches, face):
        layer = picture.new_layer(self.document, strings.format_edits(self.chosen) or "no change", patches[0], self.space)
        earlier = self.record and record.topmost(self.document, self.continued)
        if earlier:
            layer.setBlendingMode("copy")
            picture.add(self.document, earlier, layer)
        else:
            group = self.document.createGroupLayer("Edit Face")
            group.addChildNode(layer, None)
            picture.add(self.document, self.continued or self.layer, group)
        record.save(self.document, layer, {
            "model": self.settings().model, "preset": face.preset, "face": face.number, "key": face.key, "steps": face.steps,
            "keep": self.keep.currentData(), "edits": self.chosen, "photo": record.describe(self.layer)})
