"""Installs gani-krita.zip with Krita's own importer, and runs Krita on a virtual screen with gani and `krita_session.py`.

Runs in the Debian root; started by `cargo xtask test-hosts`. Krita's output, with the session's `PASS` and `FAIL` lines, is
written to /w/krita.log.
"""
import builtins
import importlib.util
import os
import shutil
import subprocess
import time

SCREEN = ":88"
CACHE = "/w/krita-cache"  # separate from the cache of the GIMP tests
PYKRITA = "/w/home/.local/share/krita"
IMPORTER = "/usr/share/krita/pykrita/plugin_importer/plugin_importer.py"


def check(name, good, why=""):
    print("PASS" if good else "FAIL", name if good else "{}: {}".format(name, why), flush=True)


def import_zip():
    """Does the same as Tools, Scripts, Import Python Plugin from File."""
    builtins.i18n = str  # defined by Krita
    spec = importlib.util.spec_from_file_location("plugin_importer", IMPORTER)
    importer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(importer)
    imported = importer.PluginImporter("/w/gani-krita.zip", PYKRITA, lambda _: True).import_all()
    check("Krita imports the zip", [p["name"] for p in imported] == ["gani"], imported)


def add_session():
    """Installs the plug-in that operates Krita, and enables both plug-ins."""
    os.makedirs(PYKRITA + "/pykrita/gani_session", exist_ok=True)
    os.makedirs("/w/home/.config", exist_ok=True)
    shutil.copy("/w/krita_session.py", PYKRITA + "/pykrita/gani_session/__init__.py")
    shutil.copy("/w/krita_tools.py", PYKRITA + "/pykrita/gani_session/")
    with open(PYKRITA + "/pykrita/gani_session.desktop", "w") as file:
        file.write("[Desktop Entry]\nType=Service\nServiceTypes=Krita/PythonPlugin\nX-KDE-Library=gani_session\n"
                   "X-Python-2-Compatible=false\nName=gani's tests\nComment=Operates gani's dialogs\n")
    with open("/w/home/.config/kritarc", "w") as file:
        file.write("[python]\nenable_gani=true\nenable_gani_session=true\n")


def main():
    os.makedirs("/w/shots", exist_ok=True)
    os.makedirs(PYKRITA, exist_ok=True)
    import_zip()
    add_session()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(["Xvfb", SCREEN, "-screen", "0", "1500x1000x24", "-nolisten", "tcp"], **quiet)
    os.environ.update(DISPLAY=SCREEN, PYTHONUNBUFFERED="1", XDG_CACHE_HOME=CACHE)
    deadline = time.monotonic() + 30
    while subprocess.run(["xdotool", "getmouselocation"], **quiet).returncode and time.monotonic() < deadline:
        time.sleep(0.1)
    subprocess.Popen(["openbox"], **quiet)
    with open("/w/krita.log", "w") as log:
        krita = subprocess.run(["dbus-run-session", "--", "krita", "--nosplash"], stdin=subprocess.DEVNULL, stdout=log,
                               stderr=subprocess.STDOUT)
    check("Krita exits without an error", krita.returncode == 0, krita.returncode)


main()
