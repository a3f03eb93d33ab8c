"""Every hint about data sets that others publish or prepare: produced in its situation, and followed.

What TensorFlow Datasets reads and prepares is written by a stand-in for it; real ones are in test_prepared_sets.py.
"""
import configparser
import json
import re
import shlex
import shutil
import sys
import types

import numpy as np
import pytest
from hints import ROOT, check_way_out, hint_of, leads_out, refused

from keras_fixhead.data import check_available, load_dataset, tfds
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.packed import write_packed

ARRAYS = ("cifar10.1_v6_data.npy", "cifar10.1_v6_labels.npy")
DAMAGE = [
    (ARRAYS[0], lambda file: file.write_bytes(b"damaged")),
    (ARRAYS[0], lambda file: np.save(file, np.zeros((5, 32, 32, 3), "float32"))),
    (ARRAYS[1], lambda file: np.save(file, np.arange(4))),
    (ARRAYS[1], lambda file: np.save(file, np.arange(5) + 9)),
]
SIZES = {"train": 40, "test": 10}


class Prepared:
    """Stands for a builder of TensorFlow Datasets, of random images; it prepares them without a download."""

    def __init__(self, name, data_dir):
        self.folder = data_dir / name.partition(":")[0] / "1.0.0"
        self.entry = DATASETS[name.partition(":")[0].removesuffix("/v6")]

    def download_and_prepare(self):
        self.folder.mkdir(parents=True)
        splits = [{"name": split, "shardLengths": [str(size)]} for split, size in SIZES.items()]
        (self.folder / "dataset_info.json").write_text(json.dumps({"splits": splits}))
        names = [f"thing_{number}" for number in range(self.entry.num_classes)]
        (self.folder / "label.labels.txt").write_text("\n".join(names))
        self.info = types.SimpleNamespace(features={"label": types.SimpleNamespace(names=names)})

    def as_dataset(self, split, batch_size):
        if not json.loads((self.folder / "dataset_info.json").read_text()):
            raise ValueError("it is damaged")
        images = np.random.default_rng(0).integers(0, 256, (SIZES[split], *self.entry.image_shape)).astype("uint8")
        batches = [{"image": images, "label": np.arange(SIZES[split]) % 10}]
        return types.SimpleNamespace(as_numpy_iterator=lambda: batches)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(tfds, "_answers", lambda url: False)
    monkeypatch.setenv("FIXHEAD_DATA_CACHE", "off")
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)


@pytest.fixture
def prepare(monkeypatch, offline):
    """Returns a function that prepares a data set in a folder; it is read from there."""
    reader = types.ModuleType("tensorflow_datasets")
    reader.builder = lambda name, data_dir: Prepared(name, data_dir)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", reader)
    return lambda folder, name="cifar10": Prepared(name, folder).download_and_prepare()


def publish(folder):
    """Writes CIFAR-10.1 with five random images, as its authors publish it."""
    folder.mkdir(exist_ok=True)
    np.save(folder / ARRAYS[0], np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype("uint8"))
    np.save(folder / ARRAYS[1], np.arange(5))
    return folder


@leads_out("Copy the files again from where their authors publish them.")
@pytest.mark.parametrize("name, damage", DAMAGE, ids=range(len(DAMAGE)))
def test_published_files_are_copied_again(tmp_path, name, damage):
    published = publish(tmp_path / "published")
    copied = shutil.copytree(published, tmp_path / "copied")
    damage(copied / name)
    with refused("Copy the files again from where their authors publish them."):
        load_dataset("cifar10_1", copied)
    for each in ARRAYS:
        shutil.copy(published / each, copied)
    assert len(load_dataset("cifar10_1", copied).test) == 5


@leads_out("Copy ... from ... into that folder, or give --data-dir, a folder that has them, or in which TensorFlow")
def test_published_files_are_copied_into_the_folder(tmp_path, prepare):
    published = publish(tmp_path / "published")
    (own := tmp_path / "own").mkdir()
    with refused(" into that folder, or give --data-dir, a folder that has them, or in which TensorFlow ") as caught:
        load_dataset("cifar10_1", own)
    names = re.match("Copy (.*) and (.*) from .* into", caught.value.hint).groups()
    for name in names:
        shutil.copy(published / name, own)
    assert load_dataset("cifar10_1", own).digest() == load_dataset("cifar10_1", published).digest()
    (tmp_path / "prepared").mkdir()
    prepare(tmp_path / "prepared", "cifar10_1/v6")
    assert len(load_dataset("cifar10_1", tmp_path / "prepared").test) == 10


@leads_out("Give --data-dir (or TFDS_DATA_DIR), a folder in which it is prepared..., or use the embedded data set: ",
           "Give --data-dir, a folder of prepared data sets, or leave it out.")
def test_a_folder_of_prepared_sets_is_given(fixhead, tmp_path, prepare, monkeypatch):
    (own := tmp_path / "own").mkdir()
    prepare(tmp_path / "prepared")
    show = f"data show cifar10 --out {tmp_path}/a.png"
    hint = "Give --data-dir (or TFDS_DATA_DIR), a folder in which it is prepared, or use the embedded data set: "
    check_way_out(fixhead, f"{show} --data-dir {own}", hint, f"{show} --data-dir {tmp_path}/prepared")
    check_way_out(fixhead, f"{show} --data-dir {own}", f"{hint}--dataset digits", show.replace("cifar10", "digits"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    check_way_out(fixhead, f"{show} --data-dir {own}/none",
                  "Give --data-dir, a folder of prepared data sets, or leave it out.", show)

    with refused("a folder in which it is prepared, or with tiny-imagenet-200.zip in its folder downloads") as no:
        check_available("tiny_imagenet", str(own))
    name, folder = re.search(r"with (\S*) in its folder (\S*),", no.value.hint).groups()
    (own / folder).mkdir(parents=True)
    (own / folder / name).touch()
    check_available("tiny_imagenet", str(own))


@leads_out("Remove its folder there and prepare it again.", "Prepare it again, or give another --data-dir.")
def test_a_damaged_set_is_prepared_again(tmp_path, prepare, monkeypatch):
    prepare(tmp_path)
    prepare(tmp_path / "another")
    info = tmp_path / "cifar10" / "1.0.0" / "dataset_info.json"
    info.write_text("{}")
    with refused("Remove its folder there and prepare it again."):
        load_dataset("cifar10", tmp_path)
    shutil.rmtree(tmp_path / "cifar10")
    monkeypatch.setattr(tfds, "_answers", lambda url: True)
    assert len(load_dataset("cifar10", tmp_path).test) == 10

    info.write_text(info.read_text().replace('"10"', '"11"'))
    with refused("Prepare it again, or give another --data-dir."):
        load_dataset("cifar10", tmp_path)
    load_dataset("cifar10", tmp_path / "another")
    shutil.rmtree(tmp_path / "cifar10")
    load_dataset("cifar10", tmp_path)


@leads_out("Install it: pip install tensorflow tensorflow-datasets. Or pack the set on a machine that has them (fixh")
def test_a_prepared_set_is_read_with_tensorflow_datasets_or_packed_elsewhere(tmp_path, prepare, monkeypatch, whole_set):
    prepare(tmp_path)
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "tensorflow_datasets", None)
        with refused("copy OUT here and give --data-dir OUT.") as caught:
            load_dataset("cifar10", tmp_path)
        assert "(fixhead data pack cifar10 OUT)" in caught.value.hint
        (out := tmp_path / "out").mkdir()
        write_packed(out / "cifar10.packed", "cifar10", whole_set(30, 10, 32, num_classes=10), part_bytes=10**6)
        load_dataset("cifar10", out)
    load_dataset("cifar10", tmp_path)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for package in re.match("Install it: pip install (.*?)[.]", caught.value.hint)[1].split():
        assert f"\n{package}>=" in setup["options"]["install_requires"]


@leads_out("Prepare it first: fixhead data show ...")
def test_classes_are_chosen_after_a_set_is_prepared(fixhead, tmp_path, prepare, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "usual"))
    monkeypatch.setattr(tfds, "_answers", lambda url: True)
    monkeypatch.setattr(tfds, "_builder", lambda reader, entry, folder: Prepared(entry.tfds_name, folder))
    (tmp_path / "my own").mkdir()
    for options in ((), ("--data-dir", tmp_path / "my own")):
        train = ("train", "--dataset", "tiny_imagenet", "--classes", "thing_1,thing_2", "--dry-run", *options)
        hint = hint_of(fixhead(*train))
        assert fixhead(*shlex.split(hint.partition("fixhead ")[2])).code == 0
        assert fixhead(*train).code == 0
