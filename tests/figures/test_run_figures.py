"""Figures of runs are complete and show the expected content."""
import numpy as np
import pytest
from PIL import Image

from keras_fixhead.errors import RunError
from keras_fixhead.figures import plot_comparison, plot_confusion, plot_curves, plot_images, plot_predictions

DRAW = np.random.default_rng(0)
ROWS = [{"epoch": epoch, "accuracy": 0.1 * epoch, "validation_accuracy": 0.09 * epoch,
         "cross_entropy": 2.3 - 0.1 * epoch, "validation_cross_entropy": 2.3, "lr": 0.1 / epoch,
         "validation_own_cosine": 0.1 * epoch,
         "class_vectors_max_cosine": 0.3} for epoch in range(1, 6)]


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def has_color(image, color, tolerance=40):
    wanted = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    return bool((np.abs(image - wanted).max(axis=2) < tolerance).any())


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], [{"epoch": 1, "accuracy": 0.5, "cross_entropy": 1.0}]],
                         ids=["five epochs", "one epoch", "without validation"])
def test_curves_are_drawn_for_whatever_was_measured(tmp_path, rows):
    plot_curves(rows, tmp_path / "curves.png", title="a run")
    image = pixels(tmp_path / "curves.png")

    assert image.shape[1] > 1000 and has_color(image, "#0b62a4")
    assert has_color(image, "#d1651b") == ("validation_accuracy" in rows[0])


def test_the_axis_of_cosines_names_validation_images_only_where_there_are_any(tmp_path, monkeypatch):
    labels = []
    monkeypatch.setattr("keras_fixhead.figures.run.save_figure",
                        lambda figure, path: labels.append([axes.get_ylabel() for axes in figure.axes][2]))
    for rows in (ROWS, [{"epoch": 1, "class_vectors_max_cosine": 0.3}]):
        plot_curves(rows, tmp_path / "curves.png", title="a run")

    assert labels == ["mean cosine, validation", "cosine"]


@pytest.mark.parametrize("num_classes", [2, 10, 30, 200])
def test_a_confusion_matrix_of_any_size_is_drawn(tmp_path, num_classes):
    confusion = DRAW.integers(0, 9, (num_classes, num_classes))
    confusion[0] = 0  # a class without images
    plot_confusion(confusion, [f"class {number}" for number in range(num_classes)], tmp_path / "c.png", title="a run")

    assert 400 < pixels(tmp_path / "c.png").shape[0] < 1500


def test_correct_predictions_come_first_and_wrong_ones_start_a_new_row(tmp_path):
    """Ten images, six classified correctly: two rows, with text in green and in red."""
    images = np.full((10, 8, 8, 3), 128, np.uint8)
    labels = np.arange(10, dtype=np.int32) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(np.arange(10) < 6, labels, 1 - labels)]
    plot_predictions(images, labels, logits, ["cat", "dog"], tmp_path / "p.png", title="a run")
    image = pixels(tmp_path / "p.png")
    half = image.shape[0] // 2

    assert has_color(image[:half], "#2e6b2e") and not has_color(image[:half], "#a11d1d", 30)
    assert has_color(image[half:], "#a11d1d") and not has_color(image[half:], "#2e6b2e", 30)


@pytest.mark.parametrize("right", [True, False])
def test_a_sheet_is_drawn_if_all_predictions_are_correct_or_all_wrong(tmp_path, right):
    images, labels = DRAW.integers(0, 256, (40, 8, 8, 3)).astype("uint8"), np.zeros(40, np.int32)
    logits = np.eye(2, dtype=np.float32)[np.full(40, 0 if right else 1)]
    plot_predictions(images, labels, logits, ["cat", "dog"], tmp_path / "p.png", title="a run")

    assert pixels(tmp_path / "p.png").size


def test_a_contact_sheet_shows_each_image(tmp_path):
    """Each image has one colour, which must appear in the figure."""
    colors = ["#ff0000", "#00ff00", "#0000ff", "#ffff00", "#00ffff", "#ff00ff", "#804000"]
    images = np.stack([np.full((6, 6, 3), [int(color[place : place + 2], 16) for place in (1, 3, 5)], np.uint8)
                       for color in colors])
    plot_images(images, [f"{number}\nsecond line" for number in range(7)], tmp_path / "s.png", title="sheet", columns=3)
    image = pixels(tmp_path / "s.png")

    assert all(has_color(image, color, 5) for color in colors)


def test_groups_are_drawn_in_different_colours(tmp_path):
    plot_comparison({"fixed": [ROWS, ROWS[:3]], "learned": [ROWS], "one epoch": [ROWS[:1]]}, tmp_path / "c.png",
                    title="digits")
    image = pixels(tmp_path / "c.png")

    assert all(has_color(image, color) for color in ("#0b62a4", "#d1651b", "#3b8b3b"))


def test_a_figure_that_cannot_be_written_is_a_one_line_error(tmp_path):
    with pytest.raises(RunError, match=r"no/curves\.png cannot be written"):
        plot_curves(ROWS, tmp_path / "no" / "curves.png", title="a run")
