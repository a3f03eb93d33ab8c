"""Packed sets used as data sets: how they are found and named, and that they equal the sets that were packed."""
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import Split, choose_classes, load_dataset, reads_tfds
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.packed import write_packed
from keras_fixhead.data.packed_index import index_bytes, read_index
from keras_fixhead.data.packing import pack_dataset, verify_packed
from keras_fixhead.data.sources import describe, packed_folder
from keras_fixhead.data.whole import WholeSet
from keras_fixhead.errors import ArgumentError, DataError


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of 3 classes with 15 pictures each, of several sizes: 36 training images, of which 3 are held out."""
    root = tmp_path_factory.mktemp("own") / "photographs"
    draw = np.random.default_rng(0)
    for label in ("cat", "dog", "owl"):
        (root / label).mkdir(parents=True)
        for number in range(15):
            pixels = draw.integers(0, 256, (20 + number, 22, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def packed(tmp_path_factory, photographs):
    out = tmp_path_factory.mktemp("packed")
    pack_dataset("digits", out, part_mb=0.05)
    pack_dataset(str(photographs), out, image_size=16, name="mine")
    return out


def test_packing_keeps_the_digest_and_the_statistics(packed):
    for hold_out in (True, False):
        again, before = (load_dataset("digits", out, hold_out=hold_out) for out in (str(packed), None))
        assert again.digest() == before.digest() and again.name == before.name
        assert again.label_names == before.label_names and again.subset is None
        np.testing.assert_array_equal((again.mean, again.std), (before.mean, before.std))
    assert read_index(packed / "digits.packed").held_out.digest == load_dataset("digits").digest()
    sizes = [path.stat().st_size for path in (packed / "digits.packed").iterdir()]
    assert len(sizes) > 6 and max(sizes) <= 50_000


def test_a_run_on_packed_data_has_the_same_configuration_digest(packed):
    there, here = (resolve(TrainConfig(dataset="digits", data_dir=data_dir)) for data_dir in (None, str(packed)))
    assert there.digest == here.digest and there.config.crop_padding == here.config.crop_padding


def test_an_image_folder_is_packed_under_a_name_and_loaded_by_path(packed, photographs):
    before = load_dataset(str(photographs), image_size=16)
    again = load_dataset(str(packed / "mine.packed"))

    assert [len(again.split(name)) for name in ("train", "validation", "test")] == [33, 3, 9]
    assert again.digest() == before.digest() and again.label_names == ("cat", "dog", "owl")
    assert load_dataset(str(packed / "mine.packed"), image_size=16).digest() == before.digest()
    with pytest.raises(ArgumentError, match=r"was packed with images of 16x16 pixels, not 32"):
        load_dataset(str(packed / "mine.packed"), image_size=32)
    there, here = describe(str(photographs), image_size=16), describe(str(packed / "mine.packed"))
    assert (there.crop_padding, there.flip, there.train, there.validation) == (
        here.crop_padding, here.flip, here.train, here.validation)
    assert choose_classes(again, "cat,owl").num_classes == 2
    assert str(photographs) not in (packed / "mine.packed" / "README.md").read_text()


def test_a_packed_set_is_found_by_name_by_its_folder_and_by_path(packed):
    digest = load_dataset("digits").digest()
    own = packed / "digits.packed"

    assert packed_folder("digits", str(packed)) == packed_folder("digits", str(own)) == own
    assert load_dataset("digits", str(own)).digest() == digest
    assert load_dataset(str(own)).digest() == digest
    assert packed_folder("cifar10", str(packed)) is None and packed_folder("mine", str(packed)) is None


def test_pictures_shown_to_the_model_are_fitted_as_asked_wherever_its_set_is_read_from(packed):
    for data_dir in (None, str(packed)):
        assert resolve(TrainConfig(dataset="digits", data_dir=data_dir, fit="pad")).config.fit == "pad"
    with pytest.raises(ArgumentError, match=r"was packed with --fit crop, not pad"):
        describe(str(packed / "mine.packed"), fit="pad")


def test_a_packed_set_takes_precedence_over_prepared_and_embedded_ones(packed, tmp_path, whole_set):
    version = tmp_path / "cifar10" / "3.0.2"
    version.mkdir(parents=True)
    (version / "dataset_info.json").write_text(json.dumps({
        "splits": [{"name": "train", "shardLengths": ["40"]}, {"name": "test", "shardLengths": ["10"]}]}))
    assert reads_tfds("cifar10", str(tmp_path))
    whole = whole_set(30, 10, 32, num_classes=10)
    write_packed(tmp_path / "cifar10.packed", "cifar10", whole, part_bytes=10**6)

    assert not reads_tfds("cifar10", str(tmp_path))
    assert len(load_dataset("cifar10", str(tmp_path)).train) == 27
    (packed / "digits.packed" / "index.json").rename(packed / "index.away")
    try:
        with pytest.raises(DataError, match=r"digits\.packed/index\.json is missing"):  # not silently the embedded one
            load_dataset("digits", str(packed))
    finally:
        (packed / "index.away").rename(packed / "digits.packed" / "index.json")


@pytest.mark.parametrize("name", ["stl10", "tiny_imagenet", "cifar100", "cifar10_1"])
def test_packing_keeps_subset_groups_and_intended_use(tmp_path, name):
    entry = DATASETS[name]
    train, classes = (0, 10) if entry.tests else (2 * entry.num_classes, entry.num_classes)
    names = entry.label_names or tuple(f"thing_{number}" for number in range(classes))
    parts = {split: (np.zeros((count, *entry.image_shape), np.uint8), np.arange(count, dtype=np.int32) % classes)
             for split, count in {"train": train, "test": classes}.items()}
    whole = WholeSet(name, dataclasses.replace(entry, train=train - train // 10, validation=train // 10, test=classes,
                                               label_names=names),
                     {split: Split(*part) for split, part in parts.items()}, names)
    write_packed(tmp_path / f"{name}.packed", name, whole, part_bytes=10**6)
    dataset, again = load_dataset(name, str(tmp_path)), describe(name, str(tmp_path))

    assert dataset.subset == whole.subset and f"a subset of {name}: {train:,} of" in dataset.subset
    assert load_dataset(str(tmp_path / f"{name}.packed")).subset == whole.subset
    assert dict(dataset.groups) == dict(entry.groups) and again.tests == entry.tests
    assert (again.crop_padding, again.flip, again.citation, again.terms) == (
        entry.crop_padding, entry.flip, entry.citation, entry.terms)
    readme = (tmp_path / f"{name}.packed" / "README.md").read_text()
    assert entry.citation in readme and entry.terms in readme and whole.subset in readme
    assert describe(name, str(tmp_path), classes=",".join(names[:2])).num_classes == 2


def test_a_packed_set_can_be_packed_again_with_different_splits(packed, tmp_path):
    _, index = pack_dataset("digits", tmp_path, data_dir=str(packed), part_mb=60)
    assert index.held_out == read_index(packed / "digits.packed").held_out
    assert len(index.files) == 5
    folder, _ = pack_dataset(str(packed / "mine.packed"), tmp_path)
    assert folder == tmp_path / "mine.packed"
    assert read_index(folder).held_out == read_index(packed / "mine.packed").held_out


@pytest.mark.parametrize("arguments, message", [
    ({"name": "other"}, "digits cannot be renamed to 'other'"), ({"part_mb": 0.0}, "part_mb must be above 0"),
])
def test_invalid_arguments_are_refused_before_reading_anything(tmp_path, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        pack_dataset("digits", tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name, message", [("cifar10", "is the name of a data set"), ("../x", "cannot be the name"),
                                           ("-x", "cannot be the name"), ("a b", "cannot be the name")])
def test_a_misleading_name_is_refused(photographs, tmp_path, name, message):
    with pytest.raises(ArgumentError, match=message):
        pack_dataset(str(photographs), tmp_path, name=name, image_size=16)


def test_a_folder_that_cannot_be_created_is_a_one_line_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="cannot be created"):
        pack_dataset("digits", tmp_path / "file" / "out")


def test_verify_finds_all_sets_below_a_folder_and_reports_the_damage_of_each(tmp_path, whole_set):
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"in {name}").mkdir()
        write_packed(tmp_path / f"in {name}" / f"{name}.packed", name, whole_set(), part_bytes=1_000)
    (tmp_path / "in b" / "b.packed" / "test-labels.zlib").unlink()
    (tmp_path / "in c" / "c.packed" / "index.json").write_text("{}")
    index = read_index(tmp_path / "in d" / "d.packed")
    wrong = type(index.whole)(index.whole.digest, (0.0, 0.0, 0.0), index.whole.std)
    (tmp_path / "in d" / "d.packed" / "index.json").write_bytes(index_bytes(dataclasses.replace(index, whole=wrong)))
    found = {each.path[-8]: each for each in verify_packed(tmp_path)}

    assert sorted(found) == ["a", "b", "c", "d"]
    assert found["a"].ok and found["a"].problem is None and found["a"].digest == index.held_out.digest
    assert not found["b"].ok and "test-labels.zlib is missing" in found["b"].problem and found["b"].train == 20
    assert not found["c"].ok and "not the index" in found["c"].problem and found["c"].train is None
    assert not found["d"].ok and "statistics" in found["d"].problem
    assert verify_packed(tmp_path / "in a" / "a.packed") == [found["a"]]
    with pytest.raises(DataError, match="There is no packed data set"):
        verify_packed(tmp_path / "in a" / "a.packed" / "nothing")


BLOCKED = """
import sys
for name in ("tensorflow", "tensorflow_datasets", "keras", "jax", "torch", "sklearn", "scipy", "matplotlib"):
    sys.modules[name] = None
import json
from keras_fixhead.data import load_dataset, check_available
from keras_fixhead.errors import DependencyError
out, photographs, prepared = sys.argv[1:]
check_available("digits", out)
print(load_dataset("digits", out).digest())
print(load_dataset(out + "/mine.packed").digest())
print(load_dataset(photographs, image_size=16).digest())
from fixhead_cli.framework import load_reader
try:
    load_reader("cifar10", prepared)
except DependencyError as error:
    print(error)
try:
    load_dataset("cifar10", prepared)
except DependencyError as error:
    print(error)
sys.argv = ["fixhead", "data", "verify", out, "--json"]
from fixhead_cli.main import main
main()
"""


def test_packed_sets_and_folders_need_only_numpy_and_pillow(packed, photographs, tmp_path):
    (tmp_path / "cifar10" / "3.0.2").mkdir(parents=True)
    (tmp_path / "cifar10" / "3.0.2" / "dataset_info.json").write_text("{}")
    done = subprocess.run([sys.executable, "-c", BLOCKED, packed, photographs, tmp_path], capture_output=True,
                          text=True)
    digits, mine, own, reader, library, *rest = done.stdout.split("\n")

    assert done.returncode == 0, done.stderr
    assert digits == load_dataset("digits").digest() and mine == own == load_dataset(
        str(photographs), image_size=16).digest()
    for line in (reader, library):
        assert "cifar10 as prepared by TensorFlow Datasets needs tensorflow" in line
        assert "pip install tensorflow tensorflow-datasets" in line and "fixhead data pack cifar10 OUT" in line
    assert json.loads("\n".join(rest))["ok"]
