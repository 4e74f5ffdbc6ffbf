"""Helpers of `krita_session.py` inside Krita: checks, pixels, screenshots, and conditions to wait for."""
import math
import os
import sys
import time

from krita import Krita
from PyQt5.QtWidgets import QApplication

SHOTS = "/w/shots"
SIDE = 512  # of the photo
K = Krita.instance()


class Timeout(Exception):
    """A condition was not met in time."""


def check(name, good, why=""):
    print("PASS" if good else "FAIL", name if good else "{}: {}".format(name, why), flush=True)
    return good


def gani(name):
    """A module of the plug-in."""
    return sys.modules["gani." + name]


def shorten_inversions():
    """Limits all further inversions to a few steps, which is enough to check which pixels change."""
    library = gani("library")

    class ShortOptions(library.InvertOptions):
        def __init__(self, **given):
            super().__init__(refine_steps=2, iterations=10, **given)

    library.InvertOptions = ShortOptions


def opened(action="gani_edit_face"):
    """Triggers a menu action and returns the dialog that it opens."""
    K.action(action).trigger()
    return sys.modules["gani"].EXTENSION.dialog


# Wait conditions. A script yields (name, condition, deadline).

def until(name, condition, seconds=300):
    return name, condition, time.monotonic() + seconds


def while_changing(name, condition, indicator, seconds=180):
    """Waits for the condition as long as the indicator keeps changing, so that a slow machine does not cause a timeout."""
    last = [indicator(), time.monotonic()]

    def met():
        now = indicator()
        if now != last[0]:
            last[:] = now, time.monotonic()
        if condition():
            return True
        if time.monotonic() > last[1] + seconds:
            raise Timeout("timed out waiting for {}: {}".format(name, now))
        return False

    return name, met, math.inf


def inversion_done(dialog, *stages):
    """Waits until an inversion reaches one of these stages."""
    return while_changing("the inversion", at_stage(dialog, *stages), dialog.status.text)


def settled(name, value, seconds=180):
    """Waits until a value has not changed for a second."""
    last = [value(), time.monotonic()]

    def condition():
        now = value()
        if now != last[0]:
            last[:] = now, time.monotonic()
        return time.monotonic() > last[1] + 1

    return until("the end of changes to " + name, condition, seconds)


def screen_settled():
    def screenshot():
        image = QApplication.primaryScreen().grabWindow(0).toImage()
        return bytes(image.constBits().asarray(image.sizeInBytes()))

    return settled("the screen", screenshot)


def at_stage(dialog, *stages):
    return lambda: dialog.stage in [getattr(gani("dialog"), stage) for stage in stages]


def layer_added(document, dialog, count=2):
    """Waits until a dialog has added its layer, so that the image has `count` layers."""
    worker = dialog.worker  # the dialog is deleted before the worker
    return until("the layer", lambda: worker.isFinished() and len(names(document)) == count)


def undo(document, count=1, action="edit_undo"):
    """Triggers undo or redo, and waits until the image has `count` layers."""
    K.action(action).trigger()
    return until(action, lambda: len(names(document)) == count)


def show(window, document):
    """Shows an image in the window and selects its lowest layer."""
    document.setBatchmode(True)
    window.addView(document)
    K.setActiveDocument(document)
    yield until("the image", lambda: K.activeDocument() == document and document.activeNode() is not None)
    yield screen_settled()  # so that the image is drawn before a test changes it
    yield from select_node(document, document.topLevelNodes()[0])


def select_node(document, layer):
    document.setActiveNode(layer)
    yield until("the selection of the layer", lambda: document.activeNode() == layer)


def close(document):
    document.setModified(False)
    document.close()


# Layers, pixels and screenshots.

def layers(document):
    """The layers from bottom to top, without Krita's global selection mask."""
    return [node for node in document.topLevelNodes() if not node.type().endswith("mask")]


def names(document):
    return [node.name() for node in layers(document)]


def edits(group):
    """The names of the layers in the group of an edit, from bottom to top."""
    return [node.name() for node in group.childNodes()]


def pixels(node):
    return bytes(node.pixelData(0, 0, SIDE, SIDE))


def rendered(document):
    """Pixels of the rendered image, in its own color space."""
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


def within(bounds, corners):
    """Whether bounds are inside the square with these corners, with a tolerance of one pixel."""
    return (bounds[0] >= min(x for x, _ in corners) - 1 and bounds[1] >= min(y for _, y in corners) - 1
            and bounds[2] <= max(x for x, _ in corners) + 1 and bounds[3] <= max(y for _, y in corners) + 1)


def shot(name, widget=None):
    """Saves a screenshot of a widget, or of the whole screen."""
    path = "{}/krita-{}.png".format(SHOTS, name)
    if widget is not None:
        widget.grab().save(path)
    else:
        os.system("import -window root " + path)


def menu_entries(window):
    """The paths of all menu entries, such as "Tools/Scripts/…"."""
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
