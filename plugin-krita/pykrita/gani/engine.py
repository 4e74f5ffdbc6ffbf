# SPDX-License-Identifier: MIT OR Apache-2.0
"""libgani as Python objects: pixels, models, face sessions. Independent of Krita and Qt; usable from any thread."""
import ctypes as C
from collections import namedtuple

from . import library as L

# An installed bundle: name, size of the generator's images in pixels, whether it is for tests, why it cannot be opened ("" if it can).
Bundle = namedtuple("Bundle", "name width height for_tests problem")

# A semantic direction: name, label and tooltip of its slider, the slider's range, and the unit of strengths ("sigma" or "deg").
Direction = namedtuple("Direction", "name label help minimum maximum unit")

# A look: name, title, edits [(direction, strength)], and whether it is the user's, who can remove it.
Look = namedtuple("Look", "name title edits own")

# Progress of an inversion: stage (L.STAGE_…), completed and total steps, seconds left (negative if unknown).
Progress = namedtuple("Progress", "stage step steps seconds_left")


class Pixels:
    """An image with contiguous rows from top to bottom, sRGB-encoded values and straight alpha.

    layout, sample: L.LAYOUT_…, L.SAMPLE_…. data: bytes [height, width, channels × bytes per sample], zeros if None. mask:
    the selection, bytes [height, width], 0 to 255; None if everything is selected.
    """

    def __init__(self, width, height, layout, sample, data=None, mask=None):
        self.width, self.height, self.layout, self.sample = width, height, layout, sample
        self.pixel_bytes = L.CHANNELS[layout] * L.SAMPLE_BYTES[sample]
        self.stride = width * self.pixel_bytes
        self.data = bytearray(height * self.stride) if data is None else bytearray(data)
        self.mask = None if mask is None else bytes(mask)
        if len(self.data) != height * self.stride or (self.mask is not None and len(self.mask) != width * height):
            raise L.GaniError("Krita returned {} bytes for {} × {} pixels.".format(len(self.data), width, height))

    def copy(self):
        return Pixels(self.width, self.height, self.layout, self.sample, self.data, self.mask)


class _Wrapped:
    """A gani_image handle that wraps Pixels, for use in a `with` statement."""

    def __init__(self, pixels):
        self.pixels, self.library, self.handle = pixels, L.load(), C.c_void_p()

    def __enter__(self):
        p = self.pixels
        # While this array exists, the bytearray cannot be resized, so its address is stable.
        self.memory = (C.c_char * len(p.data)).from_buffer(p.data)
        desc = L.ImageDesc(struct_size=C.sizeof(L.ImageDesc), pixels=C.addressof(self.memory), stride=p.stride,
                           width=p.width, height=p.height, layout=p.layout, sample=p.sample)
        if p.mask is not None:
            desc.mask = C.cast(C.c_char_p(p.mask), C.c_void_p)
        L.check(self.library, self.library.gani_image_wrap(C.byref(desc), C.byref(self.handle)))
        return self.handle

    def __exit__(self, *_):
        self.library.gani_image_free(self.handle)
        del self.memory


def bundles():
    """The installed bundles, sorted by name."""
    library, found = L.load(), []

    def each(info, _):
        info = info.contents
        problem = (info.problem or b"").decode("utf-8", "replace")
        found.append(Bundle(info.name.decode(), info.width, info.height, bool(info.for_tests), problem))
        return 1

    L.check(library, library.gani_bundle_list(L.BUNDLE_FN(each), None))
    return found


def _directions(enumerate_directions):
    """The Directions that a C function, called with a callback, enumerates. Stops at the principal components."""
    found = []

    def each(direction, _):
        direction = direction.contents
        if direction.named:
            found.append(Direction(direction.name.decode(), direction.label.decode(), direction.help.decode(),
                                   direction.min_strength, direction.max_strength, direction.unit.decode()))
        return int(direction.named)  # principal components come after the semantic directions

    L.check(L.load(), enumerate_directions(L.DIRECTION_FN(each)))
    return found


def face_directions():
    """The Directions of the face models, in slider order; needs no model."""
    return _directions(lambda each: L.load().gani_face_direction_list(each, None))


def looks():
    """The usable looks, sorted by name."""
    library, found = L.load(), []

    def each(look, _):
        look = look.contents
        if not look.problem:
            edits = [(edit.direction.decode(), edit.strength) for edit in look.edits[:look.count]]
            found.append(Look(look.name.decode(), look.title.decode(), edits, bool(look.own)))
        return 1

    L.check(library, library.gani_look_list(L.LOOK_FN(each), None))
    return found


def save_look(name, edits, overwrite):
    """Saves edits as the user's look. Raises L.GaniError if there is one of this name and overwrite is false."""
    library, array = L.load(), _edits(edits)
    L.check(library, library.gani_look_save(name.encode(), None, array, len(array), int(overwrite)))


def remove_look(name):
    """Removes a look of the user's."""
    library = L.load()
    L.check(library, library.gani_look_remove(name.encode()))


def about():
    """Versions, device, model and folders, one per line."""
    return L.load().gani_about().decode()


def version():
    """The version of libgani."""
    return L.load().gani_version().decode()


def stage_label(stage):
    """The label of a L.STAGE_…, for the status text."""
    return L.load().gani_stage_label(stage).decode()


class Model:
    """A bundle opened on a device. name: "" for the default one. device: auto, cpu, cuda."""

    def __init__(self, name, device):
        self.library, self.handle = L.load(), C.c_void_p()
        options = L.ModelOptions(struct_size=C.sizeof(L.ModelOptions), model=name.encode() or None,
                                 device=device.encode())
        L.check(self.library, self.library.gani_model_open(C.byref(options), C.byref(self.handle)))

    def __del__(self):
        self.library.gani_model_free(self.handle)

    def directions(self):
        """The semantic Directions of the model: those of face_directions() first, in their order."""
        known = [direction.name for direction in face_directions()]
        found = _directions(lambda each: self.library.gani_model_list_directions(self.handle, each, None))
        return sorted(found, key=lambda d: known.index(d.name) if d.name in known else len(known))

    def invert(self, picture, preset, face, on_progress):
        """Inverts a face in Pixels, or reads its inversion from the user's cache. Returns a FaceSession.

        face: 0 for the selected face, or the largest if nothing is selected; N for the Nth from the left. on_progress is
        called with Progress and returns False to cancel. Raises Cancelled and GaniError.
        """
        exceptions = []

        def callback(progress, _):
            try:
                progress = progress.contents
                event = Progress(progress.stage, progress.step, progress.steps, progress.seconds_left)
                return int(bool(on_progress(event)))
            except Exception as error:  # raised below, because it must not pass through the C library
                exceptions.append(error)
                return 0

        options = L.InvertOptions(struct_size=C.sizeof(L.InvertOptions), preset=preset, face=face,
                                  progress=L.PROGRESS_FN(callback))
        handle = C.c_void_p()
        with _Wrapped(picture) as image:
            status = self.library.gani_model_invert(self.handle, image, C.byref(options), C.byref(handle))
        if exceptions:
            raise exceptions[0]
        L.check(self.library, status)
        return FaceSession(self.library, handle, preset)


class FaceSession:
    """An inverted face with its tuned generator.

    from_cache: whether the inversion was read from the cache. alignment: corners of the face's square in the image, in
    pixels: top left, bottom left, bottom right, top right. preset: L.PRESET_…. key: of the inversion in the cache.
    number: of the face, from the left, starting at 1. steps: tuning steps that the inversion took.
    """

    def __init__(self, library, handle, preset):
        self.library, self.handle, self.preset = library, handle, preset
        info = L.FaceSessionInfo(struct_size=C.sizeof(L.FaceSessionInfo))
        L.check(library, library.gani_face_session_describe(handle, C.byref(info)))
        self.from_cache = bool(info.from_cache)
        self.alignment = [(info.alignment[i], info.alignment[i + 1]) for i in range(0, 8, 2)]
        self.key, self.number, self.steps = info.key.decode(), info.face, info.steps

    def __del__(self):
        self.library.gani_face_session_free(self.handle)

    def preview(self, edits, picture, side, keep):
        """The face's square of Pixels of the inverted image as paste() would change it: RGB bytes [side, side, 3]."""
        out, array, options = Pixels(side, side, L.LAYOUT_RGB, L.SAMPLE_U8), _edits(edits), _paste_options(keep)
        with _Wrapped(picture) as image, _Wrapped(out) as target:
            status = self.library.gani_face_session_preview(self.handle, array, len(array), C.byref(options), image, target)
            L.check(self.library, status)
        return bytes(out.data)

    def paste(self, edits, picture, keep):
        """Pastes the face with edits, [(direction, strength in its unit)], into Pixels of the inverted image, where their mask
        allows it. keep: L.KEEP_…, what stays of the image.

        Returns x, y, width, height of a rectangle that contains all changed pixels.
        """
        array, rect, options = _edits(edits), L.Rect(), _paste_options(keep)
        with _Wrapped(picture) as image:
            status = self.library.gani_face_session_paste_with(self.handle, array, len(array), C.byref(options), image,
                                                               C.byref(rect))
            L.check(self.library, status)
        return rect.x, rect.y, rect.width, rect.height


def _paste_options(keep):
    return L.PasteOptions(struct_size=C.sizeof(L.PasteOptions), keep=keep)


def _edits(edits):
    return (L.Edit * len(edits))(*[L.Edit(name.encode(), strength) for name, strength in edits])
