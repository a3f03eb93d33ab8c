"""`fixhead predict` for a run: the same files, folders and arrays as for a server, in this process."""
import io

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import load_dataset
from keras_fixhead.models import load_model


@pytest.fixture(scope="module")
def images():
    return load_dataset("digits").test.images[:6]


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def probabilities(rows):
    return np.array([[each["probability"] for each in sorted(row["top"], key=lambda each: each["class_index"])]
                     for row in rows])


def test_probabilities_for_folders_and_arrays_match_the_model(fixhead, digits_run, images, folder, tmp_path):
    np.save(tmp_path / "bytes.npy", images)
    np.savez(tmp_path / "floats.npz", images.astype(np.float64))
    logits = load_model(digits_run.path).predict(images, verbose=0)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = shares / shares.sum(axis=1, keepdims=True)
    rows = fixhead("predict", digits_run.path, folder, tmp_path / "bytes.npy", tmp_path / "floats.npz", "--top-k", 10,
                   "--batch-size", 4, "--json").json["predictions"]

    np.testing.assert_allclose(probabilities(rows), np.concatenate([expected] * 3), atol=1e-5)
    assert [row["label"] for row in rows] == [str(index) for index in expected.argmax(axis=1)] * 3
    assert all(each["label"] == str(each["class_index"]) for row in rows for each in row["top"])


def test_a_rotated_picture_is_predicted_like_the_upright_one(fixhead, digits_run, images, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8  # to be rotated 90 degrees counterclockwise
    Image.fromarray(np.rot90(images[0], -1)).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(images[0]).save(tmp_path / "upright.png")
    turned, upright = fixhead("predict", digits_run.path, tmp_path / "turned.png", tmp_path / "upright.png", "--top-k",
                              10, "--json").json["predictions"]

    np.testing.assert_allclose(probabilities([turned]), probabilities([upright]), atol=1e-6)


def test_a_run_sees_the_pixels_of_a_large_turned_photograph_without_loss(digits_run, tmp_path, monkeypatch):
    """A server gets one whose PNG would be too large as a JPEG."""
    from fixhead_cli.targets import RunTarget
    from fixhead_serving.client import pictures, read_picture

    monkeypatch.setattr(pictures, "PNG_LIMIT_BYTES", 100)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)).save(file, exif=exif)

    assert RunTarget(digits_run).read(file) == file.read_bytes() != read_picture(file)


def test_broken_files_are_skipped_as_with_a_server(fixhead, digits_run, folder, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"x")
    sheet = tmp_path / "s.png"
    answer = fixhead("predict", digits_run.path, folder, tmp_path / "broken.png", "--sheet", sheet, "--json")

    assert answer.code == 1 and len(answer.json["predictions"]) == 6
    assert [skip["file"] for skip in answer.json["skipped"]] == [str(tmp_path / "broken.png")]
    assert Image.open(io.BytesIO(sheet.read_bytes())).size[0] > 200


def test_float_arrays_of_another_size_are_refused_with_a_hint(fixhead, digits_run, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8, 3), np.float32))
    answer = fixhead("predict", digits_run.path, tmp_path / "a.npy")

    assert answer.code == 2 and answer.out == ""
    assert "The images have shape (8, 8, 3); the model takes (32, 32, 3)." in answer.err and "uint8" in answer.err


@pytest.mark.parametrize("option, expected", [
    (["--curl"], "is a run, but --curl needs a server"),
    (["--labels", "labels.txt"], "--labels applies only to a server: a run knows the names of its classes"),
])
def test_server_options_are_refused_for_a_run(fixhead, digits_run, folder, tmp_path, monkeypatch, option, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("a\nb\n")
    answer = fixhead("predict", digits_run.path, folder, *option)

    assert answer.code == 2 and answer.out == "" and expected in answer.err
    assert len(answer.err.strip().splitlines()) <= 2
