"""Inverts and edits a photo with the 1024 px model, then edits it twice more from the cache.

Runs in gimp-console through python-fu-eval, from `cargo xtask test-hosts full-size`. Prints the time of each call and saves the
pictures in /w/shots.
"""
import os
import sys
import time

from gi.repository import Gimp, Gio

sys.path.append("/w")
from gimp_tools import call, check, load, pixels, success


def plug_in_seconds():
    """CPU seconds of all plug-ins that have ended so far. They are child processes of GIMP, our parent."""
    with open(f"/proc/{os.getppid()}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def edited(name, cached, **edits):
    image = load()
    base = image.get_layers()[0]
    before = pixels(base)
    time.sleep(1)  # wait until the plug-in that loaded the picture has ended
    cpu_before, started = plug_in_seconds(), time.time()
    answer = call(image, model="", **edits)  # the default
    seconds = time.time() - started
    time.sleep(1)
    print(f"TIME {name}: {seconds:.2f} s, {plug_in_seconds() - cpu_before:.2f} s of CPU time", flush=True)
    if success(name, answer):
        layer, from_cache = answer[2]
        check(f"{name}: the cache is used from the second edit on", from_cache == cached, from_cache)
        layers = [other.get_id() for other in image.get_layers()]
        check(f"{name}: a layer appears above the selected one", layers == [layer.get_id(), base.get_id()], layers)
        check(f"{name}: the layer below is unchanged", pixels(base) == before)
        picture = Gio.File.new_for_path(f"/w/shots/gimp-1024-{name.replace(' ', '-')}.png")
        Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, picture, None)
    image.delete()


os.makedirs("/w/shots", exist_ok=True)
edited("first edit", False, smile=2.0)
edited("second edit", True, age=2.0)
edited("third edit", True, smile=-1.0, gender=1.0)
