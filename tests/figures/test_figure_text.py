"""Names in any script are drawn, or replaced by an index with one note and no other warnings."""
import warnings

import numpy as np
import pytest

from keras_fixhead.errors import FixheadWarning
from keras_fixhead.figures import (
    class_names,
    label_texts,
    plot_arms,
    plot_comparison,
    plot_confusion,
    plot_curves,
    plot_images,
    plot_pictures,
    plot_predictions,
    text,
)

UNWRITABLE = "\U000f1234"  # private use area: not in any font of Matplotlib
STIX = "\ue000"  # in a font that comes with Matplotlib, but not in its default one
NAMES = ["cat", "кот", "γάτα", "a$b", "$x^$", "tab\tnewline\n", f"x{UNWRITABLE}", "50 % _{", "\udcff.png", STIX]
ROWS = [{"epoch": epoch, "accuracy": 0.5, "validation_accuracy": 0.5, "cross_entropy": 1.0,
         "validation_cross_entropy": 1.0, "lr": 0.1} for epoch in (1, 2)]
IMAGES = np.zeros((10, 8, 8, 3), np.uint8)

FIGURES = {
    "curves": lambda path: plot_curves(ROWS, path, title=" ".join(NAMES)),
    "confusion": lambda path: plot_confusion(np.eye(10, dtype=np.int64), NAMES, path, title=NAMES[6]),
    "comparison": lambda path: plot_comparison({name: [ROWS] for name in NAMES}, path, title=NAMES[6]),
    "arms": lambda path: plot_arms({"fixed": ROWS}, {"fixed": np.eye(10, dtype=np.float32)}, NAMES, path, title="x"),
    "images": lambda path: plot_images(IMAGES, NAMES, path, title=NAMES[6]),
    "pictures": lambda path: plot_pictures(IMAGES, NAMES, path, title=NAMES[4]),
    "predictions": lambda path: plot_predictions(IMAGES, np.arange(10, dtype=np.int32),
                                                 np.eye(10, dtype=np.float32)[::-1], NAMES, path, title=NAMES[3]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_give_no_warning_except_our_note(name, tmp_path, recwarn, caplog):
    warnings.simplefilter("always")
    FIGURES[name](tmp_path / "figure.png")

    assert (tmp_path / "figure.png").stat().st_size > 1_000
    assert {each.category for each in recwarn.list} <= {FixheadWarning} and len(recwarn.list) <= 1
    assert not caplog.records


def test_a_name_without_a_font_is_replaced_by_its_index_and_reported_once():
    with pytest.warns(FixheadWarning, match=r"No installed font has the characters of a class name.*'class 6'"):
        found = class_names(NAMES)

    assert found == [*NAMES[:6], "class 6", *NAMES[7:]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert class_names(NAMES) == found  # once per process


def test_text_that_looks_like_a_formula_is_shown_unchanged():
    assert text.plain("$x^$") == r"\$x^\$" and text.plain("two\nlines") == "two\nlines"
    assert text.plain(f"{UNWRITABLE}!\udcff") == "?!?"


def test_a_character_is_drawn_in_a_font_that_has_it():
    assert text.families(["cat", "кот"]) == []
    assert text.families(["cat", STIX]) == ["STIXNonUnicode"]
    assert text.families([UNWRITABLE]) == []


def test_fonts_are_searched_once_per_character(monkeypatch):
    text.families(["abc"])
    monkeypatch.setattr(text, "_fonts", None)

    assert text.families(["cab"]) == []


def test_a_class_mixed_with_itself_has_one_label():
    labels = np.array([[0, 1, 0.65], [1, 1, 0.65], [1, 0, 1.0], [1, 0, 0.0]], np.float32)

    assert label_texts(labels, ["cat", "frog"]) == ["65 % cat\n35 % frog", "frog", "frog", "cat"]
    assert label_texts(np.array([1, 0], np.int32), ["cat", "frog"]) == ["frog", "cat"]
