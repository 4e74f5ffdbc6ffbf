"""Helpers of the GIMP tests without windows: calls of gani's procedures, pixel access, PASS and FAIL lines."""
from gi.repository import Gegl, Gimp, Gio

PHOTO = "/w/astronaut.png"
EDIT, VARIATIONS = "plug-in-gani-edit-face", "plug-in-gani-face-variations"


def check(name, good, why=""):
    print("PASS" if good else "FAIL", name if good else f"{name}: {why}", flush=True)


def load():
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(PHOTO))


def call(image, procedure=EDIT, **arguments):
    """Calls a procedure. Returns its status, error message and return values."""
    procedure = Gimp.get_pdb().lookup_procedure(procedure)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", image.get_selected_drawables())
    for name, value in {"model": "ffhq-64", "device": "cpu", **arguments}.items():
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    status = result.index(0)
    values = [result.index(i) for i in range(1, result.length())]
    return status, Gimp.get_pdb().get_last_error() or "", values


def pixels(drawable):
    """All bytes of a layer, in the layer's own format."""
    buffer, width, height = drawable.get_buffer(), drawable.get_width(), drawable.get_height()
    return bytes(buffer.get(Gegl.Rectangle.new(0, 0, width, height), 1.0, None, Gegl.AbyssPolicy.NONE))


def differing_pixels(before, after, width, height, pixel):
    """The (column, row) of each pixel that differs."""
    found = []
    for y in range(height):
        a, b = before[y * width * pixel:(y + 1) * width * pixel], after[y * width * pixel:(y + 1) * width * pixel]
        if a != b:
            found += [(x, y) for x in range(width) if a[x * pixel:(x + 1) * pixel] != b[x * pixel:(x + 1) * pixel]]
    return found


def success(name, answer):
    status, error, _ = answer
    check(name, status == Gimp.PDBStatusType.SUCCESS, f"{status} {error}")
    return status == Gimp.PDBStatusType.SUCCESS


def fails(name, answer, *words):
    status, error, _ = answer
    missing = [word for word in words if word not in error]
    check(name, status == Gimp.PDBStatusType.EXECUTION_ERROR and not missing, f"{status} {error!r} without {missing}")
