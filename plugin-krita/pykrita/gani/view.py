# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pixmaps for the dialogs."""
import math

from .qt import QImage, QPainter, QPixmap, Qt, QTransform


def pixmap(pixels, width, height, side):
    """RGB bytes [height, width, 3] as a pixmap, scaled to fit side × side pixels."""
    image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
    smooth = Qt.TransformationMode.SmoothTransformation
    return QPixmap.fromImage(image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, smooth))


def original(document, layer, corners, side):
    """The unedited layer as a pixmap of at most side × side pixels: the face's square, or the whole image if corners is None. A layer
    that is not 8-bit RGB is shown with the image's other layers.

    corners: of the square in the image: top left, bottom left, bottom right, top right.
    """
    if corners is None:
        return QPixmap.fromImage(document.thumbnail(side, side))
    left, top = (max(0, math.floor(min(p[i] for p in corners))) for i in (0, 1))
    right, bottom = (math.ceil(max(p[i] for p in corners)) for i in (0, 1))
    width, height = min(right, document.width()) - left, min(bottom, document.height()) - top
    if (layer.colorModel(), layer.colorDepth()) == ("RGBA", "U8"):
        pixels = bytes(layer.projectionPixelData(left, top, width, height))
        part = QImage(pixels, width, height, 4 * width, QImage.Format.Format_ARGB32)
    else:
        part = document.projection(left, top, width, height)
    (x, y), (down_x, down_y), _, (right_x, right_y) = corners
    # Maps the view to the image: the view's origin is the square's top left corner.
    to_image = QTransform((right_x - x) / side, (right_y - y) / side, (down_x - x) / side, (down_y - y) / side, x, y)
    view = QPixmap(side, side)
    view.fill()
    painter = QPainter(view)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setTransform(to_image.inverted()[0])
    painter.drawImage(left, top, part)
    painter.end()
    return view
