"""Python example: invert the face in a photo, and write edits of it.

    python portrait.py PHOTO FOLDER [MODEL] [STEPS]
"""
import pathlib
import sys

import gani


def show(progress: gani.Progress) -> None:
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    print(f"\r{progress.label:22} {progress.step}/{progress.steps}{left}   ", end="", file=sys.stderr)


def main(photo: str, folder: str, model_name: str | None = None, steps: str | None = None) -> None:
    out = pathlib.Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    model = gani.Model(model_name)
    count = None if steps is None else int(steps)
    face = model.invert(photo, preset="fast", iterations=count, refine_steps=count, progress=show)
    print(f"\n{face.metrics}")
    face.save(out / "face.safetensors")
    for name, edits in {"smiling": {"smile": 2.0}, "older": {"age": 2.0}, "turned": {"yaw": 15.0}}.items():
        face.paste(edits, photo).save(out / f"{name}.png")
    gani.Photo(face.edit({"smile": 2.0, "age": 2.0})).save(out / "generator.png")


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
