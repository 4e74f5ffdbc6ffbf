# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads pixels from Krita and adds patches as new layers. Main thread only."""
import re

from krita import Krita

from . import library as L
from .engine import Pixels
from .qt import QByteArray

# Color models and depths whose memory layout gani supports directly.
DIRECT = {
    ("RGBA", "U8"): (L.LAYOUT_BGRA, L.SAMPLE_U8),
    ("RGBA", "U16"): (L.LAYOUT_BGRA, L.SAMPLE_U16),
    ("RGBA", "F32"): (L.LAYOUT_RGBA, L.SAMPLE_F32),
    ("GRAYA", "U8"): (L.LAYOUT_GRAY_ALPHA, L.SAMPLE_U8),
    ("GRAYA", "U16"): (L.LAYOUT_GRAY_ALPHA, L.SAMPLE_U16),
    ("GRAYA", "F32"): (L.LAYOUT_GRAY_ALPHA, L.SAMPLE_F32),
}
MAX_BYTES = 512 << 20  # libgani's limit; checked here before the pixels are copied
SRGB = "sRGB-elle-V2-srgbtrc.icc"  # part of Krita
# Profiles with sRGB's primaries (or gray) and transfer curve. Other profiles may have the same curve with other primaries.
ENCODED = re.compile(r"srgb built-in.*|(srgb|gray)-.*srgbtrc\.icc", re.IGNORECASE)


def layer_of(node):
    """The layer of a node: the node itself, or the layer that a mask belongs to. None for the image's global selection mask."""
    while node is not None and node.type().endswith("mask"):
        node = node.parentNode()
    return node if node is not None and node.parentNode() is not None else None


def color_space(node):
    """Color model, depth and profile of a document or layer."""
    return node.colorModel(), node.colorDepth(), node.colorProfile()


def working_space(space):
    """The color space in which pixels are passed to gani: `space` if its values are sRGB-encoded, else 16-bit or float sRGB."""
    model, depth, profile = space
    if (model, depth) in DIRECT and ENCODED.fullmatch(profile):
        return space
    return "RGBA", "F32" if depth.startswith("F") else "U16", SRGB


def read(document, layer):
    """Reads a layer, cropped to the image, and the selection. Returns engine.Pixels of the image's size and their color space.

    Groups, vector layers and other layers without pixels of their own are read as rendered. Raises L.GaniError if the image
    is too large.
    """
    width, height = document.width(), document.height()
    space = working_space(color_space(layer))
    layout, sample = DIRECT[space[:2]]
    if width * height * L.CHANNELS[layout] * L.SAMPLE_BYTES[sample] > MAX_BYTES:
        raise L.GaniError("The image is too large ({} × {}); the limit is {} MiB of pixels. Scale it down or crop it."
                          .format(width, height, MAX_BYTES >> 20))
    if layer.type() == "paintlayer":
        data = layer.pixelData(0, 0, width, height)
    else:
        data = layer.projectionPixelData(0, 0, width, height)
    data = convert(data, width, height, color_space(layer), space)
    selection = document.selection()
    mask = None if selection is None else bytes(selection.pixelData(0, 0, width, height))
    return Pixels(width, height, layout, sample, data, mask), space


def convert(data, width, height, source, target):
    """Pixels converted to another color space by Krita's color management, in a hidden document."""
    data = bytes(data)
    if source == target:
        return data
    scratch = Krita.instance().createDocument(width, height, "gani", source[0], source[1], source[2], 72.0)
    if scratch is None:
        raise L.GaniError("Krita cannot create an image in color space {} {} {}. Convert the layer to RGB first.".format(*source))
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
    """A new layer with the pixels of a patch; not added to the image yet."""
    layer = document.createNode(name, "paintlayer")
    x, y, width, height, data = patch
    data = convert(data, width, height, space, color_space(layer))
    layer.setPixelData(QByteArray(data), x, y, width, height)
    layer.setVisible(visible)
    return layer


def add(document, above, node):
    """Adds a layer or group above another one, as a single undo step."""
    above.parentNode().addChildNode(node, above)
    document.refreshProjection()
    document.waitForDone()
