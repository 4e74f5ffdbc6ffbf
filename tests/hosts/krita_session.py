"""A Krita plug-in that operates gani's dialogs like a user and checks pixels. Runs in Krita with a window.

`krita_window.py` installs it. Prints `PASS name` or `FAIL name: cause` for each check. Screenshots are in /w/shots.
"""
import faulthandler
import json
import os
import sys
import time
import traceback

from krita import Extension, Selection
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QMessageBox

from .krita_tools import (K, SHOTS, SIDE, Timeout, at_stage, changed, check, close, edits, gani, inversion_done, layer_added, layers,
                          menu_entries, names, opened, pixels, rendered, screen_settled, select_node, settled,
                          shorten_inversions, shot, show, undo, until, while_changing, within)

PHOTO = "/w/astronaut.png"
SELECTED = (200, 60, 40, 80)  # x, y, width, height; inside the square of the face
# Color model, depth, profile. The first two are passed to gani directly, the others are converted.
SPACES = (("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc"), ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc"),
          ("RGBA", "F32", "sRGB-elle-V2-g10.icc"), ("RGBA", "F16", "sRGB-elle-V2-g10.icc"),
          ("RGBA", "U8", "ClayRGB-elle-V4-srgbtrc.icc"), ("CMYKA", "U8", None))


def script():
    yield until("Krita's window", lambda: K.activeWindow() and K.activeWindow().qwindow().isVisible())
    window = K.activeWindow()
    entries = menu_entries(window)
    for text in ("Edit Face...", "Face Variations..."):
        check("{} is in Tools, Scripts".format(text), "Tools/Scripts/" + text in entries,
              [e for e in entries if "Face" in e or "gani" in e])

    box = opened()
    check("without an image, a message is shown", isinstance(box, QMessageBox) and "No image is open" in box.text())
    box.accept()

    document = K.openDocument(PHOTO)
    yield from show(window, document)
    layer = layers(document)[0]
    before, image = pixels(layer), rendered(document)

    missing_library()
    yield from stop_and_cancel(document, layer, before, image)
    yield from edit_face(document, layer, before, image)
    yield from edit_cached_face(document, layer)
    yield from edit_selection(document, layer, image)
    yield from edit_masked_layer(document, layer)
    yield from user_errors(document, layer)
    yield from face_variations(document, layer, image)
    yield from continue_edit(window, document, layer)
    shorten_inversions()
    for space in SPACES:
        yield from color_space(window, *space)
    yield from extreme_sizes(window)
    check("Krita is still running", True)


def missing_library():
    library = gani("library")
    loaded, library._loaded = library._loaded, None
    own = library.find()
    os.rename(own, own + ".away")
    box = opened()
    check("the message about a missing library explains how to install it",
          isinstance(box, QMessageBox) and "was not found" in box.text() and "gani plugin install krita" in box.text())
    shot("no-library", box)
    box.accept()
    os.rename(own + ".away", own)
    library._loaded = loaded


def use_model(dialog, name="ffhq-64"):
    dialog.model.setCurrentIndex(dialog.model.findData(name))


def stop_and_cancel(document, layer, before, image):
    dialog = opened()
    yield until("the dialog", dialog.isVisible)
    use_model(dialog)
    yield while_changing("the draft", lambda: dialog.drafted and "left" in dialog.status.text() and dialog.edited,
                         dialog.status.text)
    check("a new face is inverted after its draft", at_stage(dialog, "INVERTING")(), dialog.status.text())
    plain, moved = dialog.edited, time.monotonic()
    dialog.sliders.rows["smile"].set(2)
    yield until("the smile of the draft", lambda: dialog.edited is not plain)
    print("TIME from slider to preview during the inversion {:.2f} s".format(time.monotonic() - moved), flush=True)
    check("the sliders work during the inversion", at_stage(dialog, "INVERTING")(), dialog.status.text())
    shot("progress", dialog)
    check("the preview during inversion fills its area", dialog.view.pixmap().width() == dialog.view.width())
    dialog.button.click()
    check("Stop is confirmed", dialog.status.text().startswith("Stopped. The sliders edit a draft"), dialog.status.text())
    stopped = dialog.edited
    dialog.sliders.rows["smile"].set(-2)
    yield until("the draft without a smile", lambda: dialog.edited is not stopped)
    check("the sliders work after Stop", at_stage(dialog, "STOPPED")(), dialog.status.text())
    dialog.button.click()
    yield while_changing("progress again", lambda: "step" in dialog.status.text(), dialog.status.text)
    check("a stopped inversion changes nothing", rendered(document) == image and names(document) == [layer.name()])
    worker = dialog.worker
    dialog.reject()
    yield until("the end of the worker", worker.isFinished)
    check("Cancel during an inversion changes nothing", rendered(document) == image and pixels(layer) == before
          and names(document) == [layer.name()])
    cache = os.environ["XDG_CACHE_HOME"] + "/gani/inversions"
    check("of a cancelled inversion, only the draft is cached", len(os.listdir(cache)) == 1, os.listdir(cache))


def edit_face(document, layer, before, image):
    started = time.monotonic()
    dialog = opened()
    use_model(dialog)
    yield inversion_done(dialog, "READY", "IDLE")
    print("TIME first inversion {:.1f} s".format(time.monotonic() - started), flush=True)
    check("the face is inverted", at_stage(dialog, "READY")(), dialog.status.text())
    yield until("the preview", lambda: dialog.edited is not None)
    yield settled("the preview", lambda: dialog.edited)
    plain = dialog.edited
    smile = dialog.sliders.rows["smile"]
    for value in (40, 90, 150, 200):  # like dragging the slider
        smile.slider.setValue(value)
    yield until("the smile", lambda: dialog.edited is not plain)
    yield settled("the smile", lambda: dialog.edited)
    shot("dialog", dialog)
    yield screen_settled()
    shot("window")
    dialog.before.setChecked(True)
    shot("before", dialog)
    dialog.before.setChecked(False)
    alignment = dialog.alignment
    dialog.ok.click()
    yield layer_added(document, dialog)
    check("the layer is on top, in a group, and is named after its edits",
          names(document) == [layer.name(), "Edit Face"] and edits(layers(document)[1]) == ["smile +2"], names(document))
    check("the layer below is unchanged", pixels(layer) == before)
    edited = rendered(document)
    bounds = changed(image, edited)
    check("only pixels inside the face's square change", bounds and within(bounds, alignment), (bounds, alignment))
    yield screen_settled()
    shot("layer")
    yield undo(document)
    check("one undo step restores the image", rendered(document) == image and pixels(layer) == before)
    yield undo(document, 2, "edit_redo")
    check("redo restores the edit", rendered(document) == edited)
    yield undo(document)


def edit_cached_face(document, layer):
    yield from select_node(document, layer)
    started = time.monotonic()
    dialog = opened()
    check("the last model is selected", dialog.model.currentData() == "ffhq-64")
    yield until("the cached face", at_stage(dialog, "READY", "IDLE"))
    check("the second run uses the cache", at_stage(dialog, "READY")(), dialog.status.text())
    dialog.sliders.rows["age"].set(1.5)
    dialog.sliders.more.setText("pca.3=1")
    dialog.ok.click()
    yield layer_added(document, dialog)
    print("TIME from the menu to the layer, cached {:.1f} s".format(time.monotonic() - started), flush=True)
    found = edits(layers(document)[1])
    check("the layer's name lists all edits", found == ["age +1.5, pca.3 +1"], found)
    yield undo(document)


def edit(document, layer, **strengths):
    """Edits a layer, whose face is in the cache, with sliders."""
    yield from select_node(document, layer)
    dialog = opened()
    yield until("the cached face", at_stage(dialog, "READY", "IDLE"))
    for direction, strength in strengths.items():
        dialog.sliders.rows[direction].set(strength)
    dialog.ok.click()
    yield layer_added(document, dialog)


def continue_edit(window, document, layer):
    """An edit is saved, and continued in the opened file: the result is the direct edit, and one undo step."""
    file = "/w/edit.kra"
    yield from edit(document, layer, smile=2)
    image = rendered(document)
    document.saveAs(file)
    document.waitForDone()
    yield undo(document)

    document = K.openDocument(file)
    yield from show(window, document)
    photo, group = layers(document)
    check("the file has the edit", rendered(document) == image and edits(group) == ["smile +2"], edits(group))
    yield from select_node(document, group)
    dialog = opened()
    yield until("the face of the edit", at_stage(dialog, "READY", "IDLE"))
    strengths = dialog.sliders.edits()
    check("the dialog has the strengths of the edit", strengths == [("smile", 2.0)], strengths)
    check("the dialog says that the edit is continued", "may differ" not in dialog.note.text() and dialog.note.text(), dialog.note.text())
    yield until("the preview", lambda: dialog.edited is not None)
    dialog.sliders.rows["age"].set(1)
    yield settled("the preview", lambda: dialog.edited)
    shot("continued", dialog)
    worker = dialog.worker
    dialog.ok.click()
    yield until("the continued edit", lambda: worker.isFinished() and len(edits(group)) == 2)
    check("the edit is in the group", edits(group) == ["smile +2", "smile +2, age +1"], edits(group))
    continued, content = rendered(document), pixels(group.childNodes()[1])
    yield screen_settled()
    shot("continued-layer")
    K.action("edit_undo").trigger()
    yield until("undo", lambda: len(edits(group)) == 1)
    check("one undo step restores the earlier edit", rendered(document) == image)
    yield undo(document, 2, "edit_redo")
    yield until("redo", lambda: len(edits(group)) == 2)

    group.remove()
    yield until("the removal of the group", lambda: len(names(document)) == 1)
    yield from edit(document, photo, smile=2, age=1)
    group = layers(document)[1]
    direct = pixels(group.childNodes()[0])
    check("the continued edit is the direct edit with both strengths", content == direct and continued == rendered(document))

    # Another inversion, and a photo that is gone.
    record, version = gani("record"), group.childNodes()[0]
    record.save(document, version, {**record.read(document, version), "key": ""})
    yield from select_node(document, group)
    dialog = opened()
    yield until("the face", at_stage(dialog, "READY", "IDLE"))
    check("the dialog says that the inversion is another one", "may differ" in dialog.note.text(), dialog.note.text())
    worker = dialog.worker
    dialog.reject()
    yield until("the end of the worker", worker.isFinished)
    photo.remove()
    yield until("the removal of the photo", lambda: len(names(document)) == 1)
    yield from select_node(document, group)
    box = opened()
    check("a removed photo is reported", isinstance(box, QMessageBox) and "is gone" in box.text(), box)
    box.accept()


def edit_selection(document, layer, image):
    x, y, width, height = SELECTED
    part = Selection()
    part.select(x, y, width, height, 255)
    document.setSelection(part)
    yield until("the selection", lambda: document.selection() is not None)
    yield from edit(document, layer, age=3)
    alpha = pixels(layers(document)[1].childNodes()[0])[3::4]
    rows = [alpha[i * SIDE + x:i * SIDE + x + width] for i in range(y, y + height)]
    check("the layer is opaque in the selection only", alpha.count(0) == SIDE * SIDE - width * height
          and b"".join(rows) == b"\xff" * (width * height), alpha.count(0))
    bounds = changed(image, rendered(document))
    check("nothing changes outside the selection", bounds is not None and bounds[0] >= x and bounds[1] >= y
          and bounds[2] <= x + width and bounds[3] <= y + height, bounds)
    yield undo(document)
    document.setSelection(None)
    yield until("no selection", lambda: document.selection() is None)
    check("undo restores the image after an edit with a selection", rendered(document) == image)


def edit_masked_layer(document, layer):
    """With a mask selected, the dialog edits the layer that the mask belongs to."""
    transparency = document.createTransparencyMask("mask")
    layer.addChildNode(transparency, None)
    yield from select_node(document, transparency)
    dialog = opened()
    yield until("the face of a masked layer", at_stage(dialog, "READY", "IDLE"))
    dialog.ok.click()
    yield layer_added(document, dialog)
    check("the new layer is above the masked layer", names(document) == [layer.name(), "Edit Face"], names(document))
    yield undo(document)
    layer.removeChildNode(transparency)
    yield until("the removal of the mask", lambda: not layer.childNodes())


def user_errors(document, layer):
    yield from select_node(document, layer)
    dialog = opened()
    yield until("the face", at_stage(dialog, "READY", "IDLE"))
    dialog.sliders.more.setText("smile")
    dialog.ok.click()
    check("an invalid edit is reported", "NAME=STRENGTH" in dialog.status.text() and dialog.isVisible(), dialog.status.text())
    dialog.sliders.more.setText("")
    dialog.face.setValue(9)
    yield until("an answer", at_stage(dialog, "IDLE"))
    check("a nonexistent face is reported", "only one face" in dialog.status.text(), dialog.status.text())
    check("the buttons are disabled after an error", not dialog.ok.isEnabled() and not dialog.button.isEnabled())
    dialog.face.setValue(0)
    dialog.model.addItem("faces", "faces")
    use_model(dialog, "faces")
    yield until("another answer", at_stage(dialog, "IDLE"))
    check("the message about an unknown model lists the installed ones",
          "ffhq-1024" in dialog.status.text() and "ffhq-64" in dialog.status.text(), dialog.status.text())
    shot("no-model", dialog)
    use_model(dialog)
    yield until("the face again", at_stage(dialog, "READY"))
    check("the dialog recovers from errors", True)
    worker = dialog.worker
    dialog.reject()
    yield until("the end of the worker", worker.isFinished)


def face_variations(document, layer, image):
    yield from select_node(document, layer)
    dialog = opened("gani_face_variations")
    yield until("the face", at_stage(dialog, "READY", "IDLE"))
    dialog.direction.setCurrentIndex(dialog.direction.findData("age"))
    dialog.first.set(-1)
    dialog.last.set(2)
    dialog.layers.setValue(4)
    yield until("the preview", lambda: dialog.edited is not None)
    yield settled("the preview", lambda: dialog.edited)
    shot("variations", dialog)
    dialog.ok.click()
    yield layer_added(document, dialog)
    children = layers(document)[1].childNodes()
    check("there is a layer for each strength", [n.name() for n in children] == ["age −1", "age 0", "age +1", "age +2"],
          [n.name() for n in children])
    check("only the last layer is visible", [n.visible() for n in children] == [False, False, False, True])
    check("the group changes the image", changed(image, rendered(document)) is not None)
    yield undo(document)
    check("one undo step removes the group", rendered(document) == image)


def color_space(window, model, depth, profile):
    """An image in another color space: the face changes, all other pixels keep their exact values."""
    profile = profile or K.profiles(model, depth)[0]
    name = "{} {} {}".format(model, depth, profile)
    document = K.openDocument(PHOTO)
    document.setColorSpace(model, depth, profile)  # Krita replaces an unknown profile
    document.waitForDone()
    check("{}: supported by Krita".format(name), document.colorProfile() == profile, document.colorProfile())
    yield from show(window, document)
    image = rendered(document)
    dialog = opened()
    if isinstance(dialog, QMessageBox):
        check("{}: supported by gani".format(name), False, dialog.text())
        dialog.accept()
    else:
        yield until("a face in {}".format(name), at_stage(dialog, "READY", "INVERTING", "IDLE"))
        check("{}: the face is found".format(name), at_stage(dialog, "READY", "INVERTING")(), dialog.status.text())
        yield inversion_done(dialog, "READY", "IDLE")
        check("{}: the face is inverted".format(name), at_stage(dialog, "READY")(), dialog.status.text())
        alignment = dialog.alignment
        dialog.sliders.rows["smile"].set(2)  # without an edit, nothing changes
        dialog.ok.click()
        yield layer_added(document, dialog)
        after = rendered(document)
        bounds = changed(image, after)
        check("{}: only the face changes".format(name), bounds and within(bounds, alignment), (bounds, alignment))
        layer = layers(document)[1].childNodes()[0]
        space = layer.colorModel(), layer.colorDepth(), layer.colorProfile()
        check("{}: the layer has the image's color space".format(name), space == (model, depth, profile), space)
        document.projection(0, 0, SIDE, SIDE).save("{}/krita-{}.png".format(SHOTS, "-".join((model, depth)).lower()))
    # The document stays open: after closing it, Krita 5.2 often aborts while the next image opens, with the assertion
    # "m_textureTiles.size() > tile". The cause is unknown.


def extreme_sizes(window):
    for side, word in ((1, "no face was found"), (12000, "too large")):
        document = K.createDocument(side, side, "image", "RGBA", "U8", "", 72.0)
        yield from show(window, document)
        dialog = opened()
        if isinstance(dialog, QMessageBox):
            text = dialog.text()
        else:
            yield until("an answer", at_stage(dialog, "IDLE"))
            text = dialog.status.text()
        check("{0} × {0} pixels".format(side), word in text.lower(), text)
        dialog.reject()
        close(document)


class Session(Extension):
    """Runs the script. Each value that it yields is a condition to wait for."""

    def __init__(self, parent):
        super().__init__(parent)
        self.timer = QTimer()

    def setup(self):
        K.notifier().setActive(True)
        K.notifier().windowCreated.connect(lambda: QTimer.singleShot(0, self.start))

    def createActions(self, window):
        pass

    def start(self):
        self.steps = script()
        self.waiting = next(self.steps)
        self.timer.timeout.connect(self.step)
        self.timer.start(50)

    def step(self):
        self.timer.stop()  # a step may run a nested event loop
        try:
            name, condition, deadline = self.waiting
            if condition():
                self.waiting = next(self.steps)
            elif time.monotonic() > deadline:
                raise Timeout("timed out waiting for {}".format(name))
            self.timer.start(50)
        except StopIteration:
            self.end(0)
        except Exception as error:
            traceback.print_exc()
            check("the session runs to its end", False, error)
            shot("failed")
            self.end(1)

    def end(self, code):
        with open("/w/krita-end.json", "w") as file:
            json.dump(code, file)
        sys.stdout.flush()
        os._exit(code)


faulthandler.enable()  # prints the Python stack to the log if Krita aborts
K.addExtension(Session(K))
