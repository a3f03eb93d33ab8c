"""Folders, array files and label files."""
import json

import httpx
import numpy as np
import pytest
from PIL import Image
from test_client_pictures import encoded, noise

from fixhead_serving.client import (
    Client,
    find_pictures,
    predict_files,
    read_images,
    read_label_names,
    top_classes,
)
from keras_fixhead.errors import DataError, RequestError, ServingError

# Folders


@pytest.fixture
def folder(tmp_path):
    """Returns a folder with five pictures and some other files."""
    root = tmp_path / "photographs"
    for name in ["b.png", "a.JPG", "deep/er/c.webp", "deep/d.gif", "z z/é.bmp"]:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        form = {"jpg": "JPEG"}.get(file.suffix[1:].lower(), file.suffix[1:].upper())
        file.write_bytes(encoded(Image.fromarray(noise(6, 6)), form))
    for name in ["notes.txt", ".hidden.png", ".git/e.png", "array.npy"]:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_pictures_are_found_in_a_folder_at_any_depth_and_sorted(folder, tmp_path):
    found = find_pictures([tmp_path / "named.txt", folder])

    assert found[0] == tmp_path / "named.txt"  # a file given by name is used whatever its suffix
    assert [str(path.relative_to(folder)) for path in found[1:]] == [
        "a.JPG", "b.png", "deep/d.gif", "deep/er/c.webp", "z z/é.bmp"]  # fmt: skip


def test_a_folder_without_pictures_is_an_error_with_the_known_suffixes(tmp_path):
    with pytest.raises(DataError, match=r"has no pictures\. Known extensions: \.png, \.jpg"):
        find_pictures([tmp_path])


def test_circular_links_are_not_followed_forever(folder):
    (folder / "circle").symlink_to(folder)

    assert len(find_pictures([folder])) == 5


def test_links_to_folders_are_followed_as_in_training(folder, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "class").symlink_to(folder)

    assert len(find_pictures([tmp_path / "linked"])) == 5


def test_files_are_read_one_batch_at_a_time_and_unreadable_ones_are_skipped_by_name(folder):
    (folder / "a0.png").write_bytes(b"broken")
    read = []

    def predict(contents, names):
        read.append(len(contents))
        return {"label": np.array([name[-5:] for name in names])}

    batches = predict_files(predict, [*find_pictures([folder]), folder / "missing.png"], batch_size=3)
    first = next(batches)
    assert read == [2]  # files are read only when needed
    assert [path.name for path in first.files] == ["a.JPG", "b.png"]
    assert first.skipped == {folder / "a0.png": f"{folder / 'a0.png'} is not a readable picture."}
    rest = list(batches)
    assert sum(len(batch.files) for batch in rest) == 3 and read == [2, 3]
    assert list(rest[-1].skipped.values()) == [f"{folder / 'missing.png'} cannot be read: No such file or directory."]
    assert rest[-1].outputs == {}


def refuses(*broken, status=400):
    """Returns a function that refuses, like a server, every batch with one of these pictures."""

    def predict(contents, names):
        if any(name.endswith(broken) for name in names):
            raise RequestError("http://h answered 400: Invalid PNG data", status=status)
        return {"label": np.array(names)}

    return predict


@pytest.mark.parametrize("status", [400, 413])
def test_a_picture_refused_by_the_server_is_found_in_its_batch_and_skipped(folder, status):
    batches = list(predict_files(refuses("d.gif", status=status), find_pictures([folder]), batch_size=3))

    assert [path.name for batch in batches for path in batch.files] == ["a.JPG", "b.png", "c.webp", "é.bmp"]
    assert [batch.outputs["label"].tolist() for batch in batches] == [list(map(str, batch.files)) for batch in batches]
    (reason,) = [each for batch in batches for each in batch.skipped.values()]
    assert reason == f"{folder / 'deep' / 'd.gif'}: http://h answered 400: Invalid PNG data"


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_refusal_of_every_request_is_not_blamed_on_a_picture(folder, batch_size):
    with pytest.raises(RequestError, match="Invalid PNG data"):
        list(predict_files(refuses(""), find_pictures([folder]), batch_size))


@pytest.mark.parametrize("status", [401, 404, 500])
def test_other_refusals_stop_the_prediction(folder, status):
    with pytest.raises(RequestError):
        list(predict_files(refuses("b.png", status=status), find_pictures([folder]), 3))


def test_a_last_batch_with_only_a_refused_picture_is_skipped(folder):
    *_, last = predict_files(refuses("é.bmp"), find_pictures([folder]), batch_size=2)

    assert last.files == [] and len(last.skipped) == 1


def test_the_client_predicts_folders(folder):
    def answer(request):
        return httpx.Response(200, json={"outputs": {"label": ["x"] * len(json.loads(request.content)["inputs"])}})

    with Client("http://127.0.0.1/v1/models/m", transport=httpx.MockTransport(answer)) as client:
        batches = list(client.predict_files([folder], batch_size=2))
    assert [len(batch.files) for batch in batches] == [2, 2, 1]
    assert isinstance(batches[0].outputs["label"], np.ndarray)


def test_a_server_error_is_passed_on(folder):
    def predict(contents, names):
        raise ServingError("No answer")

    with pytest.raises(ServingError, match="No answer"):
        list(predict_files(predict, find_pictures([folder]), 2))


# Arrays


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_numpy_files_are_read(dtype, tmp_path):
    images = noise(2, 5)[None].astype(dtype)
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "one.npz", whatever=images)
    np.savez_compressed(tmp_path / "named.npz", labels=np.arange(3), images=images)

    for name in ("a.npy", "one.npz", "named.npz"):
        np.testing.assert_array_equal(read_images(tmp_path / name), images, strict=True)


def test_an_npy_file_is_not_read_completely(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 4, 4, 3), np.uint8))

    assert isinstance(read_images(tmp_path / "a.npy"), np.memmap)


@pytest.mark.parametrize("content, match", [
    (np.zeros((2, 3, 3), np.uint8), r"shape \(2, 3, 3\)\. Expected images of shape \(N, H, W, 3\)"),
    (np.zeros((2, 3, 3, 2), np.uint8), "shape"),
    (np.zeros((0, 3, 3, 3), np.uint8), "shape"),
    (np.zeros((1, 3, 3, 3), np.int64), "contains int64. Expected uint8"),
    (np.array(["x"]), "contains <U1"),
    (np.array([{}], dtype=object), "not a readable NumPy file: "),
])  # fmt: skip
def test_arrays_that_are_not_images_are_a_one_line_error(content, match, tmp_path):
    np.save(tmp_path / "a.npy", content, allow_pickle=True)

    with pytest.raises(DataError, match=match) as caught:
        read_images(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name, content", [
    ("a.npy", None), ("a.npy", b""), ("a.npy", b"\x93NUMPY\x01\x00garbage"), ("a.npz", b"PK\x03\x04broken"),
    ("a.npy", b"\x80\x04N."), ("a.npy", b"no array"),
])  # fmt: skip
def test_files_without_arrays_are_a_one_line_error(name, content, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=f"{name} ") as caught:
        read_images(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_the_names_are_listed_if_there_are_several_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(1), y=np.zeros(1))

    with pytest.raises(DataError, match=r"has the arrays 'x', 'y'\. Expected one, or one called 'images'"):
        read_images(tmp_path / "a.npz")


# Labels


def test_label_names_are_read_line_by_line(tmp_path):
    for content in ("cat\nsea lion\né\u2028x\n", "cat\r\nsea lion\r\né\u2028x"):
        (tmp_path / "labels.txt").write_text(content, encoding="utf-8", newline="")

        assert read_label_names(tmp_path / "labels.txt") == ["cat", "sea lion", "é\u2028x"]


@pytest.mark.parametrize("content, match", [
    (None, "cannot be read"), (b"", "is empty"), (b"a\n\nb", "an empty line"), (b"\xff", "is not text"),
])  # fmt: skip
def test_a_file_without_label_names_is_a_one_line_error(content, match, tmp_path):
    if content is not None:
        (tmp_path / "labels.txt").write_bytes(content)

    with pytest.raises(DataError, match=match):
        read_label_names(tmp_path / "labels.txt")


def test_the_most_probable_classes_come_first_and_ties_are_in_order():
    probabilities = np.array([[0.1, 0.4, 0.1, 0.4], [0.7, 0.1, 0.1, 0.1]])

    assert top_classes(probabilities, 3).tolist() == [[1, 3, 0], [0, 1, 2]]
    assert top_classes(probabilities, 9).shape == (2, 4)
