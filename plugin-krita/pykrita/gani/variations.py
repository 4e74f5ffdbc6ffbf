# SPDX-License-Identifier: MIT OR Apache-2.0
"""Face Variations: a group of layers with one edit in several strengths."""
from . import engine, picture, strings
from .controls import Strength, group
from .dialog import FaceDialog
from .qt import QComboBox, QSpinBox


class FaceVariations(FaceDialog):
    """One direction in equal steps between two strengths. Only the last layer is visible."""

    TITLE = "Face Variations"

    def build_edits(self):
        self.direction, self.layers = QComboBox(), QSpinBox()
        self.direction.setToolTip("The property that differs between the layers")
        directions = engine.face_directions()
        self.set_directions(directions)
        self.direction.currentIndexChanged.connect(lambda _: self.preview())
        self.first = Strength(directions[0], "Strength of the first layer, in standard deviations of the model's faces",
                              self.preview, -2.0)
        self.last = Strength(directions[0], "Strength of the last layer, which is shown in the preview", self.preview, 2.0)
        self.layers.setRange(2, 13)
        self.layers.setValue(5)
        self.layers.setToolTip("Number of layers")
        return group("Edit", (("Di&rection", self.direction), ("&From", self.first), ("&To", self.last),
                              ("La&yers", self.layers)))

    def set_directions(self, directions):
        names = [direction.name for direction in directions]
        if names != [self.direction.itemData(i) for i in range(self.direction.count())]:
            self.direction.clear()
            for direction in directions:
                self.direction.addItem(direction.label, direction.name)

    def preview_edits(self):
        return [(self.direction.currentData(), self.last.value())]

    def all_edits(self):
        first, last, count = self.first.value(), self.last.value(), self.layers.value()
        self.chosen = [(self.direction.currentData(), first + (last - first) * i / (count - 1)) for i in range(count)]
        return [[edit] for edit in self.chosen]

    def add_layers(self, patches):
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
