"""Calls gani's procedures and checks pixels. Runs in gimp-console through python-fu-eval, from `cargo xtask test-hosts`.

Prints `PASS name` or `FAIL name: why` for each check. `xtask/src/hosts.rs` puts the files in place.
"""
import glob
import os
import signal
import subprocess
import sys
import threading
import time

from gi.repository import Gimp

sys.path.append("/w")
from gimp_processes import cpu_seconds, plug_ins
from gimp_tools import EDIT, PHOTO, VARIATIONS, call, check, fails, load, pixels, differing_pixels, success

LIBRARY = glob.glob("/w/gani/lib/libonnxruntime.so*")[0]  # moved away and back by a test
CACHE = "/w/home/.cache/gani/inversions"
INNER = (150, 0, 170, 190)  # x, y, width, height: inside the square of the astronaut's face


def menu_entries():
    for name, label in ((EDIT, "Edit Face"), (VARIATIONS, "Variations"), ("plug-in-gani-about", "About gani")):
        procedure = Gimp.get_pdb().lookup_procedure(name)
        good = procedure is not None and procedure.get_menu_paths() == ["<Image>/Filters/Portrait"]
        check(f"{label} is in Filters, Portrait", good and label in procedure.get_menu_label().replace("_", ""))


def error_messages():
    """Errors that occur before an inversion starts."""
    image = load()
    before = pixels(image.get_layers()[0])
    fails("an unknown model: the message lists the installed ones", call(image, model="faces"), "ffhq-1024", "ffhq-64")
    fails("a face number that does not exist", call(image, face="8"), "only one face")
    fails("an invalid edit", call(image, more="smile"), "NAME=STRENGTH")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 450, 60, 60)
    fails("a selection without a face", call(image), "selection")
    check("errors change nothing", pixels(image.get_layers()[0]) == before and len(image.get_layers()) == 1)
    for width, height, word in ((1, 1, "no face was found"), (20000, 20000, "too large")):
        image = Gimp.Image.new(width, height, Gimp.ImageBaseType.RGB)
        layer = Gimp.Layer.new(image, "picture", width, height, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)
        image.insert_layer(layer, None, 0)
        answer = call(image)
        fails(f"{width} × {height} pixels", (answer[0], answer[1].lower(), answer[2]), word)
        image.delete()
    os.rename(LIBRARY, LIBRARY + ".away")
    fails("without ONNX Runtime", call(load()), "ONNX Runtime", "ORT_DYLIB_PATH")
    os.rename(LIBRARY + ".away", LIBRARY)


def killed_during_inversion():
    """If the plug-in process is killed, GIMP keeps running and the picture is unchanged."""
    image = load()
    layer = image.get_layers()[0]
    before = pixels(layer)
    victims = []

    def kill():
        # Finding the face takes half a second of CPU time and the inversion takes minutes. After 3 seconds it is inverting.
        deadline = time.time() + 300
        while time.time() < deadline and not any(cpu_seconds(process) > 3 for process in plug_ins()):
            time.sleep(0.05)
        for process in plug_ins():
            os.kill(process, signal.SIGKILL)
            victims.append(process)

    thread = threading.Thread(target=kill)
    thread.start()
    status, _, _ = call(image, preset="best", smile=2, output="drawable")
    thread.join()
    check("the plug-in was killed during the inversion", len(victims) == 1 and status != Gimp.PDBStatusType.SUCCESS, f"{victims} {status}")
    check("a kill changes nothing", pixels(layer) == before and len(image.get_layers()) == 1)
    check("a kill leaves nothing in the cache", not os.path.isdir(CACHE) or not os.listdir(CACHE))


def new_layer():
    image = load()
    base = image.get_layers()[0]
    before = pixels(base)
    started = time.time()
    answer = call(image, smile=2.0)
    first = time.time() - started
    if not success("the first run", answer):
        return
    layer, cached = answer[2]
    check("the first run does not use the cache", not cached)
    check("a layer appears above the selected one", image.get_layers()[0].get_id() == layer.get_id() and len(image.get_layers()) == 2)
    check("its name lists the edits", layer.get_name() == "Edit Face: smile +2", layer.get_name())
    check("the layer below is unchanged", pixels(base) == before)
    _, x, y = layer.get_offsets()
    check("it covers the face only", layer.get_width() < base.get_width() and y >= 0, f"{x},{y} {layer.get_width()}")
    # The square of the face is rotated, so the corner of the layer is outside it.
    check("it is transparent outside the face", layer.get_pixel(0, layer.get_height() - 1).get_rgba().alpha == 0)
    started = time.time()
    answer = call(image, smile=2.0)
    again = time.time() - started
    if success("the second run", answer):
        check("the second run uses the cache", answer[2][1] and again < first, f"{first:.1f} s, {again:.1f} s")
    known = os.listdir(CACHE)
    command = ["/w/gani/bin/gani", "edit", PHOTO, "--model", "ffhq-64", "--device", "cpu", "--set", "smile=2", "-o", "/w/edited"]
    ended = subprocess.run(command, capture_output=True, text=True)
    check("the command line uses the same inversion", ended.returncode == 0 and os.listdir(CACHE) == known, ended.stderr)
    print(f"TIME first {first:.1f} s, cached {again:.1f} s", flush=True)


def looks():
    """A look is what its sliders are; a slider that is not 0 has precedence."""
    made = {}
    for name, edits in (("look", {"look": "friendly", "smile": 2.0}), ("sliders", {"smile": 2.0, "eyes_open": 0.5})):
        answer = call(load(), **edits)
        if success(f"an edit by {name}", answer):
            made[name] = pixels(answer[2][0])
    check("a look is what its sliders are", made.get("look") == made.get("sliders") and made)
    fails("an unknown look: the message lists the looks", call(load(), look="nothing"), "friendly", "older")


def continued():
    """A call on a layer that Edit Face has made replaces its content, whatever is selected, and also if it was cropped."""
    image = load()
    base = image.get_layers()[0]
    answer = call(image, smile=2.0)
    if not success("an edit to continue", answer):
        return
    layer = answer[2][0]
    layer.set_opacity(40)
    layer.resize(90, 80, -30, -20)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, *INNER)
    image.set_selected_layers([layer])
    answer = call(image, age=1.5)
    if not success("the edit is continued", answer):
        return
    layer = answer[2][0]
    check("it replaces the layer", image.get_layers() == [layer, base] and answer[2][1])
    check("its name lists the new edits", layer.get_name() == "Edit Face: age +1.5", layer.get_name())
    check("opacity, mask and selected layer stay", layer.get_opacity() == 40 and not layer.get_mask() and image.get_selected_layers() == [layer])
    check("the selection stays", list(Gimp.Selection.bounds(image))[2:] == [INNER[0], INNER[1], INNER[0] + INNER[2], INNER[1] + INNER[3]]
          and not image.get_channels())
    Gimp.Selection.none(image)
    image.set_selected_layers([base])
    direct = call(image, age=1.5)[2][0]
    check("it is the direct edit", pixels(layer) == pixels(direct))
    image.set_selected_layers([layer])
    name = base.get_name()
    image.remove_layer(base)
    fails("the photo's layer is gone", call(image), name, "is gone")
    layer.attach_parasite(Gimp.Parasite.new("gani-edit", 1, list(b'{"version": 9}')))
    fails("a record of another version", call(image), "version 9")


def selected():
    """An edit changes no pixel outside the selection."""
    image = load()
    layer = image.get_layers()[0]
    before = pixels(layer)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, *INNER)
    if not success("output: the selected layer", call(image, age=2.0, output="drawable")):
        return
    x, y, width, height = INNER
    changed = differing_pixels(before, pixels(layer), layer.get_width(), layer.get_height(), layer.get_bpp())
    outside = [p for p in changed if not (x <= p[0] < x + width and y <= p[1] < y + height)]
    check("pixels in the selection change", len(changed) > width * height / 4, f"{len(changed)} pixels changed")
    check("nothing changes outside the selection", not outside, f"{outside[:3]}")
    image = load()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, *INNER)
    answer = call(image, age=2.0)
    if success("a new layer from a selection", answer):
        check("the selection becomes its mask", answer[2][0].get_mask() is not None)


def changes_only_the_face(name, image):
    """Edits the image's bottom layer in place. Returns its bytes before and after, or None after a failure."""
    layer = image.get_layers()[-1]
    before, pixel, width = pixels(layer), layer.get_bpp(), layer.get_width()
    if not success(f"{name}: output: the selected layer", call(image, smile=-2.0, output="drawable")):
        return None
    after = pixels(layer)
    changed = differing_pixels(before, after, width, layer.get_height(), pixel)
    # The square of the astronaut's face is in the upper half.
    outside = [p for p in changed if not (90 <= p[0] < 370 and p[1] < 280)]
    check(f"{name}: only the face changes", len(changed) > 5000 and not outside,
          f"{len(changed)} changed, outside {outside[:3]}")
    return before, after


def precisions():
    """In layers of every precision, an edit changes only the face."""
    precision = Gimp.Precision
    cases = [("16-bit", precision.U16_NON_LINEAR), ("32-bit", precision.U32_LINEAR), ("float", precision.FLOAT_NON_LINEAR),
             ("gray half", precision.HALF_LINEAR)]
    for name, kind in cases:
        image = load()
        if name.startswith("gray"):
            image.convert_grayscale()
        image.convert_precision(kind)
        answer = call(image, smile=-2.0)
        if success(f"{name}: a new layer", answer) and not name.startswith("gray"):
            check(f"{name}: the cache has this face", answer[2][1])
        changes_only_the_face(name, image)


def without_cache():
    """The layer has a hole in the face, and the cache folder is a file: the edit succeeds and alpha is unchanged."""
    os.rename(CACHE, CACHE + ".away")
    with open(CACHE, "w") as file:
        file.write("not a folder")
    image = load()
    layer = image.get_layers()[0]
    layer.add_alpha()
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 180, 60, 60, 60)
    image.get_selection().feather(image, 40)
    layer.edit_clear()
    image.get_selection().none(image)
    bytes_of = changes_only_the_face("alpha, unwritable cache", image)
    if bytes_of:
        check("alpha is unchanged", bytes_of[0][3::4] == bytes_of[1][3::4] and len(set(bytes_of[0][3::4])) > 2)
    os.remove(CACHE)
    os.rename(CACHE + ".away", CACHE)


def variations():
    image = load()
    answer = call(image, VARIATIONS, direction="age", **{"from": -1.0, "to": 2.0, "layers": 4})
    if not success("variations", answer):
        return
    group = answer[2][0]
    names = [layer.get_name() for layer in group.get_children()]
    check("one layer for each strength", names == ["age +2", "age +1", "age 0", "age −1"], names)
    check("only the last layer is visible", [layer.get_visible() for layer in group.get_children()] == [True, False, False, False])


menu_entries()
error_messages()
killed_during_inversion()
new_layer()
looks()
continued()
selected()
precisions()
variations()
without_cache()
check("GIMP is running", True)
