# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a new layer gets: the edited face, transparent outside of its square and of the selection."""
import math
import re
from collections import namedtuple

# Pixels [height, width] for a layer whose top left corner lies at x, y; layout and sample as those that it came from.
Patch = namedtuple("Patch", "x y width height data")

SELECTED = re.compile(b"[^\\0]+")


def make(inversion, edits, picture):
    """The Patch of a face with edits: the pixels that the picture would have there, nothing where it stays as it is."""
    pasted = picture.copy()
    x, y, width, height = inversion.paste(edits, pasted)
    pixel, data = picture.pixel, bytearray(width * height * picture.pixel)
    for row in range(height):
        for start, end in spans(inversion.place, picture.mask, picture.width, y + row):
            start, end = max(start, x), min(end, x + width)
            if start < end:
                to, source = (row * width + start - x) * pixel, (y + row) * pasted.stride + start * pixel
                data[to:to + (end - start) * pixel] = pasted.data[source:source + (end - start) * pixel]
    return Patch(x, y, width, height, bytes(data))


def spans(place, mask, width, row):
    """Columns [start, end) of a row whose centres lie in the square `place` and whose mask is not 0."""
    start, end = crossing(place, row + 0.5)
    start, end = max(start, 0), min(end, width)
    if start >= end:
        return []
    if mask is None:
        return [(start, end)]
    first = row * width
    return [(found.start() - first, found.end() - first) for found in SELECTED.finditer(mask, first + start, first + end)]


def crossing(place, y):
    """Columns [start, end) whose centres lie in a convex polygon on the line at y; (0, 0) where it is not crossed."""
    found = []
    for (x0, y0), (x1, y1) in zip(place, place[1:] + place[:1]):
        if min(y0, y1) <= y < max(y0, y1):
            found.append(x0 + (x1 - x0) * (y - y0) / (y1 - y0))
    if not found:
        return 0, 0
    return math.ceil(min(found) - 0.5), math.ceil(max(found) - 0.5)
