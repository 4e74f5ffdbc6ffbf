# SPDX-License-Identifier: MIT OR Apache-2.0
"""libgani as objects: pixels, models, inversions. Knows neither Krita nor Qt; every call may be made on any thread."""
import ctypes as C
from collections import namedtuple

from . import library as L

# A bundle on this machine: its name, the size of its images in pixels, why it cannot be used ("" where it can).
Bundle = namedtuple("Bundle", "name width height problem")

# News of an inversion: a L.STAGE_…, steps done and to do, seconds left (negative while unknown), and, mostly None, how the
# face looks so far: RGB bytes [height, width, 3].
News = namedtuple("News", "stage step steps seconds_left preview width height")


class Pixels:
    """A picture of `width` × `height` pixels, rows from the top without gaps, values sRGB-encoded, alpha straight.

    layout, sample: as gani.h numbers them. data: bytes [height, width, channels × bytes of a sample]. mask: the
    selection, bytes [height, width], 0 to 255, or None for everything.
    """

    def __init__(self, width, height, layout, sample, data=None, mask=None):
        self.width, self.height, self.layout, self.sample = width, height, layout, sample
        self.pixel = L.CHANNELS[layout] * L.SAMPLE_BYTES[sample]
        self.stride = width * self.pixel
        self.data = bytearray(height * self.stride) if data is None else bytearray(data)
        self.mask = None if mask is None else bytes(mask)
        if len(self.data) != height * self.stride or (self.mask is not None and len(self.mask) != width * height):
            raise L.Failed("Krita gave {} bytes for {} × {} pixels.".format(len(self.data), width, height))

    def copy(self):
        return Pixels(self.width, self.height, self.layout, self.sample, self.data, self.mask)


class _View:
    """The library's view of Pixels, during a `with`."""

    def __init__(self, pixels):
        self.pixels, self.library, self.handle = pixels, L.load(), C.c_void_p()

    def __enter__(self):
        p = self.pixels
        # While this array lives, the bytearray cannot be resized and stays where it is.
        self.memory = (C.c_char * len(p.data)).from_buffer(p.data)
        desc = L.ImageDesc(struct_size=C.sizeof(L.ImageDesc), pixels=C.addressof(self.memory), stride=p.stride,
                           width=p.width, height=p.height, layout=p.layout, sample=p.sample)
        if p.mask is not None:
            desc.mask = C.cast(C.c_char_p(p.mask), C.c_void_p)
        L.check(self.library, self.library.gani_image_view(C.byref(desc), C.byref(self.handle)))
        return self.handle

    def __exit__(self, *_):
        self.library.gani_image_free(self.handle)
        del self.memory


def bundles():
    """The bundles on this machine, by name."""
    library, found = L.load(), []

    def each(info, _):
        info = info.contents
        found.append(Bundle(info.name.decode(), info.width, info.height, (info.problem or b"").decode("utf-8", "replace")))
        return 1

    L.check(library, library.gani_bundle_list(L.BUNDLE_FN(each), None))
    return found


class Model:
    """A bundle and the device that it runs on. name "" is the best one installed; device: auto, cpu, cuda."""

    def __init__(self, name, device):
        self.library, self.handle = L.load(), C.c_void_p()
        options = L.ModelOptions(struct_size=C.sizeof(L.ModelOptions), model=name.encode() or None,
                                 device=device.encode())
        L.check(self.library, self.library.gani_model_open(C.byref(options), C.byref(self.handle)))

    def __del__(self):
        self.library.gani_model_free(self.handle)

    def directions(self):
        """Names of the directions with a meaning, such as "smile"."""
        names = []

        def each(direction, _):
            direction = direction.contents
            if direction.named:
                names.append(direction.name.decode())
            return int(direction.named)  # named ones come first

        L.check(self.library, self.library.gani_model_directions(self.handle, L.DIRECTION_FN(each), None))
        return names

    def invert(self, picture, preset, face, progress, preview_every=0):
        """The inversion of a face in Pixels, from the user's cache where it has been made before.

        face: 0 for the one that is selected, or the largest; N for the Nth from the left. progress is called with News
        and returns whether to go on. Raises Cancelled and Failed.
        """
        trouble = []

        def tell(told, _):
            try:
                told = told.contents
                width, height = told.preview_width, told.preview_height
                preview = C.string_at(told.preview, 3 * width * height) if told.preview else None
                news = News(told.stage, told.step, told.steps, told.seconds_left, preview, width, height)
                return int(bool(progress(news)))
            except Exception as error:  # must not pass through the library
                trouble.append(error)
                return 0

        options = L.InvertOptions(struct_size=C.sizeof(L.InvertOptions), preset=preset, face=face,
                                  progress=L.PROGRESS_FN(tell), preview_every=preview_every)
        made = C.c_void_p()
        with _View(picture) as image:
            status = self.library.gani_model_invert(self.handle, image, C.byref(options), C.byref(made))
        if trouble:
            raise trouble[0]
        L.check(self.library, status)
        return Inversion(self.library, made)


class Inversion:
    """A face inside a generator.

    from_cache: whether it was found in the cache. place: corners of the face's square in the picture, in pixels: top left,
    bottom left, bottom right, top right.
    """

    def __init__(self, library, handle):
        self.library, self.handle = library, handle
        info = L.InversionInfo(struct_size=C.sizeof(L.InversionInfo))
        L.check(library, library.gani_inversion_describe(handle, C.byref(info)))
        self.from_cache = bool(info.from_cache)
        self.place = [(info.place[i], info.place[i + 1]) for i in range(0, 8, 2)]

    def __del__(self):
        self.library.gani_inversion_free(self.handle)

    def draw(self, edits, side):
        """The face with edits, [(direction, strength in σ)]: RGB bytes [side, side, 3]."""
        into = Pixels(side, side, L.RGB, L.U8)
        array = _edits(edits)
        with _View(into) as image:
            L.check(self.library, self.library.gani_inversion_edit(self.handle, array, len(array), image))
        return bytes(into.data)

    def paste(self, edits, into):
        """Puts the face with edits into Pixels that show the picture, as far as their mask lets it.

        Returns x, y, width, height of the rectangle outside which nothing changed.
        """
        array, rect = _edits(edits), L.Rect()
        with _View(into) as image:
            status = self.library.gani_inversion_paste(self.handle, array, len(array), image, C.byref(rect))
            L.check(self.library, status)
        return rect.x, rect.y, rect.width, rect.height


def _edits(edits):
    return (L.Edit * len(edits))(*[L.Edit(name.encode(), strength) for name, strength in edits])
