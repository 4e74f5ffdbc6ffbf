"""For `krita_session.py`, inside Krita: checks, pixels, screenshots, and the conditions that a script waits for."""
import math
import os
import sys
import time

from krita import Krita
from PyQt5.QtWidgets import QApplication

SHOTS = "/w/shots"
SIDE = 512  # of the photo
K = Krita.instance()


class Stuck(Exception):
    """Something did not come within its time."""


def check(name, good, why=""):
    print("PASS" if good else "FAIL", name if good else "{}: {}".format(name, why), flush=True)
    return good


def gani(name):
    """A module of the plug-in."""
    return sys.modules["gani." + name]


def shorten_inversions():
    """From now on faces are inverted with few steps: enough to see where their pixels go."""
    library = gani("library")

    class ShortOptions(library.InvertOptions):
        def __init__(self, **given):
            super().__init__(refine=2, iterations=10, **given)

    library.InvertOptions = ShortOptions


def opened(action="gani_edit_face"):
    """Triggers an action, as the menu does; returns the dialog."""
    K.action(action).trigger()
    return sys.modules["gani"].EXTENSION.dialog


# What a script yields: what it waits for, the condition, and until when.

def until(what, condition, seconds=300):
    return what, condition, time.monotonic() + seconds


def while_it_goes_on(what, condition, sign, seconds=180):
    """Until the condition holds; waits as long as the sign changes now and then, as that of work does on a busy machine."""
    last = [sign(), time.monotonic()]

    def goes_on():
        now = sign()
        if now != last[0]:
            last[:] = now, time.monotonic()
        if condition():
            return True
        if time.monotonic() > last[1] + seconds:
            raise Stuck("{} did not come: {}".format(what, now))
        return False

    return what, goes_on, math.inf


def inverted(dialog, *stages):
    """Until an inversion has come to one of these stages."""
    return while_it_goes_on("the inversion", is_at(dialog, *stages), dialog.status.text)


def still(what, value, seconds=180):
    """Until a value has stayed the same for a second."""
    last = [value(), time.monotonic()]

    def condition():
        now = value()
        if now != last[0]:
            last[:] = now, time.monotonic()
        return time.monotonic() > last[1] + 1

    return until("an end of changes to " + what, condition, seconds)


def still_screen():
    def picture():
        image = QApplication.primaryScreen().grabWindow(0).toImage()
        return bytes(image.constBits().asarray(image.sizeInBytes()))

    return still("the screen", picture)


def is_at(dialog, *stages):
    return lambda: dialog.stage in [getattr(gani("dialog"), stage) for stage in stages]


def added(document, dialog, count=2):
    """Until a dialog is done and has put its layer into the picture, which then has `count`."""
    worker = dialog.worker  # outlives the dialog
    return until("the layer", lambda: worker.isFinished() and len(names(document)) == count)


def undone(document, count=1, action="edit_undo"):
    """Undoes a step, or does it again, after which the picture has `count` layers."""
    K.action(action).trigger()
    return until(action, lambda: len(names(document)) == count)


def shown(window, document):
    """Puts a picture into the window, with its lowest layer chosen."""
    document.setBatchmode(True)
    window.addView(document)
    K.setActiveDocument(document)
    yield until("the picture", lambda: K.activeDocument() == document and document.activeNode() is not None)
    yield still_screen()  # so that nothing changes a picture that is not drawn yet
    yield from chosen(document, document.topLevelNodes()[0])


def chosen(document, layer):
    document.setActiveNode(layer)
    yield until("the layer to be chosen", lambda: document.activeNode() == layer)


def closed(document):
    document.setModified(False)
    document.close()


# What is seen.

def layers(document):
    """From below; Krita counts a selection among them."""
    return [node for node in document.topLevelNodes() if not node.type().endswith("mask")]


def names(document):
    return [node.name() for node in layers(document)]


def pixels(node):
    return bytes(node.pixelData(0, 0, SIDE, SIDE))


def seen(document):
    """The picture as it is seen, in its own colour space."""
    document.refreshProjection()
    document.waitForDone()
    return bytes(document.pixelData(0, 0, SIDE, SIDE))


def changed(before, after):
    """Bounds (left, top, right, bottom) of the pixels that differ."""
    size = len(before) // (SIDE * SIDE)
    columns, rows = set(), []
    for y in range(SIDE):
        a, b = before[y * SIDE * size:(y + 1) * SIDE * size], after[y * SIDE * size:(y + 1) * SIDE * size]
        if a != b:
            rows.append(y)
            columns |= {x for x in range(SIDE) if a[x * size:(x + 1) * size] != b[x * size:(x + 1) * size]}
    return (min(columns), rows[0], max(columns) + 1, rows[-1] + 1) if rows else None


def within(bounds, place):
    """Whether bounds lie in the square with these corners, but for the pixels on its edges."""
    return (bounds[0] >= min(x for x, _ in place) - 1 and bounds[1] >= min(y for _, y in place) - 1
            and bounds[2] <= max(x for x, _ in place) + 1 and bounds[3] <= max(y for _, y in place) + 1)


def shot(name, widget=None):
    """Keeps a picture of a widget, or of the screen."""
    path = "{}/krita-{}.png".format(SHOTS, name)
    if widget is not None:
        widget.grab().save(path)
    else:
        os.system("import -window root " + path)


def menu_entries(window):
    """Texts of all entries, with the menus that they are in: Tools/Scripts/…"""
    found = []

    def walk(menu, path):
        for action in menu.actions():
            text = action.text().replace("&", "")
            if action.menu():
                walk(action.menu(), path + [text])
            else:
                found.append("/".join(path + [text]))

    for top in window.qwindow().menuBar().actions():
        if top.menu():
            walk(top.menu(), [top.text().replace("&", "")])
    return found
