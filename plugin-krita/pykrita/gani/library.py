# SPDX-License-Identifier: MIT OR Apache-2.0
"""libgani through ctypes: include/gani.h in Python, and where the library lies. Knows neither Krita nor Qt.

tests/test_library.py holds every name, field, number and size here against gani.h.
"""
import ctypes as C
import os
import re
import sys

ABI_VERSION = 1

OK, ERROR_INPUT, ERROR_MODEL, ERROR_UNSUPPORTED, ERROR_LIMITS, ERROR_RUNTIME, ERROR_IO, CANCELLED = range(8)
GREY, GREY_ALPHA, RGB, RGBA, BGRA = range(1, 6)
U8, U16, F32 = range(1, 4)
PRESET_FAST, PRESET_BEST, PRESET_PAPER = range(1, 4)
STAGE_FIND, STAGE_PREPARE, STAGE_REFINE, STAGE_TUNE, STAGE_FINISH = range(1, 6)

CHANNELS = {GREY: 1, GREY_ALPHA: 2, RGB: 3, RGBA: 4, BGRA: 4}
SAMPLE_BYTES = {U8: 1, U16: 2, F32: 4}


class BundleInfo(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("name", C.c_char_p), ("title", C.c_char_p), ("licence", C.c_char_p),
                ("folder", C.c_char_p), ("problem", C.c_char_p), ("width", C.c_uint32),
                ("height", C.c_uint32)]


class ModelOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("model", C.c_char_p), ("device", C.c_char_p),
                ("onnx_runtime", C.c_char_p), ("threads", C.c_uint32)]


class Direction(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("name", C.c_char_p), ("named", C.c_uint32), ("sigma", C.c_float)]


class ImageDesc(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("pixels", C.c_void_p), ("stride", C.c_size_t), ("mask", C.c_void_p),
                ("mask_stride", C.c_size_t), ("width", C.c_uint32), ("height", C.c_uint32), ("layout", C.c_uint32),
                ("sample", C.c_uint32)]


class Progress(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("stage", C.c_uint32), ("step", C.c_uint32), ("steps", C.c_uint32),
                ("loss", C.c_float), ("seconds_left", C.c_double), ("preview", C.c_void_p),
                ("preview_width", C.c_uint32), ("preview_height", C.c_uint32)]


PROGRESS_FN = C.CFUNCTYPE(C.c_int, C.POINTER(Progress), C.c_void_p)
BUNDLE_FN = C.CFUNCTYPE(C.c_int, C.POINTER(BundleInfo), C.c_void_p)
DIRECTION_FN = C.CFUNCTYPE(C.c_int, C.POINTER(Direction), C.c_void_p)


class InvertOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("preset", C.c_uint32), ("aligned", C.c_uint32), ("face", C.c_uint32),
                ("iterations", C.c_uint32), ("refine", C.c_uint32), ("cache", C.c_uint32),
                ("cache_folder", C.c_char_p), ("cache_limit", C.c_uint64), ("seed", C.c_uint64),
                ("progress", PROGRESS_FN), ("user_data", C.c_void_p), ("preview_every", C.c_uint32)]


class Edit(C.Structure):
    _fields_ = [("direction", C.c_char_p), ("strength", C.c_float)]


class Rect(C.Structure):
    _fields_ = [("x", C.c_uint32), ("y", C.c_uint32), ("width", C.c_uint32), ("height", C.c_uint32)]


class InversionInfo(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("from_cache", C.c_uint32), ("has_place", C.c_uint32),
                ("place", C.c_double * 8), ("photo_width", C.c_uint32), ("photo_height", C.c_uint32),
                ("mse", C.c_double), ("lpips", C.c_double), ("ms_ssim", C.c_double), ("id", C.c_double)]


_status, _handle, _text, _edits = C.c_uint32, C.c_void_p, C.c_char_p, C.POINTER(Edit)

# Result and arguments of each function that is used.
FUNCTIONS = {
    "gani_abi_check": (_status, [C.c_uint32]),
    "gani_version": (_text, []),
    "gani_last_error": (_text, []),
    "gani_bundle_list": (_status, [BUNDLE_FN, C.c_void_p]),
    "gani_model_open": (_status, [C.POINTER(ModelOptions), C.POINTER(_handle)]),
    "gani_model_free": (_status, [_handle]),
    "gani_model_directions": (_status, [_handle, DIRECTION_FN, C.c_void_p]),
    "gani_image_view": (_status, [C.POINTER(ImageDesc), C.POINTER(_handle)]),
    "gani_image_free": (_status, [_handle]),
    "gani_model_invert": (_status, [_handle, _handle, C.POINTER(InvertOptions), C.POINTER(_handle)]),
    "gani_inversion_edit": (_status, [_handle, _edits, C.c_size_t, _handle]),
    "gani_inversion_paste": (_status, [_handle, _edits, C.c_size_t, _handle, C.POINTER(Rect)]),
    "gani_inversion_describe": (_status, [_handle, C.POINTER(InversionInfo)]),
    "gani_inversion_free": (_status, [_handle]),
}

# What the library was compiled with on 64-bit systems; another size here would scramble every call.
SIZES = {BundleInfo: 56, ModelOptions: 40, Direction: 24, ImageDesc: 56, Progress: 48, InvertOptions: 80, Edit: 16,
         Rect: 16, InversionInfo: 120}
assert C.sizeof(C.c_void_p) != 8 or all(C.sizeof(struct) == size for struct, size in SIZES.items())


class Failed(Exception):
    """Something cannot be done; the text says why and what helps, as a sentence."""


class Cancelled(Exception):
    """The user did not want it any more. Nothing was changed."""


def sentence(text):
    """A message as people read it: with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def folders():
    """Where libgani is looked for, in this order: this plug-in, the user's data folder, usual prefixes.

    `gani plugin install krita` puts it beside this file, the zip into lib/.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    if sys.platform == "darwin":
        data = os.path.join(os.path.expanduser("~"), "Library", "Application Support")
    elif sys.platform == "win32":
        data = os.environ.get("APPDATA", data)
    own = [here, os.path.join(here, "lib"), os.path.dirname(here), os.path.join(data, "gani", "lib")]
    return own + ([] if sys.platform == "win32" else ["/usr/local/lib", "/opt/gani/lib", "/usr/lib"])


def find():
    """The path of the library.

    The environment variable GANI_LIBRARY names another one. Raises Failed where there is none.
    """
    named = os.environ.get("GANI_LIBRARY")
    if named:
        return named
    names = {"win32": ["gani.dll"], "darwin": ["libgani.dylib"]}.get(sys.platform, ["libgani.so", "libgani.so.1"])
    for folder in folders():
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
    raise Failed("{} was not found in {}. Run `gani plugin install krita`, or import gani-krita.zip once more (Tools, Scripts, "
                 "Import Python Plugin from File), and start Krita again.".format(names[0], ", ".join(folders())))


_loaded = None


def load():
    """The library, loaded once, with every function declared. Raises Failed where it is missing or does not fit."""
    global _loaded
    if _loaded is None:
        path = find()
        try:
            library = C.CDLL(path)  # CDLL lets go of the GIL during calls
            for name, (result, arguments) in FUNCTIONS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise Failed("{} cannot be used: {}. Run `gani plugin install krita` to put the right one there, and start "
                         "Krita again.".format(path, error))
        check(library, library.gani_abi_check(ABI_VERSION))
        _loaded = library
    return _loaded


def check(library, status):
    """Raises what a status other than OK stands for, with the library's own text."""
    if status == CANCELLED:
        raise Cancelled()
    if status != OK:
        text = library.gani_last_error().decode("utf-8", "replace")
        raise Failed(sentence(re.sub("^gani_[a-z_]+: ", "", text)))  # the function's name says nothing to users
