"""Packed sets are read back unchanged, damaged files are named, and interrupted packing leaves nothing behind."""
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
import zlib
from errno import ENOSPC, EROFS

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keras_fixhead import json_files
from keras_fixhead.data import load_dataset, packed
from keras_fixhead.data.packed import decode_images, encode_images, packed_under, read_packed, write_packed
from keras_fixhead.data.packed_index import CODINGS, INDEX, read_index
from keras_fixhead.errors import ArgumentError, DataError, RunError

IMAGES = st.tuples(*[st.integers(1, 6)] * 3).flatmap(lambda shape: arrays(np.uint8, (*shape, 3)))


def damaged(folder, name, change):
    """Changes the content of a file in place, like a faulty disk."""
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@given(IMAGES, st.sampled_from([zlib.Z_HUFFMAN_ONLY, zlib.Z_FILTERED]))
def test_a_block_round_trips_any_images(images, strategy):
    out = np.empty_like(images)
    decode_images(encode_images(images, strategy), out)

    np.testing.assert_array_equal(out, images)


def test_a_block_is_decoded_as_documented():
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3)).astype(np.uint8)
    planes = np.frombuffer(zlib.decompress(encode_images(images, zlib.Z_FILTERED)), np.uint8).reshape(3, -1, 5, 4)
    planes = np.add.accumulate(np.add.accumulate(planes, 2, np.uint8), 3, np.uint8)
    planes[::2] += planes[1]

    np.testing.assert_array_equal(planes.transpose(1, 2, 3, 0), images)


@pytest.mark.parametrize("block", [b"", b"no stream", zlib.compress(bytes(11)), zlib.compress(bytes(13)),
                                   zlib.compress(bytes(12)) + b"x", zlib.compress(bytes(12))[:-1]])
def test_a_block_of_other_data_is_refused(block):
    with pytest.raises((ValueError, zlib.error)):
        decode_images(block, np.empty((1, 2, 2, 3), np.uint8))


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(120, 3_000), st.sampled_from(CODINGS))
def test_images_in_splits_of_any_size_round_trip_exactly(tmp_path_factory, whole_set, data, part_bytes, coding):
    train, test, side = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 12)), data.draw(st.integers(1, 8))
    images = {split: data.draw(arrays(np.uint8, (count, side, side, 3)))
              for split, count in {"train": train, "test": test}.items()}
    whole = whole_set(train, test, side, images=images, num_classes=2)
    folder = tmp_path_factory.mktemp("sets") / "random.packed"
    index = write_packed(folder, "random", whole, part_bytes=part_bytes, coding=coding)
    parts, label_names = read_packed(folder)

    for split, part in parts.items():
        np.testing.assert_array_equal(part.images, images[split])
        np.testing.assert_array_equal(part.labels, whole.parts[split].labels)
        assert part.images.dtype == np.uint8 and part.labels.dtype == np.int32
    assert label_names == whole.label_names and index == read_index(folder)
    for file in index.files:
        assert (folder / file.name).stat().st_size == file.size_bytes
        assert file.array != "images" or file.size_bytes <= part_bytes or file.count == 1
    for hold_out in (True, False):
        again = dataclasses.replace(whole, parts=parts).dataset(hold_out, index.view(hold_out))
        assert again.digest() == whole.dataset(hold_out).digest()
        np.testing.assert_array_equal(again.mean, whole.dataset(hold_out).mean)


def test_coarse_labels_are_group_indices(tmp_path, whole_set):
    whole = whole_set()
    write_packed(tmp_path / "a.packed", "a", whole, part_bytes=10**6)
    coarse = np.frombuffer(zlib.decompress((tmp_path / "a.packed" / "train-coarse-labels.zlib").read_bytes()), "<i4")

    np.testing.assert_array_equal(coarse, whole.parts["train"].labels % 2)  # classes 0, 2: 'even'; 1, 3: 'odd'


def test_the_same_data_are_packed_to_the_same_bytes(tmp_path, whole_set):
    for out in ("a", "b"):
        (tmp_path / out).mkdir()
        write_packed(tmp_path / out / "r.packed", "r", whole_set(), part_bytes=1_000)
    first, second = (sorted((tmp_path / out / "r.packed").iterdir()) for out in ("a", "b"))

    assert [path.name for path in first] == [path.name for path in second] and len(first) > 5
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_photographs_and_drawings_are_both_compressed(tmp_path):
    """Enlarged digits have repeated pixels, which need another zlib strategy than smooth photographs."""
    digits = load_dataset("digits")
    images = digits.train.images

    assert min(len(encode_images(images, each)) for each in packed._STRATEGIES) < images.nbytes / 20
    smooth = np.add.accumulate(np.random.default_rng(0).integers(-3, 4, (50, 32, 32, 3)), 2).astype(np.uint8)
    assert len(encode_images(smooth, zlib.Z_HUFFMAN_ONLY)) < 0.7 * smooth.nbytes


@pytest.fixture(scope="module")
def sound(tmp_path_factory, whole_set):
    folder = tmp_path_factory.mktemp("sound") / "random.packed"
    index = write_packed(folder, "random", whole_set(), part_bytes=1_000)
    assert sum(file.array == "images" for file in index.files) > 4
    return folder


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_byte_in_any_file_is_detected(sound, data):
    name = data.draw(st.sampled_from(sorted(path.name for path in sound.iterdir())))
    before = (sound / name).read_bytes()
    place, flip = data.draw(st.integers(0, len(before) - 1)), data.draw(st.integers(1, 255))
    try:
        damaged(sound, name, lambda old: old[:place] + bytes([old[place] ^ flip]) + old[place + 1 :])
        with pytest.raises(DataError, match=name):
            read_packed(sound)
    finally:
        (sound / name).write_bytes(before)


@pytest.fixture
def copied(tmp_path, whole_set):
    folder = tmp_path / "random.packed"
    write_packed(folder, "random", whole_set(), part_bytes=1_000)
    return folder


def test_missing_truncated_and_swapped_files_are_named_together_with_a_hint(copied):
    (copied / "test-labels.zlib").unlink()
    damaged(copied, "train-images-000.zlib", lambda old: old[:-1])
    one, other = copied / "train-images-001.zlib", copied / "train-images-002.zlib"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    damaged(copied, "test-images-000.zlib", lambda old: old + b"\0")
    with pytest.raises(DataError) as caught:
        read_packed(copied)

    text = str(caught.value)
    assert "test-labels.zlib is missing" in text and "train-images-000.zlib is cut off" in text
    assert "train-images-001.zlib is a copy of train-images-002.zlib" in text
    assert "train-images-002.zlib is a copy of train-images-001.zlib" in text
    assert "test-images-000.zlib is damaged" in text and "\n" not in text
    assert "Copy test-images-000.zlib, test-labels.zlib, train-images-000.zlib" in text and "fixhead data pack" in text


def test_a_file_that_cannot_be_read_is_named(copied):
    (copied / "test-labels.zlib").unlink()
    (copied / "test-labels.zlib").mkdir()
    with pytest.raises(DataError, match=r"test-labels\.zlib cannot be read \(Is a directory\)"):
        read_packed(copied)


def test_an_index_that_matches_its_files_but_not_the_data_is_refused(copied):
    """The splits are swapped with a valid checksum: every file is intact, but the data set is not the packed one."""
    index = read_index(copied)
    files = list(index.files)
    first, second = (number for number, file in enumerate(files)
                     if file.name in ("train-images-000.zlib", "train-images-001.zlib"))
    files[first], files[second] = files[second], files[first]
    (copied / INDEX).write_bytes(packed.index_bytes(dataclasses.replace(index, files=tuple(files))))

    with pytest.raises(DataError, match=r"has the digest .* but was packed with"):
        load_dataset(str(copied))


@pytest.mark.parametrize("stop", range(1, 18))
def test_packing_that_fails_at_any_file_leaves_nothing_behind(tmp_path, whole_set, monkeypatch, stop):
    done = []

    def full(path, content):
        done.append(path.name)
        if len(done) == stop:
            raise RunError(f"{path} cannot be written: No space left on device.")
        json_files.write_bytes(path, content)

    monkeypatch.setattr(packed, "write_bytes", full)
    target = tmp_path / "random.packed"
    try:
        write_packed(target, "random", whole_set(), part_bytes=1_000)
    except RunError as error:
        assert "No space left on device" in str(error)
        assert list(tmp_path.iterdir()) == [] and packed_under(tmp_path) == []
    else:
        assert stop > len(done) and done[-1] == INDEX  # the index, which makes it a set, is written last


def test_a_full_disk_is_a_one_line_error(tmp_path, whole_set, monkeypatch):
    def full(descriptor):
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr(json_files.os, "fsync", full)
    with pytest.raises(RunError, match="No space left on device"):
        write_packed(tmp_path / "random.packed", "random", whole_set(), part_bytes=1_000)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_a_one_line_error(tmp_path, whole_set, monkeypatch):
    with pytest.raises(RunError, match="cannot be written: No such file or directory"):
        write_packed(tmp_path / "nowhere" / "random.packed", "random", whole_set(), part_bytes=1_000)

    def refused(self, target):
        raise OSError(EROFS, os.strerror(EROFS))

    monkeypatch.setattr(packed.Path, "rename", refused)
    with pytest.raises(RunError, match="cannot be written: Read-only file system"):
        write_packed(tmp_path / "random.packed", "random", whole_set(), part_bytes=1_000)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from keras_fixhead.data import packed
from keras_fixhead.data.packing import pack_dataset
write, left = packed.write_bytes, int(sys.argv[2])
def killed(path, content):
    global left
    write(path, content)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
packed.write_bytes = killed
pack_dataset("digits", Path(sys.argv[1]))
"""


def test_killed_packing_leaves_nothing_loadable_and_the_next_run_cleans_up(tmp_path):
    for files in (2, 6):  # 6: after the index, before the folder is renamed
        done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, str(files)], capture_output=True)
        assert done.returncode == -9
    left = list(tmp_path.iterdir())
    assert len(left) == 2 and (max(left, key=lambda each: len(list(each.iterdir()))) / INDEX).exists()
    assert packed_under(tmp_path) == []
    assert load_dataset("digits", str(tmp_path)).digest() == load_dataset("digits").digest()  # the embedded one

    from keras_fixhead.data.packing import pack_dataset

    old, young = left
    for each in (*old.iterdir(), old):
        os.utime(each, (0, time.time() - 7_200))
    pack_dataset("digits", tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([young, tmp_path / "digits.packed"])  # a recent one may still be in use


def test_an_existing_set_is_never_overwritten(copied, whole_set):
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in copied.iterdir()}
    with pytest.raises(ArgumentError, match="already exists"):
        write_packed(copied, "random", whole_set(seed=1), part_bytes=1_000)
    assert before == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in copied.iterdir()}
    assert list(copied.parent.iterdir()) == [copied]


def test_files_are_readable_by_other_users(copied):
    assert copied.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in copied.iterdir()} == {0o644}


def test_files_contain_no_pickles(copied):
    index = json.loads((copied / INDEX).read_text())

    assert index["format"] == "keras_fixhead packed data set" and index["schema"] == 1
    for file in index["files"]:
        assert (copied / file["name"]).read_bytes()[:1] != b"\x80"
        assert file["name"].endswith((".zlib", ".md"))
    assert "Citation: nobody" in (copied / "README.md").read_text()
