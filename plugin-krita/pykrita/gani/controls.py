# SPDX-License-Identifier: MIT OR Apache-2.0
"""Rows of widgets in the dialogs."""
from . import strings
from .qt import QDoubleSpinBox, QFormLayout, QGroupBox, QHBoxLayout, QLineEdit, QPushButton, QSlider, Qt, QWidget

STEPS = 100  # slider steps per σ


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
    """A slider with a number field, for the strength of an engine.Direction in σ. Calls `changed()` when the value changes."""

    def __init__(self, direction, tip, changed, value=0.0):
        super().__init__()
        self.slider, self.number = QSlider(Qt.Orientation.Horizontal), QDoubleSpinBox()
        self.slider.setRange(round(direction.minimum * STEPS), round(direction.maximum * STEPS))
        self.slider.setMinimumWidth(200)
        self.number.setRange(direction.minimum, direction.maximum)
        self.number.setSingleStep(0.1)
        self.number.setDecimals(2)
        for widget in (self.slider, self.number):
            widget.setToolTip(tip)
        self.number.setValue(value)
        self.slider.setValue(round(value * STEPS))
        self.slider.valueChanged.connect(lambda step: self.number.setValue(step / STEPS))
        self.number.valueChanged.connect(lambda value: self.slider.setValue(round(value * STEPS)))
        self.number.valueChanged.connect(lambda _: changed())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        self.setFocusProxy(self.number)

    def value(self):
        return self.number.value()

    def set(self, value):
        self.number.setValue(value)


class Sliders(QWidget):
    """A slider for each engine.Direction, and a text field for other directions."""

    def __init__(self, directions, changed):
        super().__init__()
        self.changed, self.rows = changed, {}
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.reset = QPushButton("Re&set")
        self.reset.setToolTip("Sets all sliders to 0 and clears Further edits")
        self.reset.clicked.connect(self.clear)
        self.more = QLineEdit()
        self.more.setToolTip(strings.MORE_HELP)
        self.more.setPlaceholderText("pca.3=1.5 sefa.0=-2")
        self.more.editingFinished.connect(changed)
        self.form.addRow("&Further edits", self.more)
        self.form.addRow(self.reset)
        self.set_directions(directions)

    def set_directions(self, directions):
        """Replaces the sliders. A direction that had a slider before keeps its value."""
        if list(self.rows) == [direction.name for direction in directions]:
            return
        values = {name: row.value() for name, row in self.rows.items()}
        for row in self.rows.values():
            self.form.removeRow(row)
        self.rows = {}
        for i, direction in enumerate(directions):
            row = Strength(direction, direction.help, self.changed, values.get(direction.name, 0.0))
            self.rows[direction.name] = row
            self.form.insertRow(i, direction.label, row)

    def clear(self):
        self.more.clear()
        for row in self.rows.values():
            row.set(0.0)
        self.changed()

    def edits(self):
        """The edits of all sliders that are not 0, [(direction, σ)]."""
        return [(name, row.value()) for name, row in self.rows.items() if row.value()]
