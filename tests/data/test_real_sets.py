"""Real data in the folder $FIXHEAD_TEST_CIFAR: complete CIFAR sets, parts of STL-10 and Tiny ImageNet."""
import functools
import json
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from keras_fixhead.data import load_dataset
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.label_names import CIFAR100, CIFAR100_GROUPS
from keras_fixhead.data.packing import pack_dataset, verify_packed

pytestmark = pytest.mark.slow

MEASURED = json.loads((Path(__file__).parents[2] / "results" / "data.json").read_text())["datasets"]

# mean and standard deviation of the complete training set as commonly published, as fractions of 255
PUBLISHED = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "stl10": ((0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713)),
    "tiny_imagenet": ((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)),
}
SIZES = {"cifar10": (45_000, 5_000, 10_000), "cifar100": (45_000, 5_000, 10_000), "stl10": (900, 100, 550),
         "tiny_imagenet": (3_600, 400, 1_000)}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Returns a function that packs a set once; the answer is the folder to read it from, its own, and its index."""
    @functools.cache
    def made(name):
        parent = tmp_path_factory.mktemp(name)
        return parent, *pack_dataset(name, parent, data_dir=os.environ["FIXHEAD_TEST_CIFAR"])

    return made


@pytest.mark.parametrize("name", SIZES)
def test_cifar10_and_the_other_real_sets_match_the_catalogue(name):
    dataset = load_dataset(name, os.environ["FIXHEAD_TEST_CIFAR"])
    entry = DATASETS[name]

    assert tuple(len(dataset.split(part)) for part in ("train", "validation", "test")) == SIZES[name]
    assert dataset.train.images.shape[1:] == entry.image_shape and dataset.num_classes == entry.num_classes
    assert (dataset.subset is None) == name.startswith("cifar")
    assert entry.label_names in (None, dataset.label_names)
    for part in ("train", "validation", "test"):
        counts = np.bincount(dataset.split(part).labels, minlength=entry.num_classes)
        assert counts.min() == counts.max()  # all of these sets are balanced
    # tolerance: rounding and the held-out images for a complete set, the sampling error for a part
    tolerance = 0.001 if dataset.subset is None else 0.02
    np.testing.assert_allclose([dataset.mean / 255, dataset.std / 255], PUBLISHED[name], atol=tolerance)


@pytest.mark.parametrize("name", SIZES)
def test_cifar10_and_the_others_are_packed_with_the_digest_of_their_runs(name, packed):
    parent, folder, index = packed(name)
    dataset = load_dataset(name, str(parent))

    assert dataset.digest() == index.held_out.digest == MEASURED[name]["data_digest"]
    assert dataset.subset == MEASURED[name]["subset"]
    assert max(path.stat().st_size for path in folder.iterdir()) <= 60_000_000
    assert index.size_bytes < 0.62 * sum(dataset.split(part).images.nbytes for part in ("train", "validation", "test"))
    assert [each.ok for each in verify_packed(parent)] == [True]


def test_packed_cifar100_coarse_labels_match_the_authors(packed):
    import tensorflow_datasets

    _, folder, _ = packed("cifar100")
    builder = tensorflow_datasets.builder("cifar100:3.*.*", data_dir=os.environ["FIXHEAD_TEST_CIFAR"])
    for split, count in (("train", 50_000), ("test", 10_000)):
        (batch,) = builder.as_dataset(split=split, batch_size=count).as_numpy_iterator()
        coarse = np.frombuffer(zlib.decompress((folder / f"{split}-coarse-labels.zlib").read_bytes()), "<i4")
        np.testing.assert_array_equal(coarse, batch["coarse_label"])


def test_cifar10_is_cached_on_the_first_read_and_then_needs_no_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path))
    first = load_dataset("cifar10", os.environ["FIXHEAD_TEST_CIFAR"])
    monkeypatch.setattr("keras_fixhead.data.tfds.load_tfds", None)
    again = load_dataset("cifar10", os.environ["FIXHEAD_TEST_CIFAR"])

    assert again.digest() == first.digest() == MEASURED["cifar10"]["data_digest"]


def test_cifar100_groups_match_its_coarse_labels():
    import tensorflow_datasets

    builder = tensorflow_datasets.builder("cifar100:3.*.*", data_dir=os.environ["FIXHEAD_TEST_CIFAR"])
    (batch,) = builder.as_dataset(split="test", batch_size=10_000).as_numpy_iterator()
    coarse = builder.info.features["coarse_label"].names

    assert tuple(builder.info.features["label"].names) == CIFAR100
    for fine, group in set(zip(batch["label"].tolist(), batch["coarse_label"].tolist(), strict=True)):
        assert CIFAR100[fine] in CIFAR100_GROUPS[coarse[group]]
