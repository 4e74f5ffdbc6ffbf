# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pictures for the dialogs."""
import math

from .qt import QImage, QPainter, QPixmap, Qt, QTransform


def pixmap(pixels, width, height, shown):
    """RGB bytes [height, width, 3] as a pixmap of at most shown × shown pixels."""
    image = QImage(pixels, width, height, 3 * width, QImage.Format.Format_RGB888)
    smooth = Qt.TransformationMode.SmoothTransformation
    return QPixmap.fromImage(image.scaled(shown, shown, Qt.AspectRatioMode.KeepAspectRatio, smooth))


def before(document, place, side):
    """The picture as it is, side × side pixels at most: the face's square where that is known, else all of it.

    place: corners of the square in the picture: top left, bottom left, bottom right, top right; or None.
    """
    if place is None:
        return QPixmap.fromImage(document.thumbnail(side, side))
    left, top = (max(0, math.floor(min(p[i] for p in place))) for i in (0, 1))
    right, bottom = (math.ceil(max(p[i] for p in place)) for i in (0, 1))
    part = document.projection(left, top, min(right, document.width()) - left, min(bottom, document.height()) - top)
    (x, y), (down_x, down_y), _, (right_x, right_y) = place
    # From the view to the picture: its origin is the square's top left corner.
    to_picture = QTransform((right_x - x) / side, (right_y - y) / side, (down_x - x) / side, (down_y - y) / side, x, y)
    view = QPixmap(side, side)
    view.fill()
    painter = QPainter(view)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setTransform(to_picture.inverted()[0])
    painter.drawImage(left, top, part)
    painter.end()
    return view
