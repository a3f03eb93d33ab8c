"""Which answers count as the same, and which do not."""
import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fixhead_serving.export.reference import (
    Mismatch,
    Reference,
    compare,
    draw_figures,
    encoded_pictures,
    read_reference,
    tolerance,
    write_reference,
)

NAMES = ["Katze", "Hund é", "梟"]
LOGITS = np.array([[1.0, 2.0, 3.0], [3.0, -1.0, 0.0], [0.0, 1.0, 0.5]], np.float32)


def make_reference(scale=1.0, largest=1.0):
    images, others = draw_figures(8, 6)
    pictures = encoded_pictures(others)
    answers = {"logits": LOGITS * np.float32(largest), "features": np.ones((3, 4), np.float32)}
    return Reference(images, pictures, answers, answers, scale, NAMES)


def answer(reference, rows=3):
    logits = reference.of_images["logits"][:rows].copy()
    index = logits.argmax(axis=1)
    return {"logits": logits, "class_index": index, "features": reference.of_images["features"][:rows].copy(),
            "label": np.array([NAMES[each].encode() for each in index], object)}


def test_reference_pictures_have_the_model_size_and_larger_and_smaller_ones():
    images, others = draw_figures(8, 6)

    assert images.shape == (5, 8, 6, 3) and images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 5 and images.std() > 30
    assert all(other.dtype == np.uint8 and other.shape[:2] != (8, 6) for other in others)
    assert min(other.shape[0] for other in others) < 8 < max(other.shape[0] for other in others)
    assert draw_figures(1, 1)[1][2].shape == (1, 1, 3)


def test_a_reference_is_read_back_from_its_file(tmp_path):
    reference = make_reference(scale=2.5)
    write_reference(tmp_path / "r.npz", reference)
    back = read_reference(tmp_path / "r.npz")

    for field in dataclasses.fields(Reference):
        mine, its = getattr(reference, field.name), getattr(back, field.name)
        if isinstance(mine, dict):
            assert mine.keys() == its.keys() and all(np.array_equal(mine[key], its[key]) for key in mine)
        else:
            assert np.array_equal(mine, its), field.name


def test_the_reference_of_an_earlier_version_is_read(tmp_path):
    """Version 0.2 stored the pictures as arrays."""
    images, others = draw_figures(8, 6)
    np.savez(tmp_path / "r.npz", **{
        "images": images, "scale": 2.5, "label_names": np.frombuffer("\n".join(NAMES).encode(), np.uint8),
        **{f"other/{number}": other for number, other in enumerate(others)}, "of_images/logits": LOGITS,
        "of_others/logits": -LOGITS})
    back = read_reference(tmp_path / "r.npz")

    assert all(np.array_equal(mine, its) for mine, its in zip(others, back.pictures, strict=True))
    assert np.array_equal(back.of_pictures["logits"], -LOGITS) and back.label_names == NAMES


def test_the_encoded_pictures_have_every_format_and_kind_of_pixels():
    opened = [Image.open(io.BytesIO(each)) for each in encoded_pictures(draw_figures(8, 6)[1])]

    assert {each.format for each in opened} == {"PNG", "BMP", "GIF", "WEBP", "JPEG"}
    assert {each.mode for each in opened} == {"RGB", "L", "P", "1", "RGBA", "LA", "I;16", "CMYK"}


@pytest.mark.parametrize("rows", [1, 3])
def test_identical_answers_have_no_difference(rows):
    reference = make_reference()

    assert compare(answer(reference, rows), reference.of_images, reference) == {"logits": 0.0, "features": 0.0}


@pytest.mark.parametrize("name, value, said", [
    ("logits", LOGITS.astype(np.float64), "logits is float64, not float32"),
    ("logits", LOGITS.astype(np.float16), "logits is float16"),
    ("logits", LOGITS[:, :2], r"logits has shape \(3, 2\), not \(3, 3\)"),
    ("logits", LOGITS * np.float32(np.nan), "not finite"),
    ("features", np.full((3, 4), 1.01, np.float32), "features differs by 1.0e-02, allowed 1.0e-04"),
    ("class_index", np.array([2, 0, 2]), "not that of the largest logit"),
    ("class_index", np.array([2, 0, 1], np.int32), "class_index is int32, not int64"),
    ("label", np.array([b"Katze"] * 3, object), "label is Katze, Katze, Katze for the classes 2, 0, 1"),
    ("label", np.array([b"\xff"] * 3, object), "label is"),
    ("surprise", LOGITS, "it answers class_index, features, label, logits, surprise instead of"),
])
def test_a_wrong_answer_is_named(name, value, said):
    reference = make_reference()

    with pytest.raises(Mismatch, match=said):
        compare(answer(reference) | {name: value}, reference.of_images, reference)


def test_a_missing_answer_is_named():
    reference = make_reference()
    found = answer(reference)
    del found["features"]

    with pytest.raises(Mismatch, match="instead of features, logits"):
        compare(found, reference.of_images, reference)


@given(scale=st.floats(0.1, 100), largest=st.floats(0.01, 1000), factor=st.floats(0.05, 20))
def test_logits_may_differ_by_the_documented_share_of_the_scale_and_no_more(scale, largest, factor):
    reference = make_reference(scale, largest)
    wanted = reference.of_images["logits"]
    allowed = tolerance("logits", wanted, scale)
    found = answer(reference)
    found["logits"] = (wanted.astype(np.float64) + allowed * factor).astype(np.float32)
    difference = float(np.abs(found["logits"] - wanted).max())

    assert allowed == pytest.approx(1e-4 * max(1, scale, 3 * largest), rel=1e-6)
    if difference <= allowed:
        assert compare(found, reference.of_images, reference)["logits"] == difference
    else:
        with pytest.raises(Mismatch, match="logits differs by"):
            compare(found, reference.of_images, reference)


def test_cosines_and_embeddings_may_differ_by_1e_4_at_any_scale():
    assert tolerance("cosines", np.array([0.5]), 64.0) == tolerance("embedding", np.array([0.5]), 64.0) == 1e-4
    assert tolerance("probabilities", np.array([0.5]), 64.0) == pytest.approx(64e-4)
