# SPDX-License-Identifier: MIT OR Apache-2.0
"""From an image to the pixels of a layer, with the real library and the 64 px model but without Krita.

The environment variable GANI_LIBRARY is the path of the library; XDG_CACHE_HOME must be an empty folder.
"""
import ctypes as C
import os
import unittest
from unittest import mock

from gani import engine, library as L, patch, strings
from gani.session import VIEW, Session, Settings

PHOTO = os.path.join(os.path.dirname(__file__), "..", "..", "tests", "data", "astronaut.png")
SETTINGS = Settings("ffhq-64", L.PRESET_FAST, "cpu", 0)


class ShortOptions(L.InvertOptions):
    """The plug-in's options with few steps. The quality of the result is tested elsewhere."""

    def __init__(self, **given):
        super().__init__(refine_steps=4, iterations=20, **given)


def photo():
    """The test photo as Krita stores it: BGRA with one byte per channel."""
    library, image = L.load(), C.c_void_p()
    library.gani_image_load.argtypes = [C.c_char_p, C.c_void_p]
    library.gani_image_describe.argtypes = [C.c_void_p, C.POINTER(L.ImageDesc)]
    L.check(library, library.gani_image_load(PHOTO.encode(), C.byref(image)))
    desc = L.ImageDesc(struct_size=C.sizeof(L.ImageDesc))
    L.check(library, library.gani_image_describe(image, C.byref(desc)))
    step = L.CHANNELS[desc.layout]
    data = C.string_at(desc.pixels, desc.stride * desc.height)
    pixels = engine.Pixels(desc.width, desc.height, L.LAYOUT_BGRA, L.SAMPLE_U8)
    for to, source in ((0, 2), (1, 1), (2, 0)):
        pixels.data[to::4] = data[source::step]
    pixels.data[3::4] = b"\xff" * (desc.width * desc.height)
    library.gani_image_free(image)
    return pixels


@mock.patch.object(L, "InvertOptions", ShortOptions)
class Workflow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.events = []
        cls.session = Session(photo(), lambda kind, *values: cls.events.append((kind, values)))

    def test_1_cancel_changes_nothing(self):
        before = bytes(self.session.picture.data)
        directions, face = self.session.find(SETTINGS, lambda: False)
        self.assertEqual(directions, engine.face_directions())
        self.assertEqual([d.label for d in directions[:3]], ["Smile", "Age", "Turn"])
        self.assertEqual((directions[0].minimum, directions[0].maximum), (-3.0, 3.0))
        self.assertIsNone(face)
        calls = []

        def cancelled():
            calls.append(None)
            return len(calls) > 8

        self.assertIsNone(self.session.show([("smile", 1.0)], L.KEEP_ALL))
        for work in self.session.make_draft, self.session.invert:
            calls.clear()
            with self.assertRaises(L.Cancelled):
                work(cancelled)
            self.assertEqual(bytes(self.session.picture.data), before)
            self.assertIsNone(self.session.find(SETTINGS, lambda: False)[1])

    def test_2_invert_and_render(self):
        before = bytes(self.session.picture.data)
        self.events.clear()
        self.session.make_draft(lambda: False)
        self.assertEqual([kind for kind, _ in self.events][-1], "drafted")
        (draft,), face = self.session.render(SETTINGS, [[("smile", 2.0)]], L.KEEP_ALL, True, lambda: False)
        self.assertEqual((face.preset, self.session.face), (L.PRESET_DRAFT, None))
        previews = []
        corners = self.session.invert(lambda: False,
                                      lambda: previews.append(self.session.show([("smile", 2.0)], L.KEEP_ALL)))
        self.assertEqual({len(p) for p in previews}, {3 * VIEW * VIEW})
        self.assertEqual(len(set(previews)), 1)
        self.assertNotEqual(self.session.show([("smile", 2.0)], L.KEEP_ALL), previews[0])
        texts = [values[0] for kind, values in self.events if kind == "working"]
        self.assertTrue(any("tuning the generator, step" in t and "left" in t for t in texts), texts[-3:])
        self.assertFalse(self.session.face.from_cache)
        self.assertEqual(len(corners), 4)
        (edited,), face = self.session.render(SETTINGS, [[("smile", 2.0)]], L.KEEP_ALL, True, lambda: False)
        self.assertEqual((face.preset, face.number, face.steps, len(face.key)), (L.PRESET_FAST, 1, 20, 64))
        self.assertNotEqual(edited.data, draft.data)
        self.assertEqual(bytes(self.session.picture.data), before)
        alpha = edited.data[3::4]
        self.assertEqual(set(alpha), {0, 255})
        inside = sum(end - start for y in range(512) for start, end in patch.spans(corners, None, 512, y))
        self.assertEqual(alpha.count(255), inside)
        (plain,), _ = self.session.render(SETTINGS, [[]], L.KEEP_ALL, False, lambda: False)
        self.assertNotEqual(edited.data, plain.data)
        self.assertEqual(len(self.session.show([("age", -1.0)], L.KEEP_ALL)), 3 * VIEW * VIEW)

    def test_3_second_run_is_cached(self):
        second = Session(photo(), lambda *_: None)
        second.picture.mask = bytes(512 * 100) + b"\xff" * (512 * 50) + bytes(512 * 362)  # rows 100 to 150
        _, face = second.find(SETTINGS, lambda: False)
        self.assertTrue(face.from_cache)
        (edited,), _ = second.render(SETTINGS, [[("smile", 2.0)]], L.KEEP_ALL, False, lambda: False)
        alpha = edited.data[3::4]
        rows = {edited.y + i // edited.width for i, a in enumerate(alpha) if a}
        self.assertEqual(rows, set(range(100, 150)))

    def test_messages(self):
        for settings, text in ((SETTINGS._replace(model="faces"), "ffhq-64"), (SETTINGS._replace(face=9), "only one face")):
            with self.assertRaisesRegex(L.GaniError, "^(?!Gani_).*" + text):
                Session(photo(), lambda *_: None).find(settings, lambda: False)
        session = Session(photo(), lambda *_: None)
        session.picture.mask = bytes(512 * 511) + b"\xff" * 512
        with self.assertRaisesRegex(L.GaniError, "selection"):
            session.find(SETTINGS, lambda: False)
        with self.assertRaisesRegex(L.GaniError, "(?i)no face"):
            Session(engine.Pixels(1, 1, L.LAYOUT_RGBA, L.SAMPLE_F32), lambda *_: None).find(SETTINGS, lambda: False)

    def test_4_an_unknown_direction(self):
        with self.assertRaisesRegex(L.GaniError, "smile"):
            self.session.show([("smil", 1.0)], L.KEEP_ALL)


class Functions(unittest.TestCase):
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

    def test_formatting(self):
        self.assertEqual(strings.format_edits([("smile", 1.5), ("mouth_open", -2.0), ("pca.3", 0.333)]),
                         "smile +1.5, mouth open −2, pca.3 +0.33")
        self.assertEqual([strings.format_duration(s) for s in (44.2, 130, 3600)], ["45 s", "2 min 10 s", "60 min"])
        self.assertEqual(strings.parse_edits("pca.3=1.5; sefa.0=-2"), [("pca.3", 1.5), ("sefa.0", -2.0)])
        for text in ("smile", "=1", "smile=", "smile=nan", "smile=1 age"):
            with self.assertRaisesRegex(L.GaniError, "NAME=STRENGTH"):
                strings.parse_edits(text)


if __name__ == "__main__":
    unittest.main()
