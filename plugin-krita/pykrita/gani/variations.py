# SPDX-License-Identifier: MIT OR Apache-2.0
"""Face Variations: one edit in several strengths, each a layer of a group."""
from . import picture, words
from .controls import Strength, group
from .dialog import FaceDialog
from .qt import QComboBox, QSpinBox


class FaceVariations(FaceDialog):
    """One direction in equal steps from one strength to another; only the strongest is visible."""

    TITLE = "Face Variations"

    def build_edits(self):
        self.direction, self.layers = QComboBox(), QSpinBox()
        self.direction.setToolTip("What changes from layer to layer")
        self.meet(list(words.SLIDERS))
        self.direction.currentIndexChanged.connect(lambda _: self.preview())
        self.first = Strength("Strength of the first layer, in standard deviations of the model's faces", self.preview, -2.0)
        self.last = Strength("Strength of the last layer, which the preview shows", self.preview, 2.0)
        self.layers.setRange(2, 13)
        self.layers.setValue(5)
        self.layers.setToolTip("How many layers")
        return group("Edit", (("Di&rection", self.direction), ("&From", self.first), ("&To", self.last),
                              ("La&yers", self.layers)))

    def meet(self, directions):
        if directions != [self.direction.itemData(i) for i in range(self.direction.count())]:
            self.direction.clear()
            for name in directions:
                self.direction.addItem(words.label(name)[0], name)

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
            title = "{} {}".format(name, words.signed(strength))
            layer = picture.new_layer(self.document, title, patch, self.space, i + 1 == len(patches))
            folder.addChildNode(layer, below)
            below = layer
        # The group comes last, so that one undo takes all of it out of the picture.
        picture.add(self.document, self.layer, folder)
