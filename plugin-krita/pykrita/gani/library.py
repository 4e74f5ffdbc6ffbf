# SPDX-License-Identifier: MIT OR Apache-2.0
"""ctypes declarations of include/gani.h, and the search for the library. Independent of Krita and Qt.

tests/test_library.py compares every name, field, value and size in this file with gani.h.
"""
import ctypes as C
import os
import re
import sys

ABI_VERSION = 1

OK, ERROR_INPUT, ERROR_MODEL, ERROR_UNSUPPORTED, ERROR_LIMITS, ERROR_RUNTIME, ERROR_IO, CANCELLED = range(8)
LAYOUT_GRAY, LAYOUT_GRAY_ALPHA, LAYOUT_RGB, LAYOUT_RGBA, LAYOUT_BGRA = range(1, 6)
SAMPLE_U8, SAMPLE_U16, SAMPLE_F32 = range(1, 4)
PRESET_FAST, PRESET_BEST, PRESET_PAPER, PRESET_DRAFT = range(1, 5)
KEEP_ALL, KEEP_BACKGROUND, KEEP_NONE = range(3)
STAGE_FIND, STAGE_PREPARE, STAGE_REFINE, STAGE_TUNE, STAGE_FINISH = range(1, 6)

CHANNELS = {LAYOUT_GRAY: 1, LAYOUT_GRAY_ALPHA: 2, LAYOUT_RGB: 3, LAYOUT_RGBA: 4, LAYOUT_BGRA: 4}
SAMPLE_BYTES = {SAMPLE_U8: 1, SAMPLE_U16: 2, SAMPLE_F32: 4}


class BundleInfo(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("name", C.c_char_p), ("title", C.c_char_p), ("license", C.c_char_p),
                ("folder", C.c_char_p), ("problem", C.c_char_p), ("width", C.c_uint32),
                ("height", C.c_uint32), ("for_tests", C.c_uint32)]


class ModelOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("model", C.c_char_p), ("device", C.c_char_p),
                ("onnx_runtime", C.c_char_p), ("threads", C.c_uint32)]


class Direction(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("name", C.c_char_p), ("named", C.c_uint32), ("sigma", C.c_float),
                ("label", C.c_char_p), ("help", C.c_char_p), ("min_strength", C.c_float), ("max_strength", C.c_float),
                ("unit", C.c_char_p), ("group", C.c_char_p)]


class ImageDesc(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("pixels", C.c_void_p), ("stride", C.c_size_t), ("mask", C.c_void_p),
                ("mask_stride", C.c_size_t), ("width", C.c_uint32), ("height", C.c_uint32), ("layout", C.c_uint32),
                ("sample", C.c_uint32), ("icc_profile", C.c_void_p), ("icc_profile_size", C.c_size_t)]


class Progress(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("stage", C.c_uint32), ("step", C.c_uint32), ("steps", C.c_uint32),
                ("loss", C.c_float), ("seconds_left", C.c_double), ("preview", C.c_void_p),
                ("preview_width", C.c_uint32), ("preview_height", C.c_uint32)]


PROGRESS_FN = C.CFUNCTYPE(C.c_int, C.POINTER(Progress), C.c_void_p)
BUNDLE_FN = C.CFUNCTYPE(C.c_int, C.POINTER(BundleInfo), C.c_void_p)
DIRECTION_FN = C.CFUNCTYPE(C.c_int, C.POINTER(Direction), C.c_void_p)


class InvertOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("preset", C.c_uint32), ("aligned", C.c_uint32), ("face", C.c_uint32),
                ("iterations", C.c_uint32), ("refine_steps", C.c_uint32), ("cache", C.c_uint32),
                ("cache_folder", C.c_char_p), ("cache_limit", C.c_uint64), ("seed", C.c_uint64),
                ("progress", PROGRESS_FN), ("user_data", C.c_void_p), ("preview_interval", C.c_uint32)]


class Edit(C.Structure):
    _fields_ = [("direction", C.c_char_p), ("strength", C.c_float)]


class Look(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("name", C.c_char_p), ("title", C.c_char_p), ("problem", C.c_char_p),
                ("edits", C.POINTER(Edit)), ("count", C.c_size_t), ("own", C.c_uint32)]


LOOK_FN = C.CFUNCTYPE(C.c_int, C.POINTER(Look), C.c_void_p)


class PasteOptions(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("keep", C.c_uint32), ("feather", C.c_float),
                ("other_photo", C.c_uint32)]


class Rect(C.Structure):
    _fields_ = [("x", C.c_uint32), ("y", C.c_uint32), ("width", C.c_uint32), ("height", C.c_uint32)]


class FaceSessionInfo(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("from_cache", C.c_uint32), ("has_alignment", C.c_uint32),
                ("alignment", C.c_double * 8), ("photo_width", C.c_uint32), ("photo_height", C.c_uint32),
                ("mse", C.c_double), ("lpips", C.c_double), ("ms_ssim", C.c_double), ("id", C.c_double),
                ("key", C.c_char_p), ("face", C.c_uint32), ("steps", C.c_uint32)]


_status, _handle, _text, _edits = C.c_uint32, C.c_void_p, C.c_char_p, C.POINTER(Edit)
_paste_options = C.POINTER(PasteOptions)

# Result and argument types of the functions that the plug-in uses.
FUNCTIONS = {
    "gani_abi_check": (_status, [C.c_uint32]),
    "gani_about": (_text, []),
    "gani_version": (_text, []),
    "gani_last_error": (_text, []),
    "gani_bundle_list": (_status, [BUNDLE_FN, C.c_void_p]),
    "gani_face_direction_list": (_status, [DIRECTION_FN, C.c_void_p]),
    "gani_look_list": (_status, [LOOK_FN, C.c_void_p]),
    "gani_look_save": (_status, [_text, _text, _edits, C.c_size_t, C.c_uint32]),
    "gani_look_remove": (_status, [_text]),
    "gani_stage_label": (_text, [C.c_uint32]),
    "gani_model_open": (_status, [C.POINTER(ModelOptions), C.POINTER(_handle)]),
    "gani_model_free": (_status, [_handle]),
    "gani_model_list_directions": (_status, [_handle, DIRECTION_FN, C.c_void_p]),
    "gani_image_wrap": (_status, [C.POINTER(ImageDesc), C.POINTER(_handle)]),
    "gani_image_free": (_status, [_handle]),
    "gani_model_invert": (_status, [_handle, _handle, C.POINTER(InvertOptions), C.POINTER(_handle)]),
    "gani_face_session_paste_with": (_status, [_handle, _edits, C.c_size_t, _paste_options, _handle, C.POINTER(Rect)]),
    "gani_face_session_preview": (_status, [_handle, _edits, C.c_size_t, _paste_options, _handle, _handle]),
    "gani_face_session_describe": (_status, [_handle, C.POINTER(FaceSessionInfo)]),
    "gani_face_session_free": (_status, [_handle]),
}

# Struct sizes on 64-bit systems, as the static assertions in gani.h state them. A mismatch would corrupt memory.
SIZES = {BundleInfo: 64, ModelOptions: 40, Direction: 64, ImageDesc: 72, Progress: 48, InvertOptions: 80, Edit: 16, Look: 56,
         PasteOptions: 24, Rect: 16, FaceSessionInfo: 136}
assert C.sizeof(C.c_void_p) != 8 or all(C.sizeof(struct) == size for struct, size in SIZES.items())


class GaniError(Exception):
    """An operation failed. The text is a sentence for the user, with cause and fix."""


class Cancelled(Exception):
    """The user cancelled the operation. Nothing was changed."""


def sentence(text):
    """An error message as a sentence: capitalized, with a final period."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def folders():
    """The folders that are searched for libgani, in this order: the plug-in, the user's data folder, common prefixes.

    `gani plugin install krita` copies the library to the folder of this file. gani-krita.zip has it in lib/.
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
    """The path of the library. The environment variable GANI_LIBRARY overrides the search.

    Raises GaniError if no library is found.
    """
    override = os.environ.get("GANI_LIBRARY")
    if override:
        return override
    names = {"win32": ["gani.dll"], "darwin": ["libgani.dylib"]}.get(sys.platform, ["libgani.so", "libgani.so.1"])
    for folder in folders():
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                return path
    raise GaniError("{} was not found in {}. Run `gani plugin install krita`, or import gani-krita.zip again (Tools, Scripts, "
                    "Import Python Plugin from File), and restart Krita.".format(names[0], ", ".join(folders())))


_loaded = None


def load():
    """The library with all functions declared; loaded on the first call. Raises GaniError if it is missing or unusable."""
    global _loaded
    if _loaded is None:
        path = find()
        try:
            library = C.CDLL(path)  # CDLL releases the GIL during calls
            for name, (result, arguments) in FUNCTIONS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            raise GaniError("{} cannot be used: {}. Run `gani plugin install krita` to replace it, and restart Krita."
                            .format(path, error))
        check(library, library.gani_abi_check(ABI_VERSION))
        _loaded = library
    return _loaded


def check(library, status):
    """Raises Cancelled or GaniError, with the library's message, unless the status is OK."""
    if status == CANCELLED:
        raise Cancelled()
    if status != OK:
        text = library.gani_last_error().decode("utf-8", "replace")
        raise GaniError(sentence(re.sub("^gani_[a-z_]+: ", "", text)))  # users do not need the function's name
