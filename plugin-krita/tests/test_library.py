# SPDX-License-Identifier: MIT OR Apache-2.0
"""library.py matches include/gani.h: constants, structs, sizes, functions. A missing library gives a helpful error."""
import ctypes as C
import os
import re
import tempfile
import unittest
from unittest import mock

from gani import library as L

HEADER = os.path.join(os.path.dirname(__file__), "..", "..", "include", "gani.h")
PLAIN = {"size_t": C.c_size_t, "uint32_t": C.c_uint32, "uint64_t": C.c_uint64, "float": C.c_float, "double": C.c_double,
         "gani_status": C.c_uint32, "gani_progress_fn": L.PROGRESS_FN, "gani_bundle_fn": L.BUNDLE_FN,
         "gani_direction_fn": L.DIRECTION_FN, "gani_look_fn": L.LOOK_FN}
HANDLES = ("gani_model", "gani_image", "gani_face_session")


def header():
    with open(HEADER) as file:
        return re.sub(r"//[^\n]*|/\*.*?\*/", "", file.read(), flags=re.S)


def struct_of(name):
    return getattr(L, "".join(word.capitalize() for word in name[len("gani_"):].split("_")))


def c_type(text):
    """The ctypes type of a C type. Pointers to pixels and masks are plain addresses in Python."""
    words = text.replace("const", "").replace("struct", "").replace("*", " * ").split()
    name, stars = words[0], words.count("*")
    if not stars:
        return PLAIN[name]
    if name == "char":
        return C.c_char_p
    if name in ("void", "uint8_t"):
        return C.c_void_p
    if name in HANDLES:
        return C.c_void_p if stars == 1 else C.POINTER(C.c_void_p)
    return C.POINTER(struct_of(name))


class Header(unittest.TestCase):
    def test_constants(self):
        text = header()
        self.assertEqual(int(re.search(r"#define GANI_ABI_VERSION (\d+)", text).group(1)), L.ABI_VERSION)
        seen = 0
        for name, value in re.findall(r"GANI_([A-Z0-9_]+) = (\d+),", text):
            if hasattr(L, name):
                self.assertEqual(getattr(L, name), int(value), name)
                seen += 1
        ours = [n for n, v in vars(L).items() if n.isupper() and isinstance(v, int) and n != "ABI_VERSION"]
        self.assertEqual(seen, len(ours))

    def test_structs(self):
        bodies = dict(re.findall(r"typedef struct (gani_\w+) \{(.*?)\}", header(), flags=re.S))
        for struct in L.SIZES:
            name = "gani" + re.sub(r"([A-Z])", lambda m: "_" + m.group(1).lower(), struct.__name__)
            fields = []
            for kind, field, count in re.findall(r"([\w\s*]+?[\s*])(\w+)(?:\[(\d+)\])?;", bodies[name]):
                kind = c_type(kind)
                fields.append((field, kind * int(count) if count else kind))
            self.assertEqual(fields, struct._fields_, name)

    def test_sizes(self):
        sizes = dict(re.findall(r"sizeof\((gani_\w+)\) == (\d+)", header()))
        for name, size in sizes.items():
            if name != "gani_model_info":  # not used by the plug-in
                self.assertEqual(L.SIZES[struct_of(name)], int(size), name)

    def test_functions(self):
        text = " ".join(header().split())
        for name, (result, arguments) in L.FUNCTIONS.items():
            kind, given = re.search(r"([\w ]+\*?) ?\b%s\(([^)]*)\);" % name, text).groups()
            self.assertEqual(c_type(kind.strip()), result, name)
            given = [] if given == "void" else [re.sub(r"\w+$", "", a.strip()) for a in given.split(",")]
            self.assertEqual([c_type(a) for a in given], arguments, name)


class Search(unittest.TestCase):
    def test_missing_library(self):
        with mock.patch.dict(os.environ), mock.patch.object(L, "folders", lambda: ["/nowhere"]):
            os.environ.pop("GANI_LIBRARY", None)
            with self.assertRaisesRegex(L.GaniError, "was not found in /nowhere. Run `gani plugin install krita`"):
                L.find()

    def test_invalid_library(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as file, mock.patch.object(L, "_loaded", None), \
                mock.patch.dict(os.environ, GANI_LIBRARY=file.name):
            with self.assertRaisesRegex(L.GaniError, "cannot be used.*Run `gani plugin install krita`"):
                L.load()

    def test_the_plug_in_folder_is_searched_first(self):
        here = os.path.dirname(os.path.abspath(L.__file__))
        self.assertEqual(L.folders()[:2], [here, os.path.join(here, "lib")])


if __name__ == "__main__":
    unittest.main()
