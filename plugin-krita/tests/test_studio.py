# SPDX-License-Identifier: MIT OR Apache-2.0
"""The way from a picture to a layer with the real library and the 64 px model, without Krita.

GANI_LIBRARY names the library; XDG_CACHE_HOME must be an empty folder.
"""
import ctypes as C
import os
import unittest
from unittest import mock

from gani import engine, library as L, patch, words
from gani.studio import VIEW, Settings, Studio

PHOTO = os.path.join(os.path.dirname(__file__), "..", "..", "tests", "data", "astronaut.png")
SETTINGS = Settings("ffhq-64", L.PRESET_FAST, "cpu", 0)


class ShortOptions(L.InvertOptions):
    """Those of the plug-in, with few steps: how good a face becomes is the library's affair, and tested there."""

    def __init__(self, **given):
        super().__init__(refine=4, iterations=20, **given)


def photo():
    """The astronaut as Krita has it: BGRA, one byte per channel."""
    library, image = L.load(), C.c_void_p()
    library.gani_image_load.argtypes = [C.c_char_p, C.c_void_p]
    library.gani_image_describe.argtypes = [C.c_void_p, C.POINTER(L.ImageDesc)]
    L.check(library, library.gani_image_load(PHOTO.encode(), C.byref(image)))
    desc = L.ImageDesc(struct_size=C.sizeof(L.ImageDesc))
    L.check(library, library.gani_image_describe(image, C.byref(desc)))
    step = L.CHANNELS[desc.layout]
    data = C.string_at(desc.pixels, desc.stride * desc.height)
    made = engine.Pixels(desc.width, desc.height, L.BGRA, L.U8)
    for to, source in ((0, 2), (1, 1), (2, 0)):
        made.data[to::4] = data[source::step]
    made.data[3::4] = b"\xff" * (desc.width * desc.height)
    library.gani_image_free(image)
    return made


@mock.patch.object(L, "InvertOptions", ShortOptions)
class Way(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.told = []
        cls.studio = Studio(photo(), lambda kind, *what: cls.told.append((kind, what)))

    def test_1_cancel_leaves_nothing(self):
        before = bytes(self.studio.picture.data)
        directions, place = self.studio.find(SETTINGS, lambda: False)
        self.assertEqual(directions, list(words.SLIDERS))
        self.assertIsNone(place)
        calls = []

        def cancelled():
            calls.append(None)
            return len(calls) > 8

        with self.assertRaises(L.Cancelled):
            self.studio.invert(cancelled)
        self.assertEqual(bytes(self.studio.picture.data), before)
        self.assertIsNone(self.studio.find(SETTINGS, lambda: False)[1])

    def test_2_invert_and_render(self):
        before = bytes(self.studio.picture.data)
        self.told.clear()
        place = self.studio.invert(lambda: False)
        texts = [what[0] for kind, what in self.told if kind == "working"]
        self.assertTrue(any("details, step" in t and "left" in t for t in texts), texts[-3:])
        looks = [what for kind, what in self.told if kind == "underway"]
        self.assertTrue(looks and all(len(pixels) == 3 * w * h for pixels, w, h in looks))
        self.assertFalse(self.studio.face.from_cache)
        self.assertEqual(len(place), 4)
        made, = self.studio.render(SETTINGS, [[("smile", 2.0)]], lambda: False)
        self.assertEqual(bytes(self.studio.picture.data), before)
        alpha = made.data[3::4]
        self.assertEqual(set(alpha), {0, 255})
        inside = sum(end - start for y in range(512) for start, end in patch.spans(place, None, 512, y))
        self.assertEqual(alpha.count(255), inside)
        plain, = self.studio.render(SETTINGS, [[]], lambda: False)
        self.assertNotEqual(made.data, plain.data)
        self.assertEqual(len(self.studio.show([("age", -1.0)])), 3 * VIEW * VIEW)

    def test_3_second_run_is_cached(self):
        again = Studio(photo(), lambda *_: None)
        again.picture.mask = bytes(512 * 100) + b"\xff" * (512 * 50) + bytes(512 * 362)  # rows 100 to 150
        _, place = again.find(SETTINGS, lambda: False)
        self.assertTrue(place and again.face.from_cache)
        made, = again.render(SETTINGS, [[("smile", 2.0)]], lambda: False)
        alpha = made.data[3::4]
        rows = {made.y + i // made.width for i, a in enumerate(alpha) if a}
        self.assertEqual(rows, set(range(100, 150)))

    def test_messages(self):
        for settings, text in ((SETTINGS._replace(model="faces"), "ffhq-64"), (SETTINGS._replace(face=9), "only one face")):
            with self.assertRaisesRegex(L.Failed, "^(?!Gani_).*" + text):
                Studio(photo(), lambda *_: None).find(settings, lambda: False)
        studio = Studio(photo(), lambda *_: None)
        studio.picture.mask = bytes(512 * 511) + b"\xff" * 512
        with self.assertRaisesRegex(L.Failed, "selection"):
            studio.find(SETTINGS, lambda: False)
        with self.assertRaisesRegex(L.Failed, "(?i)no face"):
            Studio(engine.Pixels(1, 1, L.RGBA, L.F32), lambda *_: None).find(SETTINGS, lambda: False)

    def test_4_an_unknown_direction(self):
        with self.assertRaisesRegex(L.Failed, "smile"):
            self.studio.show([("smil", 1.0)])


class Small(unittest.TestCase):
    def test_spans(self):
        square = [(10.0, 20.0), (10.0, 60.0), (50.0, 60.0), (50.0, 20.0)]
        self.assertEqual(patch.spans(square, None, 100, 20), [(10, 50)])
        self.assertEqual(patch.spans(square, None, 30, 59), [(10, 30)])
        self.assertEqual(patch.spans(square, None, 100, 60), [])
        turned = [(50.0, 0.0), (0.0, 50.0), (50.0, 100.0), (100.0, 50.0)]
        self.assertEqual(patch.spans(turned, None, 100, 49), [(0, 99)])
        mask = bytearray(100 * 100)
        for start in (4920, 4990):
            mask[start:start + 10] = b"\1" * 10
        self.assertEqual(patch.spans(turned, bytes(mask), 100, 49), [(20, 30), (90, 99)])

    def test_words(self):
        self.assertEqual(words.described([("smile", 1.5), ("mouth_open", -2.0), ("pca.3", 0.333)]),
                         "smile +1.5, mouth open −2, pca.3 +0.33")
        self.assertEqual([words.duration(s) for s in (44.2, 130, 3600)], ["45 s", "2 min 10 s", "60 min"])
        self.assertEqual(words.parse_more("pca.3=1.5; sefa.0=-2"), [("pca.3", 1.5), ("sefa.0", -2.0)])
        for text in ("smile", "=1", "smile=", "smile=nan", "smile=1 age"):
            with self.assertRaisesRegex(L.Failed, "NAME=SIGMA"):
                words.parse_more(text)


if __name__ == "__main__":
    unittest.main()
