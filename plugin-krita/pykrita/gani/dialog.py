# SPDX-License-Identifier: MIT OR Apache-2.0
"""The dialogs: the face on the left, what is edited and the settings on the right; the face follows the sliders."""
from krita import Krita

from . import engine, picture, words
from .controls import Sliders, group
from .qt import (QCheckBox, QComboBox, QDialog, QDialogButtonBox, QHBoxLayout, QLabel, QProgressBar, QPushButton,
                 QSpinBox, Qt, QVBoxLayout)
from .studio import VIEW, Settings
from .view import before, pixmap
from .worker import Worker

# Where the work is: nothing can be done with these settings; the face is looked for; it is there and was not inverted
# yet; it is being inverted; it is ready for sliders; it is on its way into layers.
IDLE, FINDING, FOUND, INVERTING, READY, RENDERING = range(6)


class FaceDialog(QDialog):
    """What both dialogs share. Each says its TITLE, its rows for the edit, and what becomes of them."""

    TITLE = ""

    def __init__(self, parent, document, layer):
        """For a layer of a document. Raises library.Failed where it cannot be edited."""
        bundles = [b for b in engine.bundles() if not b.problem]
        pixels, space = picture.read(document, layer)
        super().__init__(parent)
        self.document, self.layer, self.space, self.place, self.edited = document, layer, space, None, None
        self.worker = Worker(pixels)
        self.worker.news.connect(self.hear, Qt.ConnectionType.QueuedConnection)
        self.setWindowTitle(self.TITLE)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.build(bundles)
        self.stage = IDLE
        self.worker.start()
        self.find()

    # What each dialog says for itself.

    def build_edits(self):
        """The widget with the rows for the edit; each change calls self.preview."""
        raise NotImplementedError

    def preview_edits(self):
        """What the picture shows: [(direction, σ)]. May raise library.Failed."""
        raise NotImplementedError

    def all_edits(self):
        """The edits of all layers to be made. May raise library.Failed."""
        raise NotImplementedError

    def add_layers(self, patches):
        """Puts the patches of all_edits into the picture."""
        raise NotImplementedError

    def meet(self, directions):
        """The model has these directions."""

    # The widgets.

    def build(self, bundles):
        self.view, self.status, self.bar = QLabel(), QLabel(), QProgressBar()
        self.view.setFixedSize(VIEW, VIEW)
        self.view.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.before = QCheckBox("Show the face &before")
        self.before.toggled.connect(self.draw)
        self.bar.setTextVisible(False)
        self.status.setWordWrap(True)
        self.status.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.status.setFixedWidth(VIEW)
        # Room for four lines, so that nothing jumps when the text changes.
        self.status.setMinimumHeight(4 * self.status.fontMetrics().lineSpacing())
        self.button = QPushButton("&Invert this face")
        self.button.setToolTip(words.INVERT_HELP)
        self.button.clicked.connect(self.press)
        left = QVBoxLayout()
        for widget in (self.view, self.before, self.bar, self.status, self.button):
            left.addWidget(widget)
        left.addStretch()

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
        columns.addLayout(left)
        columns.addSpacing(12)
        columns.addLayout(right, 1)
        whole.addLayout(columns)
        whole.addWidget(self.buttons)

    def build_settings(self, bundles):
        models = [("Best installed", "")] + [("{}: {} px".format(b.name, b.width), b.name) for b in bundles]
        self.model = self.choice("model", models, words.MODEL_HELP)
        self.preset = self.choice("preset", words.PRESETS, words.PRESET_HELP)
        self.device = self.choice("device", words.DEVICES, words.DEVICE_HELP)
        self.face = QSpinBox()
        self.face.setRange(0, 100)
        self.face.setSpecialValueText("Automatic")  # 0
        self.face.setToolTip(words.FACE_HELP)
        for changed in (self.model.currentIndexChanged, self.preset.currentIndexChanged,
                        self.device.currentIndexChanged, self.face.valueChanged):
            changed.connect(lambda _: self.find())
        return group("Options", (("Mo&del", self.model), ("&Quality", self.preset), ("De&vice", self.device),
                                 ("&Which face", self.face)))

    def choice(self, name, items, tip):
        """A list of (text, value) that starts with what was chosen last time."""
        combo = QComboBox()
        combo.setToolTip(tip)
        kept = Krita.instance().readSetting("gani", name, "")
        for text, value in items:
            combo.addItem(text, value)
            if str(value) == kept:
                combo.setCurrentIndex(combo.count() - 1)
        combo.currentIndexChanged.connect(
            lambda _: Krita.instance().writeSetting("gani", name, str(combo.currentData())))
        return combo

    # What is asked of the worker.

    def settings(self):
        return Settings(self.model.currentData(), self.preset.currentData(), self.device.currentData(),
                        self.face.value())

    def find(self):
        self.worker.abandon()
        self.place = self.edited = None
        self.enter(FINDING)
        self.draw()
        self.worker.order("find", self.settings())

    def preview(self):
        if self.stage == READY:
            self.attempt(lambda: self.worker.order("show", self.preview_edits()))

    def render_layers(self):
        def go():
            edits = self.all_edits()
            self.enter(RENDERING)
            self.worker.order("render", self.settings(), edits)
        self.attempt(go)

    def press(self):
        """The button under the picture: invert, or stop that."""
        if self.stage == FOUND:
            self.enter(INVERTING)
            self.worker.order("invert")
        elif self.stage == INVERTING:
            self.worker.abandon()
            self.edited = None
            self.enter(FOUND)
            self.draw()
            self.status.setText(words.STOPPED)

    def attempt(self, act):
        try:
            act()
        except picture.L.Failed as error:
            self.status.setText(str(error))

    # What the worker tells.

    def hear(self, ticket, kind, what):
        if not ticket.is_set():
            getattr(self, "on_" + kind)(*what)

    def on_working(self, text, fraction):
        self.status.setText(text + "…" if fraction is None else text)
        self.bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self.bar.setValue(int(1000 * fraction))

    def on_underway(self, pixels, width, height):
        self.edited = pixmap(pixels, width, height, VIEW)
        self.draw()

    def on_found(self, directions, place):
        self.meet(directions)
        self.place = place
        if place:
            self.on_inverted(place)
        else:
            self.enter(FOUND)
            self.status.setText(words.NEW_FACE)

    def on_inverted(self, place):
        self.place = place
        self.enter(READY)
        self.status.setText(words.READY)
        self.preview()

    def on_shown(self, pixels):
        self.edited = pixmap(pixels, VIEW, VIEW, VIEW)
        self.draw()

    def on_rendered(self, patches):
        self.add_layers(patches)
        self.accept()

    def on_failed(self, text):
        self.enter(IDLE)
        self.status.setText(text)

    # How it looks.

    def enter(self, stage):
        self.stage = stage
        self.button.setText("Sto&p" if stage == INVERTING else "&Invert this face")
        self.button.setEnabled(stage in (FOUND, INVERTING))
        self.ok.setEnabled(stage in (FOUND, READY))
        self.edit_rows.setEnabled(stage != RENDERING)
        self.settings_rows.setEnabled(stage not in (INVERTING, RENDERING))
        self.bar.setRange(0, 1000)
        self.bar.setValue(1000 if stage == READY else 0)

    def draw(self, _=None):
        """Shows the edited face, or the picture as it is where there is none or it is asked for."""
        if self.edited is None or self.before.isChecked():
            self.view.setPixmap(before(self.document, self.place, VIEW))
        else:
            self.view.setPixmap(self.edited)

    def done(self, result):
        self.worker.end()
        super().done(result)


class EditFace(FaceDialog):
    """Sliders for the model's directions; one new layer."""

    TITLE = "Edit Face"

    def build_edits(self):
        self.sliders = Sliders(words.SLIDERS, self.preview)
        return group("Edit", (self.sliders,))

    def meet(self, directions):
        self.sliders.meet(directions)

    def preview_edits(self):
        return self.sliders.edits() + words.parse_more(self.sliders.more.text())

    def all_edits(self):
        self.chosen = self.preview_edits()
        return [self.chosen]

    def add_layers(self, patches):
        name = "Edit Face: " + words.described(self.chosen) if self.chosen else "Edit Face (no change)"
        picture.add(self.document, self.layer, picture.new_layer(self.document, name, patches[0], self.space))
