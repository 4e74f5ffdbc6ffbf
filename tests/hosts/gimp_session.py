"""Executes the requests of `gimp_window.py` inside a GIMP with windows. Runs through python-fu-eval.

A request is a Python file /w/ask.py that sets the variable `answer`, which is returned as JSON in /w/answer.json. GIMP's windows
keep responding meanwhile.
"""
import json
import os
import threading
import time
import traceback

from gi.repository import Gegl, GLib


def image():
    return Gimp.get_images()[0]


def state():
    """The names of the layers from top to bottom, and a hash of the bottom layer's bytes."""
    layers = image().get_layers()
    base = layers[-1]
    area = Gegl.Rectangle.new(0, 0, base.get_width(), base.get_height())
    data = bytes(base.get_buffer().get(area, 1.0, None, Gegl.AbyssPolicy.NONE))
    return {"layers": [layer.get_name() for layer in layers], "base": GLib.compute_checksum_for_data(GLib.ChecksumType.SHA256, data)}


def call(name):
    """Runs a procedure interactively with the last values of its dialog. Returns its status when it ends."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.INTERACTIVE)
    config.set_property("image", image())
    config.set_core_object_array("drawables", [image().get_layers()[-1]])
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
