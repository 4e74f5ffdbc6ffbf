"""Tests of the installed package gani: the contract of plugin-ffi/tests/contract.rs, and what only Python has.

    python -m unittest discover plugin-python/tests

GANI_REFERENCE may name a program gani whose results must be those of the package; without it, the package's own is used.
"""
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import gani
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "ffhq-64"
PHOTO = ROOT / "tests" / "data" / "astronaut.png"
THREADS = 2
FEW_STEPS = dict(preset="fast", iterations=5, refine_steps=3, seed=7)
SMILE = {"smile": 2.0, "age": -1.0}

model = gani.Model(MODEL, device="cpu", threads=THREADS)
pixels = gani.Photo(PHOTO).pixels


def temporary(test: unittest.TestCase) -> pathlib.Path:
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


class Workflow(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.face = model.invert(PHOTO, **FEW_STEPS)

    def test_model(self) -> None:
        self.assertEqual((model.name, model.resolution, model.device), ("ffhq-64", 64, "cpu"))
        self.assertIn("ffhq-1024", gani.models())
        named = [d.name for d in model.directions if d.named]
        self.assertLessEqual({"smile", "age"}, set(named))
        yaw = next(d for d in model.directions if d.name == "yaw")
        self.assertEqual(yaw.unit, "deg")
        self.assertLess(yaw.range[0], yaw.range[1])
        self.assertTrue(any(d.name == "pca.0" and not d.named and d.sigma > 0 for d in model.directions))

    def test_generate(self) -> None:
        image = model.generate(1)
        self.assertEqual((image.shape, image.dtype), ((64, 64, 3), np.uint8))
        self.assertTrue(np.array_equal(image, model.generate(1)))
        self.assertFalse(np.array_equal(image, model.generate(2)))
        self.assertFalse(np.array_equal(image, model.generate(1, edits={"smile": 2})))

    def test_events_and_cache(self) -> None:
        cache = temporary(self)
        events = []

        def progress(event: gani.Progress) -> None:
            name = "preview" if event.preview is not None else event.step
            events.append((event.stage, name))
            if event.preview is not None:
                self.assertEqual((event.preview.shape, event.preview.dtype), ((64, 64, 3), np.uint8))
            if event.step:
                self.assertEqual((event.steps, event.loss > 0), ({"refine": 3, "tune": 5}[event.stage], True))

        face = model.invert(PHOTO, **FEW_STEPS, cache=cache, preview_interval=2, progress=progress)
        expected = [("find", 0), ("prepare", 0), ("prepare", "preview"), ("refine", 0), ("refine", 1), ("refine", 2),
                    ("refine", 3), ("tune", 0), ("tune", 1), ("tune", 2), ("tune", "preview"), ("tune", 3), ("tune", 4),
                    ("tune", "preview"), ("tune", 5), ("finish", 0)]
        self.assertEqual(events, expected)
        self.assertFalse(face.from_cache)
        self.assertEqual(face.photo_size, (512, 512))
        self.assertTrue(0 < face.metrics.mse < 0.2)
        events.clear()
        cached = model.invert(PHOTO, **FEW_STEPS, cache=cache, progress=progress)
        self.assertEqual((events, cached.from_cache), ([("find", 0)], True))
        self.assertEqual((cached.metrics.mse, cached.alignment), (face.metrics.mse, face.alignment))
        self.assertTrue(np.array_equal(cached.edit(SMILE), face.edit(SMILE)))

    def test_arrays_paths_and_photos_are_the_same(self) -> None:
        view = np.ascontiguousarray(pixels[:, ::-1])[:, ::-1]  # not contiguous
        for photo in (pixels, view, gani.Photo(PHOTO), str(PHOTO)):
            face = model.invert(photo, **FEW_STEPS)
            self.assertTrue(np.array_equal(face.edit(SMILE), self.face.edit(SMILE)))

    def test_edit_save_and_open(self) -> None:
        edited = self.face.edit(SMILE)
        self.assertEqual((edited.shape, edited.dtype), ((64, 64, 3), np.uint8))
        self.assertFalse(np.array_equal(edited, self.face.edit()))
        file = temporary(self) / "face.safetensors"
        self.face.save(file)
        self.assertTrue(np.array_equal(model.open(file).edit(SMILE), edited))

    def test_paste(self) -> None:
        self.assertTrue(np.array_equal(self.face.paste({"smile": 0.0}, pixels).pixels, pixels))
        mask = np.zeros((512, 512), np.uint8)
        mask[:, :224] = 255
        results = [self.face.paste(SMILE, PHOTO, keep=keep, mask=mask).pixels for keep in ("all", "background", "none")]
        for pasted in results:
            changed = (pasted != pixels).any(axis=2)
            self.assertGreater(changed.sum(), 1000)
            self.assertFalse(changed[:, 224:].any())
        self.assertFalse(np.array_equal(results[0], results[2]))
        alpha = np.arange(512 * 512, dtype=np.uint32).reshape(512, 512, 1).astype(np.uint8)
        rgba = np.concatenate([pixels, alpha], axis=2)
        pasted = self.face.paste(SMILE, rgba).pixels
        self.assertEqual(pasted.shape, (512, 512, 4))
        self.assertTrue(np.array_equal(pasted[..., 3:], alpha))

    def test_measure(self) -> None:
        same = model.measure(PHOTO, pixels)
        self.assertEqual((same.mse, same.ms_ssim), (0.0, 1.0))
        self.assertGreater(same.id, 0.999)
        other = model.measure(self.face.paste({"age": 3.0}, PHOTO, keep="none"), PHOTO)
        self.assertGreater(other.mse, 0)
        self.assertGreater(other.lpips, same.lpips)
        self.assertLess(other.id, 0.999)

    def test_same_bytes_as_the_program(self) -> None:
        out = temporary(self)
        program = os.environ.get("GANI_REFERENCE")
        command = [program] if program else [sys.executable, "-m", "gani"]
        command += ["--model", MODEL, "--device", "cpu", "--threads", str(THREADS), "-q"]
        package = importlib.util.find_spec("onnxruntime").submodule_search_locations[0]
        environment = {**os.environ, "ORT_DYLIB_PATH": os.path.join(package, "capi")}  # the same library
        run = lambda *arguments: subprocess.run([*command, *arguments], env=environment, check=True)
        run("invert", PHOTO, "-o", out, "--preset", "fast", "--iterations", "5", "--refine", "3", "--seed", "7")
        inversion = out / "astronaut.safetensors"
        run("edit", inversion, "--set", "smile=2", "--set", "age=-1", "--paste-into", PHOTO, "-o", out / "edited.png")
        self.face.save(out / "python.safetensors")
        self.face.paste(SMILE, PHOTO).save(out / "python.png")
        self.assertEqual(inversion.read_bytes(), (out / "python.safetensors").read_bytes())
        self.assertEqual((out / "edited.png").read_bytes(), (out / "python.png").read_bytes())


class Errors(unittest.TestCase):
    def test_kinds_and_texts(self) -> None:
        out = temporary(self)
        (out / "file").write_text("not an inversion")
        crop = np.full((256, 256, 3), 120, np.uint8)
        face = model.invert(crop, aligned=True, preset="fast", iterations=1, refine_steps=1, cache=out / "file")
        self.assertIsNone(face.alignment)
        elsewhere = np.zeros((512, 512), np.uint8)
        elsewhere[400:] = 255
        table = [
            (gani.InputError, "no model has this name", lambda: gani.Model("ffhq-65")),
            (gani.InputError, "use auto, cpu, cuda", lambda: gani.Model(MODEL, device="gpu")),
            (gani.InputError, "no face was found", lambda: model.invert(np.zeros((1, 1, 3), np.uint8))),
            (gani.LimitsError, "too large", lambda: model.invert(np.zeros((1, 20_001, 3), np.uint8))),
            (gani.InputError, "only one face", lambda: model.invert(PHOTO, face=4)),
            (gani.InputError, "does not select a face", lambda: model.invert(PHOTO, face="second")),
            (gani.InputError, "aspect ratio", lambda: model.invert(np.zeros((30, 90, 3), np.uint8), aligned=True)),
            (gani.InputError, "selection", lambda: model.invert(PHOTO, mask=elsewhere)),
            (gani.InputError, "the mask has the shape", lambda: model.invert(PHOTO, mask=elsewhere[:9])),
            (gani.InputError, "tune.wrong", lambda: model.invert(PHOTO, settings={"tune.wrong": 1})),
            (gani.InputError, "of shape (4, 4) and type float64", lambda: model.invert(np.zeros((4, 4)))),
            (gani.InputError, "has 5", lambda: model.invert(np.zeros((4, 4, 5), np.uint8))),
            (gani.InputError, "a photo is a path", lambda: model.invert(3.5)),
            (gani.InputError, "aligned crop", lambda: face.paste({}, crop)),
            (gani.InputError, "did you mean `smile`", lambda: face.edit({"smlie": 1.0})),
            (gani.InputError, "sefa.0 to sefa.511", lambda: face.edit({"sefa.9999": 1.0})),
            (gani.ModelError, "not an inversion of gani", lambda: model.open(out / "file")),
            (gani.FileError, "none", lambda: model.open(out / "none")),
            (gani.FileError, "below/a/file", lambda: face.save(out / "file" / "below" / "a" / "file")),
            (TypeError, "str", lambda: face.edit({"smile": "much"})),
        ]
        for kind, words, call in table:
            with self.subTest(words):
                with self.assertRaises(kind) as caught:
                    call()
                self.assertIs(type(caught.exception), kind)
                self.assertIn(words, str(caught.exception))

    def test_false_cancels(self) -> None:
        cache = temporary(self)
        events = []

        def progress(event: gani.Progress) -> bool:
            events.append((event.stage, event.step))
            return events[-1] != ("tune", 3)

        with self.assertRaises(gani.Cancelled):
            model.invert(PHOTO, **FEW_STEPS, cache=cache, progress=progress)
        self.assertEqual(events[-1], ("tune", 3))
        self.assertEqual(list(cache.iterdir()), [])

    def test_an_exception_of_the_callback_is_raised(self) -> None:
        def progress(event: gani.Progress) -> None:
            if event.stage == "tune":
                raise ZeroDivisionError(event.step)

        with self.assertRaises(ZeroDivisionError):
            model.invert(PHOTO, **FEW_STEPS, progress=progress)

    def test_ctrl_c(self) -> None:
        pressed = []

        def press() -> None:
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        begun = []

        def progress(event: gani.Progress) -> None:
            if event.stage == "refine" and not begun:
                begun.append(True)
                threading.Timer(0.2, press).start()

        with self.assertRaises(KeyboardInterrupt):
            model.invert(PHOTO, preset="best", iterations=100_000, progress=progress)
        self.assertLess(time.monotonic() - pressed[0], 5)

    def test_other_threads_run(self) -> None:
        counts = []
        stop = threading.Event()

        def count() -> None:
            while not stop.wait(0.01):
                counts.append(time.monotonic())

        thread = threading.Thread(target=count)
        thread.start()
        started = time.monotonic()
        model.invert(PHOTO, **FEW_STEPS)
        ended = time.monotonic()
        stop.set()
        thread.join()
        # With the lock held, the thread would wait for a step or longer.
        gaps = np.diff([started, *counts, ended])
        self.assertLess(gaps.max(), 0.5 * (ended - started))
        self.assertGreater(len(counts), 10 * (ended - started))


class OnnxRuntime(unittest.TestCase):
    def test_gradient(self) -> None:
        import onnxruntime  # a second copy in this process, as in a notebook

        output = temporary(self) / "gradient.onnx"
        net = MODEL / "mapping.onnx"
        name = onnxruntime.InferenceSession(net).get_outputs()[0].name
        gani.gradient(net, [name], ["z"], output)
        z = np.random.default_rng(0).standard_normal((1, 512)).astype(np.float32)
        step = np.random.default_rng(1).standard_normal((1, 512)).astype(np.float32) * 1e-3
        run = lambda file, **inputs: onnxruntime.InferenceSession(file).run(None, inputs)
        gradient = run(output, z=z)[-1]
        value = lambda z: run(net, z=z)[0].astype(np.float64).sum()
        difference = (value(z + step) - value(z - step)) / 2
        self.assertAlmostEqual(float((gradient * step).sum() / difference), 1, delta=2e-2)
        with self.assertRaisesRegex(gani.InputError, "nothing"):
            gani.gradient(net, ["nothing"], ["z"], output)

    def test_the_users_library_wins(self) -> None:
        script = f"import gani; gani.Model({str(MODEL)!r})"
        environment = {**os.environ, "ORT_DYLIB_PATH": "/nowhere/libonnxruntime.so"}
        failed = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        self.assertIn("gani.RuntimeError: /nowhere/libonnxruntime.so (ORT_DYLIB_PATH) does not exist", failed.stderr)

    def test_the_package_is_not_imported(self) -> None:
        script = f"import gani, sys; gani.Model({str(MODEL)!r}); print('onnxruntime' in sys.modules)"
        output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        self.assertEqual(output.stdout, "False\n")


if __name__ == "__main__":
    unittest.main()
