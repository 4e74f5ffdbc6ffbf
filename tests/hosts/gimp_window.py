"""Controls a GIMP with windows on a virtual screen, by keyboard and mouse. Runs next to GIMP in the Debian root.

`cargo xtask test-hosts` starts this after `gimp_batch.py`, which leaves the face in the cache. Prints `PASS` and `FAIL` lines and
saves screenshots in /w/shots.
"""
import glob
import json
import os
import subprocess
import time

from PIL import ImageGrab

from gimp_processes import plug_ins

SCREEN = ":87"
BAR = (0, 930, 1500, 70)  # x, y, width, height of GIMP's status bar on the screen
EDIT = "plug-in-gani-edit-face"
LIMIT = 300  # seconds to wait for any condition; high, because the machine may be busy
os.environ["DISPLAY"] = SCREEN
os.environ["GANI_MODEL"] = "ffhq-64"  # the default of the dialogs; the real one takes minutes
os.makedirs("/w/shots", exist_ok=True)


def check(name, good, why=""):
    print("PASS" if good else "FAIL", name if good else f"{name}: {why}", flush=True)
    if not good:
        shot("failed-" + name.replace(" ", "-"))
    return good


def start(*command, log="/dev/null"):
    return subprocess.Popen(command, stdout=open(log, "a"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)


def quiet(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout.strip()


def press(*keys):
    for key in keys:
        quiet("xdotool", "key", key)
        time.sleep(0.2)


def shot(name):
    quiet("import", "-window", "root", f"/w/shots/{name}.png")


def until(condition):
    """Waits until the condition is true, at most LIMIT seconds. Returns its last value."""
    deadline = time.time() + LIMIT
    while not (value := condition()) and time.time() < deadline:
        time.sleep(0.2)
    return value


def window(title):
    """Waits for a window with this title. Returns its ID or None."""
    found = until(lambda: quiet("xdotool", "search", "--onlyvisible", "--name", title).split())
    return found[0] if found else None


def windows():
    """The IDs of all visible windows, including menus."""
    return set(quiet("xdotool", "search", "--onlyvisible", "--name", ".*").split())


def seen(left, top, width, height):
    """The pixels of a rectangle of the screen."""
    return ImageGrab.grab(bbox=(left, top, left + width, top + height), xdisplay=SCREEN).tobytes()


def place(of):
    """The left edge, top edge, width and height of a window."""
    lines = quiet("xdotool", "getwindowgeometry", "--shell", of).splitlines()
    numbers = dict(line.split("=") for line in lines)
    return [int(numbers[name]) for name in ("X", "Y", "WIDTH", "HEIGHT")]


def settled(part, unlike=b"", colors=0):
    """Waits until a rectangle of the screen differs from `unlike`, has at least `colors` colors, and has not changed for 1.5 s.

    Returns its pixels, or None after LIMIT seconds.
    """
    last = [b"", time.time()]

    def still():
        now = seen(*part)
        if now != last[0]:
            last[:] = now, time.time()
        return now != unlike and len(set(zip(*[iter(now)] * 3))) >= colors and time.time() - last[1] > 1.5

    return last[0] if until(still) else None


def preview(dialog):
    """The rectangle in which a dialog shows the face: the middle of its left column."""
    left, top, _, _ = place(dialog)
    return left + 60, top + 60, 280, 280


def ask(code):
    """Starts code in GIMP's session. `answer()` waits for its result."""
    for name in ("answer.json", "ask.part"):
        if os.path.exists(f"/w/{name}"):
            os.remove(f"/w/{name}")
    with open("/w/ask.part", "w") as file:
        file.write(code)
    os.rename("/w/ask.part", "/w/ask.py")


def answer():
    if not until(lambda: os.path.exists("/w/answer.json")):
        return {"failed": f"no answer within {LIMIT} s"}
    with open("/w/answer.json") as file:
        return json.load(file)


def undo(times=1):
    """Undoes steps, after the plug-in has ended: one step of its edit comes after another."""
    until(lambda: not plug_ins())
    press(*times * ["ctrl+z"])


def state():
    """The layers and pixels of the picture, from the session."""
    ask("answer = state()")
    return answer()


def open_dialog():
    """Opens Edit Face… from the menu. Returns the dialog's window or None."""
    main = window(PICTURE)
    if not check("GIMP opens the picture", main):
        return None
    quiet("xdotool", "windowsize", "--sync", main, "1480", "960")
    quiet("xdotool", "windowactivate", "--sync", main)
    settled(place(main))
    for keys in (["alt+r"], ["Up", "Right"]):  # Portrait is the last entry of Filters
        before = windows()
        press(*keys)
        check(f"{keys[-1]} opens a menu", until(lambda: windows() - before))
    shot("menu")
    press("e")
    dialog = window("Edit Face")
    return dialog if check("the menu entry opens the dialog", dialog) else None


def edited():
    before = state()
    dialog = open_dialog()
    if not dialog:
        return
    part = preview(dialog)
    plain = settled(part, colors=1000)
    check("the dialog shows the face", plain)
    shot("dialog")
    smile = ["alt+m", "ctrl+a", "2", "Tab"]
    press(*smile)
    smiling = settled(part, unlike=plain, colors=1000)
    shot("smile")
    press("alt+m", "ctrl+a", "minus", "2", "Tab")
    check("the picture follows the slider", settled(part, unlike=smiling))
    press(*smile)
    check("the old slider value restores the old picture", until(lambda: seen(*part) == smiling))
    press("alt+o")
    after = until(lambda: (now := state()) != before and now)
    check("OK makes a layer", after and len(after.get("layers", [])) == 2, f"{before} {after}")
    check("the layer below is unchanged", after and after.get("base") == before.get("base"), f"{before} {after}")
    check("the dialog closes", until(lambda: dialog not in windows()))
    settled(place(window(PICTURE)))
    shot("layer")
    check("that the model is for tests is no message box", not quiet("xdotool", "search", "--onlyvisible", "--name", "GIMP Message"))
    undo()
    undone = until(lambda: (now := state()) != after and now)
    check("one undo restores", undone == before, f"{before} {undone}")


def looks():
    """A look is chosen, saved and removed."""
    before = state()
    dialog = open_dialog()
    if not dialog:
        return
    settled(preview(dialog), colors=1000)
    press("alt+l", "alt+Down", "Down", "Down", "Return")  # from friendly over laughing to older
    press("alt+l", "ctrl+a")
    quiet("xdotool", "type", "our look")
    press("Tab", "Tab", "space")  # over the arrow of the list to Save
    saved = os.path.expanduser("~/.local/share/gani/looks/our look.toml")
    if check("the look is saved", until(lambda: os.path.exists(saved))):
        with open(saved) as file:
            text = file.read()
        check("it has the strengths of the chosen look", 'edits = ["age=2sigma"]' in text, text)
    press("alt+l", "alt+Down", "Down", "Down", "Down", "Return")  # our look, after older
    shot("look")
    press("alt+l", "Tab", "Tab", "Tab", "space")
    check("the look is removed", until(lambda: not os.path.exists(saved)))
    press("alt+o")
    after = until(lambda: (now := state()) != before and now)
    check("OK takes the strengths of the look", after and after.get("layers", [""])[0] == "Edit Face: age +2", after)
    undo()
    check("one undo removes the layer", until(lambda: state() == before), state())


def continued():
    """An edit is saved, and continued after GIMP was closed: the result is the direct edit, and one undo step."""
    quiet("xdotool", "windowactivate", "--sync", window(PICTURE))
    settled(place(window(PICTURE)))
    before = state()
    check("the layer of the file", before.get("layers") == ["Edit Face: smile +2", "astronaut.png"], before)
    ask(f"answer = call({EDIT!r}, 0)")
    dialog = window("Edit Face")
    if not check("the dialog opens on the layer", dialog):
        return
    smiling = settled(preview(dialog), colors=1000)
    shot("continued")
    press("alt+a", "ctrl+a", "1", "Tab")
    check("the picture follows the slider of a continued edit", settled(preview(dialog), unlike=smiling))
    press("alt+o")
    result = answer()
    check("the edit is continued", result.get("status") == "success", result)
    after = state()
    check("the layer is replaced", after.get("layers") == ["Edit Face: smile +2, age +1", "astronaut.png"], after)
    check("the photo is unchanged", after.get("base") == before.get("base"))
    ask("answer = direct(smile=2.0, age=1.0)")
    direct = answer()
    check("it is the direct edit with both strengths", direct == after.get("top") != before.get("top"), (direct, after))
    quiet("xdotool", "windowactivate", "--sync", window(PICTURE))
    undo(3)  # also the removal and the addition of the direct edit
    check("one undo step", until(lambda: state() == before), state())


def cancelled():
    """Cancel in the dialog, and in the status bar during an inversion."""
    before = state()
    ask(f"answer = call({EDIT!r})")
    if check("the dialog opens again", window("Edit Face")):
        press("Escape")
        result = answer()
        check("Cancel in the dialog", result.get("status") == "cancel", result)
    ask(f"answer = call({EDIT!r})")
    dialog = window("Edit Face")
    if not check("the dialog opens a third time", dialog):
        return
    check("the dialog shows the face again", settled(preview(dialog), colors=1000))
    press("alt+u", "Down")  # Change this layer; the quality is still Best, for which the cache has no inversion of this face
    shot("new-face")
    idle = seen(*BAR)
    press("alt+o")
    check("the dialog closes before the inversion", until(lambda: dialog not in windows()))
    looks = set()
    check("the status bar shows progress", until(lambda: looks.add(seen(*BAR)) or len(looks) > 3), len(looks))
    shot("progress")
    check("the plug-in runs in the background", plug_ins(), "no plug-in runs")
    # The Cancel button is the rightmost new item in the status bar.
    now, width = seen(*BAR), BAR[2]
    new = [divmod(i // 3, width) for i in range(len(now)) if now[i] != idle[i]]
    edge = max(x for _, x in new)
    rows = [y for y, x in new if x > edge - 60]
    quiet("xdotool", "mousemove", "--sync", str(edge - 24), str(BAR[1] + (min(rows) + max(rows)) // 2))
    for button in ("mousedown", "mouseup"):
        time.sleep(0.3)
        quiet("xdotool", button, "1")
    result = answer()
    check("Cancel in the status bar stops it", result.get("status") not in (None, "success"), result)
    check("a cancelled plug-in ends", until(lambda: not plug_ins()), plug_ins())
    after = state()
    check("a cancelled run changes nothing", after == before, f"{before} {after}")


def inversions():
    """The inversions in the cache."""
    return glob.glob(os.path.expanduser("~/.cache/gani/inversions/*.safetensors"))


def drafted():
    """The sliders during an inversion, Stop, and OK with the draft."""
    known = len(inversions())
    before = state()
    dialog = open_dialog()
    if not dialog:
        return
    part = preview(dialog)
    settled(part, colors=1000)
    press("alt+q", "Down")  # Best: the cache has no such inversion of this face
    check("a draft is made", until(lambda: len(inversions()) > known), inversions())
    plain = settled(part, colors=1000)
    moved = time.time()
    press("alt+m", "ctrl+a", "3", "Tab")
    smiling = until(lambda: (now := seen(*part)) != plain and now)
    print(f"TIME from slider to preview during the inversion: {time.time() - moved:.2f} s", flush=True)
    check("the picture follows the slider during the inversion", smiling and len(inversions()) == known + 1, inversions())
    shot("draft")
    press("alt+p")
    settled(part, colors=1000)
    shot("stopped")
    press("alt+o")
    after = until(lambda: (now := state()) != before and now)
    check("after Stop, OK makes a layer from the draft", after and len(after.get("layers", [])) == 2, f"{before} {after}")
    check("a stopped inversion is not cached", len(inversions()) == known + 1, inversions())
    undo()
    check("one undo restores the picture", until(lambda: state() == before), state())


def main():
    start("Xvfb", SCREEN, "-screen", "0", "1500x1000x24", "-nolisten", "tcp")
    check("the virtual screen is ready", until(lambda: quiet("xdotool", "getmouselocation")))
    start("openbox")
    gimp = start_gimp("astronaut.png")
    try:
        edited()
        looks()
        ask("answer = save_edit('/w/edit.xcf', smile=2.0)")
        check("the edit is saved", answer() is True)
        undo()
        drafted()
        cancelled()
        check("GIMP is running", gimp.poll() is None, gimp.poll())
        ask("answer = close()")
        check("GIMP ends", gimp.wait(LIMIT) == 0, gimp.returncode)
        gimp = start_gimp("edit.xcf")
        continued()
        check("GIMP is still running", gimp.poll() is None, gimp.poll())
    finally:
        shot("end")
        open("/w/stop", "w").close()
        gimp.terminate()


def start_gimp(file):
    global PICTURE
    PICTURE = os.path.splitext(file)[0]  # in the title of its window
    return start("dbus-run-session", "--", "gimp-3.0", "--no-splash", f"/w/{file}", "--batch-interpreter=python-fu-eval",
                 "-b", 'exec(open("/w/gimp_session.py").read())', log="/w/window.log")


main()
