"""Invert a photograph into a StyleGAN2-family generator, and edit it there.

    import gani

    model = gani.Model()                                  # the default model, 1024 px
    face = model.invert("portrait.jpg", preset="fast")    # minutes on a CPU
    face.paste({"age": 2.0}, "portrait.jpg").save("older.jpg")

Images are NumPy arrays [H, W, 3] of uint8 in sRGB. All work runs without Python's global lock; Ctrl-C cancels it. Messages go to the
logger "gani".
"""
import importlib.util
import os

from . import _gani
from ._gani import (
    Cancelled,
    Direction,
    Error,
    Face,
    FileError,
    InputError,
    LimitsError,
    Metrics,
    Model,
    ModelError,
    Photo,
    Progress,
    RuntimeError,
    UnsupportedError,
    __version__,
    gradient,
    models,
)

__all__ = [
    "Cancelled",
    "Direction",
    "Error",
    "Face",
    "FileError",
    "InputError",
    "LimitsError",
    "Metrics",
    "Model",
    "ModelError",
    "Photo",
    "Progress",
    "RuntimeError",
    "UnsupportedError",
    "__version__",
    "gradient",
    "models",
]


def _onnx_runtime() -> str | None:
    """The folder of the library in the package onnxruntime, which is not imported."""
    package = importlib.util.find_spec("onnxruntime")
    folders = package.submodule_search_locations if package else None
    return os.path.join(folders[0], "capi") if folders else None


_gani._set_location(_gani.__file__, _onnx_runtime())
