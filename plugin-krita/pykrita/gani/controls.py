# SPDX-License-Identifier: MIT OR Apache-2.0
"""Rows of widgets in the dialogs."""
from . import engine, strings
from .library import GaniError
from .qt import (QComboBox, QDoubleSpinBox, QFormLayout, QGroupBox, QHBoxLayout, QInputDialog, QLineEdit, QMessageBox, QPushButton,
                 QSlider, Qt, QWidget)

STEPS = 300  # slider steps on each side of 0


def group(title, rows):
    """A titled group box. Each row is (label, widget) or a widget."""
    box = QGroupBox(title)
    form = QFormLayout(box)
    for row in rows:
        if isinstance(row, tuple):
            form.addRow(*row)
        else:
            form.addRow(row)
    return box


class Strength(QWidget):
    """A slider with a number field, for the strength of an engine.Direction. Calls `changed()` when the value changes."""

    def __init__(self, direction, tip, changed, value=0.0):
        super().__init__()
        self.slider, self.number = QSlider(Qt.Orientation.Horizontal), QDoubleSpinBox()
        self.slider.setMinimumWidth(200)
        self.number.setDecimals(2)
        self.set_direction(direction)
        for widget in (self.slider, self.number):
            widget.setToolTip(tip)
        self.number.setValue(value)
        self.slider.setValue(round(value * self.steps))
        self.slider.valueChanged.connect(lambda step: self.number.setValue(step / self.steps))
        self.number.valueChanged.connect(lambda value: self.slider.setValue(round(value * self.steps)))
        self.number.valueChanged.connect(lambda _: changed())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        self.setFocusProxy(self.number)

    def set_direction(self, direction):
        """Adapts range and unit."""
        self.steps = STEPS / max(-direction.minimum, direction.maximum)
        self.slider.setRange(round(direction.minimum * self.steps), round(direction.maximum * self.steps))
        self.number.setRange(direction.minimum, direction.maximum)
        self.number.setSingleStep(1.0 if direction.unit == "deg" else 0.1)
        self.number.setSuffix(strings.SUFFIXES.get(direction.unit, ""))

    def value(self):
        return self.number.value()

    def set(self, value):
        self.number.setValue(value)


class Looks(QWidget):
    """The list of looks, with buttons to save the current edits as one, and to remove one.

    apply(edits) is called when a look is chosen; current() returns the current edits and may raise GaniError.
    """

    def __init__(self, apply, current):
        super().__init__()
        self.apply, self.current, self.looks = apply, current, []
        self.list, self.save, self.remove = QComboBox(), QPushButton("Save look…"), QPushButton("Remove look")
        self.list.setToolTip(strings.LOOK_HELP)
        self.save.setToolTip("Saves the sliders as a look")
        self.remove.setToolTip("Removes the selected look")
        self.list.activated.connect(self.on_chosen)
        self.list.currentIndexChanged.connect(lambda _: self.remove.setEnabled(self.selected() is not None and self.selected().own))
        self.save.clicked.connect(lambda _=False: self.on_save())
        self.remove.clicked.connect(lambda _=False: self.on_remove())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.list, 1)
        row.addWidget(self.save)
        row.addWidget(self.remove)
        self.setFocusProxy(self.list)
        self.fill()

    def fill(self, name=""):
        """Reads the looks again and selects one."""
        self.looks = engine.looks()
        self.list.clear()
        self.list.addItem("", "")
        for look in self.looks:
            self.list.addItem(look.name, look.name)
            self.list.setItemData(self.list.count() - 1, look.title or strings.format_edits(look.edits), Qt.ItemDataRole.ToolTipRole)
        self.list.setCurrentIndex(max(0, self.list.findData(name)))

    def selected(self):
        """The selected engine.Look or None."""
        return next((look for look in self.looks if look.name == self.list.currentData()), None)

    def on_chosen(self, _):
        if self.selected() is not None:
            self.apply(self.selected().edits)

    def on_save(self):
        name, confirmed = QInputDialog.getText(self, "Save the look", "Name of the look:", text=self.list.currentText())
        if confirmed and name.strip():
            self.store(name.strip())

    def store(self, name):
        """Saves the current edits under a name; asks before it replaces a look."""
        try:
            exists = any(look.own and look.name == name for look in self.looks)
            question = "Replace the look “{}”?".format(name)
            if exists and QMessageBox.question(self, "Save the look", question) != QMessageBox.StandardButton.Yes:
                return
            engine.save_look(name, self.current(), exists)
            self.fill(name)
        except GaniError as error:
            QMessageBox.warning(self, "Save the look", str(error))

    def on_remove(self):
        try:
            engine.remove_look(self.list.currentData())
            self.fill()
        except GaniError as error:
            QMessageBox.warning(self, "Remove the look", str(error))


class Sliders(QWidget):
    """Looks, a slider for each engine.Direction, and a text field for other directions."""

    def __init__(self, directions, changed):
        super().__init__()
        self.changed, self.rows, self.directions = changed, {}, None
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.reset = QPushButton("Re&set")
        self.reset.setToolTip("Sets all sliders to 0 and clears Further edits")
        self.reset.clicked.connect(self.clear)
        self.more = QLineEdit()
        self.more.setToolTip(strings.MORE_HELP)
        self.more.setPlaceholderText("pca.3=1.5 sefa.0=-2")
        self.more.editingFinished.connect(changed)
        self.looks = Looks(self.set_edits, self.all_edits)
        self.form.addRow("&Look", self.looks)
        self.form.addRow("&Further edits", self.more)
        self.form.addRow(self.reset)
        self.set_directions(directions)

    def set_directions(self, directions):
        """Replaces the sliders. A direction that had a slider before keeps its value."""
        if self.directions == directions:
            return
        self.directions = directions
        values = {name: row.value() for name, row in self.rows.items()}
        for row in self.rows.values():
            self.form.removeRow(row)
        self.rows = {}
        for i, direction in enumerate(directions):
            row = Strength(direction, direction.help, self.changed, values.get(direction.name, 0.0))
            self.rows[direction.name] = row
            self.form.insertRow(i + 1, direction.label, row)  # below the looks

    def clear(self):
        self.more.clear()
        for row in self.rows.values():
            row.set(0.0)
        self.changed()

    def set_edits(self, edits):
        """Moves the sliders to edits [(direction, strength)]; directions without a slider go to Further edits."""
        strengths = dict(edits)
        for name, row in self.rows.items():
            row.set(strengths.pop(name, 0.0))
        self.more.setText(" ".join("{}={:g}".format(*edit) for edit in strengths.items()))
        self.changed()

    def all_edits(self):
        """The edits of the sliders and of Further edits. Raises GaniError for an invalid word."""
        return self.edits() + strings.parse_edits(self.more.text())

    def edits(self):
        """The edits of all sliders that are not 0, [(direction, strength)]."""
        return [(name, row.value()) for name, row in self.rows.items() if row.value()]
