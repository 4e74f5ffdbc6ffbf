"""Finds the processes of the plug-in. Used by the GIMP tests with and without windows."""
import os


def plug_ins():
    """The IDs of all running gani-gimp processes."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{entry}/exe").endswith("/gani-gimp"):
                found.append(int(entry))
        except OSError:
            pass
    return found


def cpu_seconds(process):
    """The CPU seconds that a process has used; 0 if it has ended."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0
