import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.errors import RunError
from keras_fixhead.figures import plot_arms
from keras_fixhead.vectors import class_vectors

ROWS = [{"epoch": epoch, "validation_accuracy": 0.1 * epoch, "cross_entropy": 2.3 - 0.1 * epoch,
         "validation_cross_entropy": 2.3 - 0.05 * epoch} for epoch in range(1, 6)]


def plot(path, arms=("fixed", "learned"), num_classes=10, rows=ROWS):
    plot_arms(dict.fromkeys(arms, rows), {arm: class_vectors("uniform", num_classes, 16, seed)
                                            for seed, arm in enumerate(arms)},
              [f"class {number}" for number in range(num_classes)], path, title="a title")


@pytest.mark.parametrize("arms, num_classes, rows", [
    (("fixed", "learned"), 10, ROWS), (("one",), 100, ROWS[:1])])
def test_the_figure_is_a_png_and_not_blank(tmp_path, arms, num_classes, rows):
    plot(tmp_path / "arms.png", arms, num_classes, rows)
    content = (tmp_path / "arms.png").read_bytes()
    picture = Image.open(io.BytesIO(content))

    assert picture.format == "PNG"
    assert picture.width >= 900 and picture.height >= 900  # two panels per row at 120 dpi
    assert 20_000 < len(content) < 2_000_000
    assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50


def test_the_figure_depends_on_the_numbers(tmp_path):
    plot(tmp_path / "a.png", num_classes=3)
    plot(tmp_path / "b.png", num_classes=3, rows=ROWS[:2])

    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_a_figure_that_cannot_be_written_is_an_error():
    with pytest.raises(RunError, match="cannot be written"):
        plot(Path("/dev/null/arms.png"))
