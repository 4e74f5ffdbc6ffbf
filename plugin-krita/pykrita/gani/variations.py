# SPDX-License-Identifier: MIT OR Apache-2.0
"""Face Variations: a group of layers with one edit in several strengths."""
from . import engine, picture, strings
from .controls import Strength, group
from .dialog import FaceDialog
from .qt import QComboBox, QSpinBox


DEFAULT = 2 / 3  # default strengths, as a part of the range


class FaceVariations(FaceDialog):
    """One direction in equal steps between two strengths. Only the last layer is visible."""

    TITLE = "Face Variations"

    def build_edits(self):
        self.direction, self.layers = QComboBox(), QSpinBox()
        self.direction.setToolTip("The property that differs between the layers")
        self.directions = engine.face_directions()
        first = self.directions[0]
        self.scale = first.unit, first.minimum, first.maximum
        self.first = Strength(first, "Strength of the first layer, in the unit of the direction", self.preview,
                              first.minimum * DEFAULT)
        self.last = Strength(first, "Strength of the last layer, which is shown in the preview", self.preview,
                             first.maximum * DEFAULT)
        self.add_items()
        self.direction.currentIndexChanged.connect(self.on_direction)
        self.layers.setRange(2, 13)
        self.layers.setValue(5)
        self.layers.setToolTip("Number of layers")
        return group("Edit", (("Di&rection", self.direction), ("&From", self.first), ("&To", self.last),
                              ("La&yers", self.layers)))

    def set_directions(self, directions):
        if directions != self.directions:
            self.directions = directions
            self.direction.clear()
            self.add_items()

    def add_items(self):
        for direction in self.directions:
            self.direction.addItem(direction.label, direction.name)

    def on_direction(self, index):
        """Adapts ranges and strengths to a direction of another unit or range."""
        if not 0 <= index < len(self.directions):
            return
        direction = self.directions[index]
        scale = direction.unit, direction.minimum, direction.maximum
        if scale != self.scale:
            self.scale = scale
            for field, value in ((self.first, direction.minimum), (self.last, direction.maximum)):
                field.set_direction(direction)
                field.set(value * DEFAULT)
        self.preview()

    def preview_edits(self):
        return [(self.direction.currentData(), self.last.value())]

    def all_edits(self):
        first, last, count = self.first.value(), self.last.value(), self.layers.value()
        self.chosen = [(self.direction.currentData(), first + (last - first) * i / (count - 1)) for i in range(count)]
        return [[edit] for edit in self.chosen]

    def add_layers(self, patches, _):
        name = self.chosen[0][0].replace("_", " ")
        folder = self.document.createGroupLayer("Face Variations: " + name)
        below = None
        for i, ((_, strength), patch) in enumerate(zip(self.chosen, patches)):
            title = "{} {}".format(name, strings.format_strength(strength))
            layer = picture.new_layer(self.document, title, patch, self.space, i + 1 == len(patches))
            folder.addChildNode(layer, below)
            below = layer
        # The group is added last, so that a single undo step removes all of it.
        picture.add(self.document, self.layer, folder)
