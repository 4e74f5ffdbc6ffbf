"""Executes the requests of `gimp_window.py` inside a GIMP with windows. Runs through python-fu-eval.

A request is a Python file /w/ask.py that sets the variable `answer`, which is returned as JSON in /w/answer.json. GIMP's windows
keep responding meanwhile.
"""
import json
import os
import sys
import time
import traceback

from gi.repository import Gegl, Gimp, Gio, GLib

sys.path.append("/w")
import gimp_tools


def image():
    return Gimp.get_images()[0]


def state():
    """The names of the layers from top to bottom, and hashes of the bytes of the bottom and top layers."""
    layers = image().get_layers()
    return {"layers": [layer.get_name() for layer in layers], "base": checksum(layers[-1]), "top": checksum(layers[0])}


def checksum(layer):
    return GLib.compute_checksum_for_data(GLib.ChecksumType.SHA256, gimp_tools.pixels(layer))


def save_edit(file, **edits):
    """Adds a layer with edits, and saves the picture."""
    gimp_tools.call(image(), **edits)
    return Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image(), Gio.File.new_for_path(file), None)


def direct(**edits):
    """The checksum of the layer of an edit of the bottom layer."""
    image().set_selected_layers([image().get_layers()[-1]])
    layer = gimp_tools.call(image(), **edits)[2][0]
    found = checksum(layer)
    image().remove_layer(layer)
    return found


def close():
    """Ends GIMP, whose answer nobody gets."""
    procedure = Gimp.get_pdb().lookup_procedure("gimp-quit")
    config = procedure.create_config()
    config.set_property("force", True)
    procedure.run(config)


def call(name, layer=-1):
    """Runs a procedure interactively on a layer, counted from the top. Returns its status when it ends."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.INTERACTIVE)
    config.set_property("image", image())
    config.set_core_object_array("drawables", [image().get_layers()[layer]])
    started = time.time()
    status = procedure.run(config).index(0)
    return {"status": status.value_nick, "error": Gimp.get_pdb().get_last_error(), "seconds": time.time() - started}


while not os.path.exists("/w/stop"):
    if not os.path.exists("/w/ask.py"):
        time.sleep(0.05)
        continue
    with open("/w/ask.py") as file:
        request = file.read()
    os.remove("/w/ask.py")
    known = dict(globals())
    try:
        exec(request, known)
        answer = known["answer"]
    except Exception:
        answer = {"failed": traceback.format_exc()}
    with open("/w/answer.part", "w") as file:
        json.dump(answer, file)
    os.rename("/w/answer.part", "/w/answer.json")
