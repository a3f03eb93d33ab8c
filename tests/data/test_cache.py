"""Prepared sets are read once and then come from the cache, until their files change or the cache is damaged or off."""
import json
import logging
import os
import shutil
import threading
from errno import ENOSPC

import numpy as np
import pytest

from keras_fixhead import json_files
from keras_fixhead.data import Split, cache, load_dataset, reads_tfds, tfds
from keras_fixhead.data.label_names import CIFAR10
from keras_fixhead.errors import DataError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv(cache.SWITCH, raising=False)
    cache._warned.clear()
    return tmp_path / "cache" / "data"


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Prepares a small cifar10 (40 and 10 images) and counts how often it is read."""
    folder = tmp_path / "prepared"
    version = folder / "cifar10" / "3.0.2"
    version.mkdir(parents=True)
    (version / "dataset_info.json").write_text(json.dumps({
        "splits": [{"name": "train", "shardLengths": ["40"]}, {"name": "test", "shardLengths": ["10"]}]}))
    (version / "cifar10-train.tfrecord-00000-of-00001").write_bytes(b"records")
    reads = []

    def read(entry, data_dir):
        reads.append(data_dir)
        draw = np.random.default_rng(len(version.parent.name) + (version / "dataset_info.json").stat().st_size)
        return {split: Split(draw.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8),
                             np.arange(count, dtype=np.int32) % 10)
                for split, count in {"train": 40, "test": 10}.items()}, CIFAR10

    monkeypatch.setattr(tfds, "load_tfds", read)
    return folder, reads


def test_a_second_load_comes_from_the_cache_and_is_identical(prepared, own_cache):
    folder, reads = prepared
    assert reads_tfds("cifar10", str(folder))
    first = load_dataset("cifar10", str(folder))
    assert not reads_tfds("cifar10", str(folder))
    again = load_dataset("cifar10", str(folder))
    whole = load_dataset("cifar10", str(folder), hold_out=False)

    assert len(reads) == 1 and len(cache.sets()) == 1
    assert again.digest() == first.digest() and again.label_names == first.label_names
    np.testing.assert_array_equal((again.mean, again.std), (first.mean, first.std))
    assert again.subset == first.subset and again.subset.startswith("a subset of cifar10: 40 of 50,000")
    assert (len(whole.train), len(whole.validation)) == (40, 0)
    assert again.train.images.flags.writeable == first.train.images.flags.writeable


@pytest.mark.parametrize("change", [
    lambda version: (version / "cifar10-train.tfrecord-00000-of-00001").write_bytes(b"others"),
    lambda version: os.utime(version / "dataset_info.json", (1, 1)),
    lambda version: (version / "label.labels.txt").write_text("\n".join(CIFAR10)),
    lambda version: shutil.copytree(version, version.with_name("3.0.3")),
], ids=["file content", "modification time", "new file", "new version"])
def test_changed_prepared_files_are_read_again_and_the_old_entry_is_removed(prepared, change):
    folder, reads = prepared
    load_dataset("cifar10", str(folder))
    (old,) = cache.sets()
    change(folder / "cifar10" / "3.0.2")
    load_dataset("cifar10", str(folder))
    load_dataset("cifar10", str(folder))

    assert len(reads) == 2
    (new,) = cache.sets()
    assert new != old


def test_two_folders_of_prepared_sets_do_not_evict_each_other(prepared, tmp_path):
    folder, reads = prepared
    shutil.copytree(folder, tmp_path / "other")
    for _ in range(2):
        load_dataset("cifar10", str(folder))
        load_dataset("cifar10", str(tmp_path / "other"))
    assert len(reads) == 2 and len(cache.sets()) == 2


@pytest.mark.parametrize("name", ["index.json", "train-images-000.raw", "test-labels.raw"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_cache_is_reported_and_rewritten(prepared, caplog, name, damage):
    folder, reads = prepared
    digest = load_dataset("cifar10", str(folder)).digest()
    (kept,) = cache.sets()
    content = (kept / name).read_bytes()
    if damage == "remove":
        (kept / name).unlink()
    else:
        (kept / name).write_bytes(content[:-1] if damage == "cut" else content[:-9] + bytes([content[-9] ^ 1])
                                  + content[-8:])
    assert load_dataset("cifar10", str(folder)).digest() == digest
    assert len(reads) == 2
    assert name in caplog.text and "The cache is being rebuilt" in caplog.text
    assert load_dataset("cifar10", str(folder)).digest() == digest and len(reads) == 2


def test_a_cache_removed_by_another_process_only_costs_another_read(prepared, monkeypatch):
    folder, reads = prepared
    digest = load_dataset("cifar10", str(folder)).digest()
    find = cache.find

    def found(*arguments):
        place = find(*arguments)
        shutil.rmtree(place)
        return place

    monkeypatch.setattr(cache, "find", found)
    assert load_dataset("cifar10", str(folder)).digest() == digest and len(reads) == 2


def test_concurrent_processes_leave_one_complete_cache(prepared, own_cache):
    folder, _ = prepared
    digests = []
    threads = [threading.Thread(target=lambda: digests.append(load_dataset("cifar10", str(folder)).digest()))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(digests) == 6 and len(set(digests)) == 1
    assert list(own_cache.iterdir()) == cache.sets() and len(cache.sets()) == 1
    assert cache.read("cifar10", cache.sets()[0])[0].dataset(True).digest() == digests[0]


def test_a_full_disk_is_reported_once_and_the_data_are_still_read(prepared, own_cache, monkeypatch, caplog):
    def full(descriptor):
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    folder, reads = prepared
    monkeypatch.setattr(json_files.os, "fsync", full)
    for _ in range(3):
        assert len(load_dataset("cifar10", str(folder)).test) == 10
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
            and "quicker starts" in record.getMessage()]

    assert len(reads) == 3 and list(own_cache.iterdir()) == []
    assert len(said) == 1 and "No space left" in said[0] and "FIXHEAD_DATA_CACHE=off" in said[0]


def test_nothing_is_cached_on_a_nearly_full_disk(prepared, own_cache, monkeypatch, caplog):
    folder, _ = prepared
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 200_000})())
    assert len(load_dataset("cifar10", str(folder)).test) == 10
    assert "too little to cache cifar10" in caplog.text and list(own_cache.iterdir()) == []


def test_a_cache_folder_that_cannot_be_created_is_reported_once(prepared, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "file" / "cache"))
    folder, reads = prepared
    for _ in range(2):
        assert len(load_dataset("cifar10", str(folder)).test) == 10
    assert len(reads) == 2 and caplog.text.count("cannot be cached") == 1


def test_an_environment_variable_switches_the_cache_off(prepared, monkeypatch, own_cache):
    monkeypatch.setenv(cache.SWITCH, "off")
    folder, reads = prepared
    for _ in range(2):
        load_dataset("cifar10", str(folder))
    assert len(reads) == 2 and not own_cache.exists()
    monkeypatch.delenv(cache.SWITCH)
    load_dataset("cifar10", str(folder))
    cache.clear()
    assert cache.sets() == []


def test_embedded_sets_packed_sets_and_folders_are_not_cached(own_cache):
    load_dataset("digits")
    assert not own_cache.exists()


def test_files_that_change_while_being_read_are_not_cached(prepared, monkeypatch, own_cache):
    folder, _ = prepared
    read = tfds.load_tfds

    def changing(entry, data_dir):
        (folder / "cifar10" / "3.0.2" / "dataset_info.json").touch()
        return read(entry, data_dir)

    monkeypatch.setattr(tfds, "load_tfds", changing)
    load_dataset("cifar10", str(folder))
    assert not own_cache.exists() or list(own_cache.iterdir()) == []


def test_a_set_that_does_not_match_its_files_is_not_cached(prepared, own_cache):
    folder, _ = prepared
    (folder / "cifar10" / "3.0.2" / "dataset_info.json").write_text(json.dumps({
        "splits": [{"name": "train", "shardLengths": ["41"]}, {"name": "test", "shardLengths": ["10"]}]}))
    with pytest.raises(DataError, match="but its files say"):
        load_dataset("cifar10", str(folder))
    assert not own_cache.exists()
