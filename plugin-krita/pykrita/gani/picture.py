# SPDX-License-Identifier: MIT OR Apache-2.0
"""Krita's pixels as gani takes them, and patches as new layers. On the main thread only."""
import re

from krita import Krita

from . import library as L
from .engine import Pixels
from .qt import QByteArray

# Colour models and depths that gani takes as they lie in Krita's memory.
DIRECT = {
    ("RGBA", "U8"): (L.BGRA, L.U8), ("RGBA", "U16"): (L.BGRA, L.U16), ("RGBA", "F32"): (L.RGBA, L.F32),
    ("GRAYA", "U8"): (L.GREY_ALPHA, L.U8), ("GRAYA", "U16"): (L.GREY_ALPHA, L.U16), ("GRAYA", "F32"): (L.GREY_ALPHA, L.F32),
}
MAX_BYTES = 512 << 20  # libgani's limit, known before that many are copied
SRGB = "sRGB-elle-V2-srgbtrc.icc"  # Krita brings it along
# Profiles with sRGB's colours (or grey) and its curve; others have that curve too, with other colours.
ENCODED = re.compile(r"srgb built-in.*|(srgb|gray)-.*srgbtrc\.icc", re.IGNORECASE)


def layer_of(node):
    """The layer that is meant where a node is chosen: itself, or the one that a mask belongs to. None for the picture's own
    selection mask."""
    while node is not None and node.type().endswith("mask"):
        node = node.parentNode()
    return node if node is not None and node.parentNode() is not None else None


def space_of(thing):
    """Colour model, depth and profile of a document or layer."""
    return thing.colorModel(), thing.colorDepth(), thing.colorProfile()


def working_space(space):
    """The space to hand to gani in place of `space`: itself where its values are sRGB-encoded, else RGB with enough bits."""
    model, depth, profile = space
    if (model, depth) in DIRECT and ENCODED.fullmatch(profile):
        return space
    return "RGBA", "F32" if depth.startswith("F") else "U16", SRGB


def read(document, layer):
    """The part of a layer that lies in the picture, with the selection: engine.Pixels of the picture's size.

    Groups, vectors and others are taken as they are seen. Also returns the space that the pixels are in.
    """
    width, height = document.width(), document.height()
    space = working_space(space_of(layer))
    layout, sample = DIRECT[space[:2]]
    if width * height * L.CHANNELS[layout] * L.SAMPLE_BYTES[sample] > MAX_BYTES:
        raise L.Failed("The picture is too large ({} × {}): at most {} MiB of pixels are handled. Scale it down or crop "
                       "it.".format(width, height, MAX_BYTES >> 20))
    if layer.type() == "paintlayer":
        data = layer.pixelData(0, 0, width, height)
    else:
        data = layer.projectionPixelData(0, 0, width, height)
    data = convert(data, width, height, space_of(layer), space)
    selection = document.selection()
    mask = None if selection is None else bytes(selection.pixelData(0, 0, width, height))
    return Pixels(width, height, layout, sample, data, mask), space


def convert(data, width, height, source, target):
    """Pixels in another space, by Krita's own colour management: through a document that nobody sees."""
    data = bytes(data)
    if source == target:
        return data
    scratch = Krita.instance().createDocument(width, height, "gani", source[0], source[1], source[2], 72.0)
    if scratch is None:
        raise L.Failed("Krita has no colour space {} {} {}: convert the layer to RGB first.".format(*source))
    try:
        scratch.setBatchmode(True)
        layer = scratch.topLevelNodes()[0]
        layer.setPixelData(QByteArray(data), 0, 0, width, height)
        scratch.setColorSpace(*target)
        scratch.waitForDone()
        return bytes(scratch.topLevelNodes()[0].pixelData(0, 0, width, height))
    finally:
        scratch.close()


def new_layer(document, name, patch, space, visible=True):
    """A layer with a patch, not yet in the picture."""
    layer = document.createNode(name, "paintlayer")
    x, y, width, height, data = patch
    data = convert(data, width, height, space, space_of(layer))
    layer.setPixelData(QByteArray(data), x, y, width, height)
    layer.setVisible(visible)
    return layer


def add(document, above, node):
    """Puts a layer or group above another: one step, which can be undone."""
    above.parentNode().addChildNode(node, above)
    document.refreshProjection()
    document.waitForDone()
