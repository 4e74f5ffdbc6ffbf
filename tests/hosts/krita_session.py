"""Runs inside a Krita with windows, as a plug-in of its own: uses gani's dialogs as a user would and checks pixels.

`krita_window.py` puts it there. Prints `PASS name` or `FAIL name: why` for each check; pictures stay in /w/shots.
"""
import json
import os
import sys
import time
import traceback

from krita import Extension, Krita
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QMessageBox

PHOTO, SHOTS = "/w/astronaut.png", "/w/shots"
SIDE = 512  # of the photo
SELECTED = (200, 60, 40, 80)  # x, y, width, height inside the astronaut's face square
K = Krita.instance()


def check(name, good, why=""):
    print("PASS" if good else "FAIL", name if good else "{}: {}".format(name, why), flush=True)
    return good


def plug_in():
    """gani's extension."""
    return sys.modules["gani"].EXTENSION


def gani(name):
    return sys.modules["gani." + name]


def pixels(node):
    return bytes(node.pixelData(0, 0, SIDE, SIDE))


def seen(document):
    """The picture as it is seen, in its own colour space."""
    document.refreshProjection()
    document.waitForDone()
    return bytes(document.pixelData(0, 0, SIDE, SIDE))


def names(document):
    return [node.name() for node in document.topLevelNodes()]


def changed(before, after):
    """Bounds (left, top, right, bottom) of the pixels that differ, and how many rows they are in."""
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
    if widget is not None:
        widget.grab().save("{}/krita-{}.png".format(SHOTS, name))
    else:
        os.system("import -window root {}/krita-{}.png".format(SHOTS, name))


def menu_entries(window):
    """Texts under Tools, Scripts."""
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


class Stuck(Exception):
    """Something did not come within its time."""


def until(what, condition, seconds=120):
    """For the script: goes on when the condition holds."""
    return what, condition, time.monotonic() + seconds


def pause(seconds):
    end = time.monotonic() + seconds
    return until("a moment", lambda: time.monotonic() > end)


def opened(action="gani_edit_face"):
    """Triggers an action, as the menu does; returns the dialog."""
    K.action(action).trigger()
    return plug_in().dialog


def is_at(dialog, *stages):
    return lambda: dialog.stage in [getattr(gani("dialog"), stage) for stage in stages]


def use_model(dialog, name="ffhq-64"):
    dialog.model.setCurrentIndex(dialog.model.findData(name))


def script(window):
    entries = menu_entries(window)
    for text in ("Edit Face...", "Face Variations..."):
        check("{} is in Tools, Scripts".format(text), "Tools/Scripts/" + text in entries,
              [e for e in entries if "Face" in e or "gani" in e])

    box = opened()
    check("without a picture there is a message", isinstance(box, QMessageBox) and "No picture is open" in box.text())
    box.accept()

    document = K.openDocument(PHOTO)
    document.setBatchmode(True)
    window.addView(document)
    K.setActiveDocument(document)
    yield until("the picture", lambda: K.activeDocument() is not None and K.activeDocument().activeNode() is not None)
    document = K.activeDocument()
    layer = document.topLevelNodes()[0]
    before, picture = pixels(layer), seen(document)

    yield from missing_library()
    yield from edit(document, layer, before, picture)
    yield from again(document, layer, picture)
    yield from selection(document, picture)
    yield from mistakes(document)
    yield from variations(document, picture)
    for model, depth, profile in (("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc"), ("RGBA", "F32", "sRGB-elle-V2-g10.icc"),
                                  ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc"),
                                  ("CMYKA", "U8", "")):
        yield from other_space(window, model, depth, profile)
    yield from too_large(window)
    check("Krita is alive", True)


def missing_library():
    library = gani("library")
    loaded, library._loaded = library._loaded, None
    own = library.find()
    os.rename(own, own + ".away")
    box = opened()
    check("a missing library says how to get it",
          isinstance(box, QMessageBox) and "was not found" in box.text() and "gani plugin install krita" in box.text())
    box.show()
    yield pause(0.5)
    shot("no-library", box)
    box.accept()
    os.rename(own + ".away", own)
    library._loaded = loaded


def edit(document, layer, before, picture):
    dialog = opened()
    yield until("the dialog", dialog.isVisible)
    use_model(dialog)
    yield until("the face", is_at(dialog, "FOUND", "IDLE"))
    check("a new face waits to be inverted", is_at(dialog, "FOUND")(), dialog.status.text())
    yield pause(1)
    shot("new-face", dialog)
    dialog.button.click()
    texts = []
    yield until("progress", lambda: texts.append(dialog.status.text()) or "left" in texts[-1] and dialog.edited)
    shot("progress", dialog)
    check("the face on its way fills its place", dialog.view.pixmap().width() == dialog.view.width())
    dialog.button.click()
    check("Stop says so", dialog.status.text() == "Stopped. Nothing was changed.", dialog.status.text())
    yield pause(1)
    check("a stopped run changes nothing", seen(document) == picture and names(document) == [layer.name()])
    dialog.button.click()
    yield until("progress again", lambda: "step" in dialog.status.text())
    dialog.reject()
    worker = dialog.worker
    yield until("the end of the worker", worker.isFinished, 20)
    check("Cancel in mid-run changes nothing", seen(document) == picture and pixels(layer) == before
          and names(document) == [layer.name()])
    cache = os.environ["XDG_CACHE_HOME"] + "/gani/inversions"
    check("a cancelled run leaves nothing in the cache", not os.path.isdir(cache) or not os.listdir(cache))

    dialog = opened()
    use_model(dialog)
    yield until("the face again", is_at(dialog, "FOUND"))
    started = time.monotonic()
    dialog.button.click()
    yield until("the inversion", is_at(dialog, "READY", "IDLE"), 400)
    first = time.monotonic() - started
    if not check("the face is inverted", is_at(dialog, "READY")(), dialog.status.text()):
        return
    yield until("the picture of the face", lambda: dialog.edited)
    plain = dialog.edited
    smile = dialog.sliders.rows["smile"]
    for at in (40, 90, 150, 200):  # as a slider that is dragged
        smile.slider.setValue(at)
    yield until("the smile", lambda: dialog.edited is not plain, 30)
    yield pause(2)
    shot("dialog", dialog)
    shot("window")
    dialog.before.setChecked(True)
    yield pause(0.3)
    shot("before", dialog)
    dialog.before.setChecked(False)
    place = dialog.place
    dialog.ok.click()
    yield until("the layer", lambda: len(names(document)) == 2)
    yield pause(1)
    check("the layer is above and says what it is", names(document) == [layer.name(), "Edit Face: smile +2"], names(document))
    shot("layer")
    check("the layer below is as it was", pixels(layer) == before)
    edited = seen(document)
    bounds = changed(picture, edited)
    check("the face changes and nothing outside of its square", bounds and within(bounds, place), (bounds, place))
    K.action("edit_undo").trigger()
    yield pause(1)
    check("one undo restores", names(document) == [layer.name()] and seen(document) == picture, names(document))
    K.action("edit_redo").trigger()
    yield pause(1)
    check("redo brings it back", seen(document) == edited)
    K.action("edit_undo").trigger()
    yield pause(1)
    print("TIME first inversion {:.1f} s".format(first), flush=True)


def again(document, layer, picture):
    document.setActiveNode(layer)
    started = time.monotonic()
    dialog = opened()
    check("the model of last time is chosen", dialog.model.currentData() == "ffhq-64")
    yield until("the cached face", is_at(dialog, "READY", "FOUND", "IDLE"))
    check("a second run is served from the cache", is_at(dialog, "READY")(), dialog.status.text())
    dialog.sliders.rows["age"].set(1.5)
    dialog.sliders.more.setText("pca.3=1")
    dialog.ok.click()
    yield until("the layer", lambda: len(names(document)) == 2)
    print("TIME from the menu to the layer, cached {:.1f} s".format(time.monotonic() - started), flush=True)
    check("its name has all edits", names(document)[-1] == "Edit Face: age +1.5, pca.3 +1", names(document))
    K.action("edit_undo").trigger()
    yield pause(1)


def selection(document, picture):
    from krita import Selection
    x, y, width, height = SELECTED
    chosen = Selection()
    chosen.select(x, y, width, height, 255)
    document.setSelection(chosen)
    document.setActiveNode(document.topLevelNodes()[0])
    yield pause(1)
    dialog = opened()
    yield until("the selected face", is_at(dialog, "READY", "FOUND", "IDLE"))
    dialog.sliders.rows["age"].set(3)
    dialog.ok.click()
    yield until("the layer", lambda: len(names(document)) == 2)
    yield pause(1)
    patched = pixels(document.topLevelNodes()[1])[3::4]
    check("the layer is opaque in the selection only", patched.count(b"\xff") == width * height, patched.count(b"\xff"))
    bounds = changed(picture, seen(document))
    check("nothing changes outside the selection", bounds is not None and bounds[0] >= x and bounds[1] >= y
          and bounds[2] <= x + width and bounds[3] <= y + height, bounds)
    document.setSelection(None)
    K.action("edit_undo").trigger()
    yield pause(1)
    K.action("edit_undo").trigger()
    yield pause(1)
    document.setSelection(None)
    yield pause(0.5)


def mistakes(document):
    document.setActiveNode(document.topLevelNodes()[0])
    dialog = opened()
    yield until("the face", is_at(dialog, "READY", "FOUND", "IDLE"))
    dialog.sliders.more.setText("smile")
    dialog.ok.click()
    check("an edit that is none", "NAME=SIGMA" in dialog.status.text() and dialog.isVisible(), dialog.status.text())
    dialog.sliders.more.setText("")
    dialog.face.setValue(9)
    yield until("an answer", is_at(dialog, "IDLE"))
    check("a face that is not there", "only one face" in dialog.status.text(), dialog.status.text())
    check("what cannot be done cannot be confirmed", not dialog.ok.isEnabled() and not dialog.button.isEnabled())
    dialog.face.setValue(0)
    dialog.model.addItem("ffhq-1024", "ffhq-1024")
    use_model(dialog, "ffhq-1024")
    yield until("another answer", is_at(dialog, "IDLE"))
    check("a missing model says how to get it", "gani models fetch ffhq-1024" in dialog.status.text(), dialog.status.text())
    shot("no-model", dialog)
    use_model(dialog)
    yield until("the face after all", is_at(dialog, "READY"))
    check("mistakes can be mended", True)
    dialog.reject()
    yield pause(0.5)


def variations(document, picture):
    document.setActiveNode(document.topLevelNodes()[0])
    dialog = opened("gani_face_variations")
    yield until("the face", is_at(dialog, "READY", "FOUND", "IDLE"))
    dialog.direction.setCurrentIndex(dialog.direction.findData("age"))
    dialog.first.set(-1)
    dialog.last.set(2)
    dialog.layers.setValue(4)
    yield pause(1)
    shot("variations", dialog)
    dialog.ok.click()
    yield until("the group", lambda: len(names(document)) == 2)
    yield pause(1)
    group = document.topLevelNodes()[1]
    check("a layer for each strength", [n.name() for n in group.childNodes()] == ["age −1", "age 0", "age +1", "age +2"],
          [n.name() for n in group.childNodes()])
    check("only the strongest is visible", [n.visible() for n in group.childNodes()] == [False, False, False, True])
    check("the group shows the face", changed(picture, seen(document)) is not None)
    K.action("edit_undo").trigger()
    yield pause(1)
    check("one undo takes the group away", names(document) == names(document)[:1] and seen(document) == picture,
          names(document))


def other_space(window, model, depth, profile):
    """A picture in another colour space: the face changes, all else keeps its bits."""
    name = "{} {}".format(model, depth)
    document = K.openDocument(PHOTO)
    document.setBatchmode(True)
    document.setColorSpace(model, depth, profile)
    document.waitForDone()
    window.addView(document)
    yield pause(1.5)
    K.setActiveDocument(document)
    document.setActiveNode(document.topLevelNodes()[0])
    yield pause(0.5)
    picture = seen(document)
    dialog = opened()
    yield until("a {} face".format(name), is_at(dialog, "READY", "FOUND", "IDLE"), 60)
    dialog.ok.click() if dialog.ok.isEnabled() else None
    yield until("a {} layer".format(name), lambda: len(names(document)) == 2 or is_at(dialog, "IDLE")(), 300)
    appeared = len(names(document)) == 2
    # A dialog that is done is gone, with its labels.
    check("{}: a layer appears".format(name), appeared, "" if appeared else dialog.status.text())
    yield pause(1)
    if appeared:
        place = dialog.place
        bounds = changed(picture, seen(document))
        check("{}: the face changes and nothing else".format(name), bounds and within(bounds, place), (bounds, place))
        layer = document.topLevelNodes()[1]
        check("{}: the layer has the picture's colours".format(name),
              (layer.colorModel(), layer.colorDepth()) == (model, depth), (layer.colorModel(), layer.colorDepth()))
        document.projection(0, 0, SIDE, SIDE).save("{}/krita-{}.png".format(SHOTS, name.replace(" ", "-").lower()))
    else:
        dialog.reject()
    document.setModified(False)
    document.close()
    yield pause(0.5)


def too_large(window):
    for side, word in ((1, "no face was found"), (12000, "too large")):
        document = K.createDocument(side, side, "picture", "RGBA", "U8", "", 72.0)
        document.setBatchmode(True)
        window.addView(document)
        yield pause(2)
        K.setActiveDocument(document)
        yield pause(1)
        dialog = opened()
        if isinstance(dialog, QMessageBox):
            text = dialog.text()
        else:
            yield until("an answer", is_at(dialog, "IDLE"))
            text = dialog.status.text()
        check("{0} × {0} pixels".format(side), word in text.lower(), text)
        dialog.reject()
        document.setModified(False)
        document.close()
        yield pause(1)


class Session(Extension):
    """Steps through the script as the things that it waits for come."""

    def __init__(self, parent):
        super().__init__(parent)
        self.timer = QTimer()

    def setup(self):
        K.notifier().setActive(True)
        K.notifier().windowCreated.connect(lambda: QTimer.singleShot(3000, self.start))

    def createActions(self, window):
        pass

    def start(self):
        self.steps = script(K.activeWindow())
        self.waiting = pause(0)
        self.timer.timeout.connect(self.step)
        self.timer.start(50)

    def step(self):
        self.timer.stop()  # a step may run an event loop of its own
        try:
            what, condition, deadline = self.waiting
            if condition():
                self.waiting = next(self.steps)
            elif time.monotonic() > deadline:
                raise Stuck("waited for {} in vain".format(what))
            self.timer.start(50)
        except StopIteration:
            self.end(0)
        except Exception as error:
            traceback.print_exc()
            check("the session", False, error)
            shot("failed")
            self.end(1)

    def end(self, code):
        with open("/w/krita-end.json", "w") as file:
            json.dump(code, file)
        sys.stdout.flush()
        os._exit(code)


K.addExtension(Session(K))
