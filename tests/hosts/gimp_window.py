"""Runs beside GIMP in the Debian root: a virtual screen, a GIMP with windows, keys pressed as a user would.

`cargo xtask test-hosts` starts it after `gimp_batch.py`, so that the face is in the cache. Prints `PASS`/`FAIL` lines; the
screenshots stay in /w/shots.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

SCREEN = ":87"
EDIT = "plug-in-gani-edit-face"
os.environ["DISPLAY"] = SCREEN
os.makedirs("/w/shots", exist_ok=True)


def check(name, good, why=""):
    print("PASS" if good else "FAIL", name if good else f"{name}: {why}", flush=True)
    if not good:
        shot("failed-" + name.replace(" ", "-"))
    return good


def start(*command, log="/dev/null"):
    return subprocess.Popen(command, stdout=open(log, "a"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def quiet(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.strip()


def press(*keys):
    for key in keys:
        quiet("xdotool", "key", key)
        time.sleep(0.4)


def shot(name):
    quiet("import", "-window", "root", f"/w/shots/{name}.png")


def window(title, seconds):
    """The window with this title, once it is there."""
    deadline = time.time() + seconds
    while time.time() < deadline:
        found = quiet("xdotool", "search", "--onlyvisible", "--name", title).split()
        if found:
            return found[0]
        time.sleep(0.2)
    return None


def ask(code, seconds=None):
    """Has code run in GIMP's session; waits for the answer if it is given time."""
    for name in ("answer.json", "ask.part"):
        if os.path.exists(f"/w/{name}"):
            os.remove(f"/w/{name}")
    with open("/w/ask.part", "w") as file:
        file.write(code)
    os.rename("/w/ask.part", "/w/ask.py")
    return answer(seconds) if seconds else None


def answer(seconds):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if os.path.exists("/w/answer.json"):
            with open("/w/answer.json") as file:
                return json.load(file)
        time.sleep(0.1)
    return {"failed": f"no answer within {seconds} s"}


def plug_ins():
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{entry}/exe").endswith("/gani-gimp"):
                found.append(int(entry))
        except OSError:
            pass
    return found


def opened():
    """Edit Face… from the menu, as its user opens it."""
    main = window("astronaut", 90)
    if not check("GIMP opens the picture", main):
        return False
    quiet("xdotool", "windowsize", "--sync", main, "1480", "960")
    quiet("xdotool", "windowactivate", "--sync", main)
    time.sleep(2)
    press("alt+r", "Up", "Right")  # Portrait is the last entry
    shot("menu")
    press("e")
    dialog = window("Edit Face", 60)
    return check("the menu entry opens the dialog", dialog)


def edited():
    before = ask("answer = state()", 60)
    if not opened():
        return
    time.sleep(4)
    shot("dialog")
    press("alt+m", "ctrl+a", "2", "Tab")
    time.sleep(3)
    shot("smile")
    press("alt+o")
    after = before
    deadline = time.time() + 60
    while after == before and time.time() < deadline:
        after = ask("answer = state()", 60)
    time.sleep(2)
    shot("layer")
    check("OK makes a layer", len(after.get("layers", [])) == 2, f"{before} {after}")
    check("the layer below is as it was", after.get("base") == before.get("base"), f"{before} {after}")
    press("ctrl+z")
    time.sleep(1)
    undone = ask("answer = state()", 60)
    check("one undo restores", undone == before, f"{before} {undone}")


def cancelled():
    """Cancel in the dialog, and in mid-run."""
    before = ask("answer = state()", 60)
    ask(f"answer = call({EDIT!r})")
    if check("the dialog opens again", window("Edit Face", 60)):
        press("Escape")
        result = answer(60)
        check("Cancel in the dialog", result.get("status") == "cancel", result)
    ask(f"answer = call({EDIT!r}, preset='best', output='drawable')")
    if not window("Edit Face", 60):
        return
    time.sleep(3)
    shot("new-face")
    press("alt+o")
    time.sleep(6)
    shot("progress")
    working = plug_ins()
    check("it works in the background", working, "no plug-in runs")
    main = window("astronaut", 10)
    quiet("xdotool", "windowactivate", "--sync", main)
    press("Escape")
    result = answer(60)
    check("Escape cancels in mid-run", result.get("status") not in (None, "success") and not plug_ins(), result)
    after = ask("answer = state()", 60)
    check("a cancelled run changes nothing", after == before, f"{before} {after}")


def main():
    start("Xvfb", SCREEN, "-screen", "0", "1500x1000x24", "-nolisten", "tcp")
    time.sleep(1)
    start("openbox")
    gimp = start("dbus-run-session", "--", "gimp-3.0", "--no-splash", "/w/astronaut.png", "--batch-interpreter=python-fu-eval",
                 "-b", 'exec(open("/w/gimp_session.py").read())', log="/w/window.log")
    try:
        edited()
        cancelled()
        check("GIMP is alive", gimp.poll() is None, gimp.poll())
    finally:
        shot("end")
        open("/w/stop", "w").close()
        gimp.terminate()


main()
