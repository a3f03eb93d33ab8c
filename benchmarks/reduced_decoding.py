"""How far pixels are from those of full decoding when a JPEG file is decoded at a part of its size.

    python benchmarks/reduced_decoding.py

Three photographs that scikit-learn and Matplotlib install are saved as JPEG at quality 75 and 90, decoded at 1/2, 1/4
and 1/8 of their size, and fitted to a square that the reduced picture exceeds by a gap, in its shorter direction.
Reported is the mean difference of levels, from 0 to 255, to the same file decoded in full. The same difference for
what is often taken to be of no account stands next to it: another anti-aliasing filter, and JPEG itself.
"""
import argparse
import functools
import io
import itertools
import json
from collections.abc import Callable
from typing import Any

import matplotlib.cbook
import numpy as np
from PIL import Image
from report import RESULTS, measurement, out_option, write_report
from sklearn.datasets import load_sample_images

from keras_fixhead.data.pictures import PictureForm, fit_upright
from keras_fixhead.data.reduced import Upright

FILE = RESULTS / "reduced_decoding.json"
RATIOS = (2, 4, 8)
GAPS = (1.0, 1.25, 1.5, 2.0, 3.0)
QUALITIES = (75, 90)
SIDE = 96  # of the pixels for what stands next to it
OTHERS = {"bilinear": "a bilinear filter instead of the bicubic one", "lanczos": "a Lanczos filter",
          "quality": "JPEG of quality 75 instead of 90"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    out_option(parser, FILE)
    options = parser.parse_args()
    pictures = photographs()
    measured = [_measured(f"{ratio}/{gap:g}", f"decoded at 1/{ratio}, {gap:g} times the pixels left", [
        reduced(content(picture, quality), ratio, gap) for picture in pictures for quality in QUALITIES])
        for ratio, gap in itertools.product(RATIOS, GAPS)]
    ways: dict[str, Callable[[Image.Image], float]] = {
        **{name: functools.partial(filtered, name=name) for name in ("bilinear", "lanczos")}, "quality": recompressed}
    measured += [_measured(name, title, list(map(ways[name], pictures))) for name, title in OTHERS.items()]
    write_report(options.out, measured, command="python benchmarks/reduced_decoding.py")


def photographs() -> list[Image.Image]:
    """Returns the photographs, of 640x427 and 512x600 pixels."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = Image.open(file).convert("RGB")
    return [*map(Image.fromarray, load_sample_images().images), portrait]


def content(picture: Image.Image, quality: int) -> bytes:
    """Returns a picture as a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def decoded(jpeg: bytes, ratio: int = 1) -> Upright:
    """Returns a JPEG file decoded at a part of its size, whatever is left of it."""
    picture = Image.open(io.BytesIO(jpeg))
    width, height = picture.size
    if ratio > 1:
        picture.draft(None, (width // ratio, height // ratio))
    picture.load()
    return Upright(picture, height, width, ratio)


def reduced(jpeg: bytes, ratio: int, gap: float) -> float:
    """Returns how far the pixels of a square are from those of full decoding, if the gap is left."""
    full = decoded(jpeg)
    side = int(min(full.rows, full.columns) / ratio / gap)
    return difference(*(fit_upright(each, PictureForm(side, side)) for each in (full, decoded(jpeg, ratio))))


def filtered(picture: Image.Image, name: str) -> float:
    """Returns how far another filter's pixels are from ours."""
    whole = Upright(picture, picture.height, picture.width)
    return difference(*(fit_upright(whole, PictureForm(SIDE, SIDE, filter=each)) for each in ("bicubic", name)))


def recompressed(picture: Image.Image) -> float:
    """Returns how far the pixels of the two qualities are from each other."""
    return difference(*(fit_upright(decoded(content(picture, each)), PictureForm(SIDE, SIDE)) for each in QUALITIES))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the mean difference of levels."""
    return float(np.abs(one.astype(int) - other).mean())


def _measured(name: str, metric: str, values: list[float]) -> dict[str, Any]:
    return measurement(name=f"reduced_decoding/{name}", metric=f"mean difference of levels, {metric}", unit="level",
                       values=values, warmup="none", config={"qualities": QUALITIES})


def block() -> list[str]:
    """Returns the lines for the page."""
    report = json.loads(FILE.read_text())
    found = {each["name"].removeprefix("reduced_decoding/"): each for each in report["measurements"]}

    def cell(name: str) -> str:
        return f"{found[name]['mean']:.2f} ({max(found[name]['values']):.2f})"

    lines = ["| times the pixels that are left | " + " | ".join(f"at 1/{ratio}" for ratio in RATIOS) + " |",
             "|---|" + "---:|" * len(RATIOS)]
    lines += [f"| {gap:g} | " + " | ".join(cell(f"{ratio}/{gap:g}") for ratio in RATIOS) + " |" for gap in GAPS]
    others = "; ".join(f"{title}, {cell(name)}" for name, title in OTHERS.items())
    return [*lines, "", "Mean difference of levels (0 to 255) to full decoding, over three photographs and two "
            f"qualities (largest of the {found['2/1']['n']}). For comparison, on pixels of {SIDE}x{SIDE}: {others}. By "
            f"`{report['command']}`."]


if __name__ == "__main__":
    main()
