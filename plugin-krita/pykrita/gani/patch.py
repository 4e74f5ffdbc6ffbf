# SPDX-License-Identifier: MIT OR Apache-2.0
"""Patches: the pixels of a new layer, with the edited face and transparency outside of its square and of the selection."""
import math
import re
from collections import namedtuple

# Pixels of a layer, bytes [height, width, pixel]; x, y: position of the top left pixel. Layout and sample type are those of
# the source image.
Patch = namedtuple("Patch", "x y width height data")

SELECTED = re.compile(b"[^\\0]+")


def make(face, edits, picture):
    """Pastes a face with edits and returns the result as a Patch.

    face: engine.FaceSession. picture: engine.Pixels of the whole image; not modified. Pixels that pasting does not change
    are transparent.
    """
    pasted = picture.copy()
    x, y, width, height = face.paste(edits, pasted)
    pixel, data = picture.pixel_bytes, bytearray(width * height * picture.pixel_bytes)
    for row in range(height):
        for start, end in spans(face.alignment, picture.mask, picture.width, y + row):
            start, end = max(start, x), min(end, x + width)
            if start < end:
                to, source = (row * width + start - x) * pixel, (y + row) * pasted.stride + start * pixel
                data[to:to + (end - start) * pixel] = pasted.data[source:source + (end - start) * pixel]
    return Patch(x, y, width, height, bytes(data))


def spans(corners, mask, width, row):
    """Ranges [start, end) of columns in a row whose pixel centers are inside the square and whose mask is not 0.

    corners: the square's corners, [(x, y)]. mask: bytes [height, width], or None if everything is selected.
    """
    start, end = crossing(corners, row + 0.5)
    start, end = max(start, 0), min(end, width)
    if start >= end:
        return []
    if mask is None:
        return [(start, end)]
    first = row * width
    return [(found.start() - first, found.end() - first) for found in SELECTED.finditer(mask, first + start, first + end)]


def crossing(corners, y):
    """The range [start, end) of columns whose centers are inside a convex polygon on a horizontal line; (0, 0) if none."""
    found = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        if min(y0, y1) <= y < max(y0, y1):
            found.append(x0 + (x1 - x0) * (y - y0) / (y1 - y0))
    if not found:
        return 0, 0
    return math.ceil(min(found) - 0.5), math.ceil(max(found) - 0.5)
