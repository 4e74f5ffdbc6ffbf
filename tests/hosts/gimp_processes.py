"""For both of GIMP's tests: processes of gani's plug-in."""
import os


def plug_ins():
    """Their numbers."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{entry}/exe").endswith("/gani-gimp"):
                found.append(int(entry))
        except OSError:
            pass
    return found
