"""The index of a packed set: damaged, of another kind, or from a newer version."""
import json

import pytest

from keras_fixhead.data import packed_index
from keras_fixhead.data.packed_index import (
    INDEX,
    PackedFile,
    PackedIndex,
    View,
    find_packed,
    index_bytes,
    is_packed,
    read_index,
)
from keras_fixhead.errors import DataError

VIEW = View("0" * 64, (1.5, 2.25, 1 / 3), (0.1, 0.2, 0.3))
OWN = PackedIndex(
    name="mine", image_shape=(8, 8, 3), splits={"train": 10, "test": 2}, validation=1,
    label_names=("a", "\u00e9", "\udc80"), groups={"g": ("a", "\u00e9")}, subset=None, held_out=VIEW, whole=VIEW,
    citation="c", terms="t", coding="gradient-zlib", block_images=4,
    files=(PackedFile("a.zlib", "train", "images", 10, (3, 4), "1" * 64),
           PackedFile("README.md", None, None, 1, (5,), "2" * 64)))


@pytest.fixture
def folder(tmp_path):
    own = tmp_path / "mine.packed"
    own.mkdir()
    (own / INDEX).write_bytes(index_bytes(OWN))
    return own


def test_an_index_is_read_back_unchanged(folder):
    assert read_index(folder) == OWN
    assert read_index(folder).view(hold_out=True) == VIEW and OWN.size_bytes == 12


@pytest.mark.parametrize("content, message", [
    (b"", "damaged"), (b"\xff\xfe", "damaged"), (b"[" * 200_000, "damaged"), (b"[]", "not the index"),
    (b"{}", "not the index"),
    (b'{"format": "else"}', "not the index"), (b'{"format": "keras_fixhead packed data set"}', "damaged"),
    (index_bytes(OWN)[:-1], "damaged"), (index_bytes(OWN) + b" ", "damaged"),
    (index_bytes(OWN).replace(b'"block_images": 4', b'"block_images": 5'), "damaged"),
])
def test_garbage_is_a_one_line_error_that_names_the_file(folder, content, message):
    (folder / INDEX).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_index(folder)
    assert str(folder / INDEX) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("change, message", [
    ({"schema": 2}, "has schema 2 .* reads schema 1 .*Upgrade"), ({"schema": None}, "schema None"),
    ({"coding": "jpeg-xl"}, "coding 'jpeg-xl'.*Upgrade"), ({"files": None}, "damaged"), ({"splits": {}}, "damaged"),
    ({"image_shape": [1, 2]}, "damaged"), ({"held_out": {}}, "damaged"), ({"groups": []}, "damaged"),
    ({"files": [{"name": "../a", "split": "train", "array": "images", "count": 1, "blocks": [1], "sha256": ""}]},
     "'../a' is not a file name"),
])
def test_a_newer_or_crafted_index_with_a_valid_checksum_is_a_one_line_error(folder, change, message):
    fields = json.loads(index_bytes(OWN))
    del fields["sha256"]
    (folder / INDEX).write_bytes(packed_index._with_sum({**fields, **change}))
    with pytest.raises(DataError, match=message):
        read_index(folder)


def test_a_missing_index_is_reported(tmp_path):
    (tmp_path / "cifar10.packed").mkdir()
    with pytest.raises(DataError, match=r"index\.json is missing.*Copy index\.json again"):
        read_index(tmp_path / "cifar10.packed")


def test_a_set_is_found_by_its_folder_name_or_in_the_folder_itself(folder, tmp_path):
    assert find_packed("mine", tmp_path) == folder
    assert find_packed("other", tmp_path) is None and find_packed("mine", tmp_path / "nowhere") is None
    renamed = tmp_path / "unpacked here"
    folder.rename(renamed)
    assert is_packed(renamed) and not is_packed(tmp_path)
    assert find_packed("mine", renamed) == renamed and find_packed("other", renamed) is None
