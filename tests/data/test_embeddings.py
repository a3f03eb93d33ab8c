"""Embedding sets: vectors and labels in NumPy files."""
import numpy as np
import pytest

from keras_fixhead.data import Split, load_dataset, rows, run_dataset
from keras_fixhead.data.embeddings import feature_statistics
from keras_fixhead.data.sources import describe, is_folder
from keras_fixhead.errors import ArgumentError, DataError

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(60, 5)).astype("float32")
Y = np.arange(60) % 4


def folder(path, **arrays):
    path.mkdir(exist_ok=True)
    for name, array in {"features": X, "labels": Y, **arrays}.items():
        if array is not None:
            np.save(path / f"{name}.npy", array)
    return str(path)


def archive(path, save=np.savez, **arrays):
    save(path, **{"features": X, "labels": Y, **arrays})
    return str(path)


def as_read(data):
    """All vectors and labels of a data set, in an order of their own."""
    both = [np.column_stack([np.asarray(part.images, np.float64), part.labels]) for part in (
        data.train, data.validation, data.test)]
    table = np.concatenate(both)
    return table[np.lexsort(table.T)]


@pytest.mark.parametrize("write", [lambda path: folder(path / "set"), lambda path: archive(path / "set.npz"),
                                   lambda path: archive(path / "set.npz", np.savez_compressed)])
def test_every_vector_is_in_one_part_with_its_label(tmp_path, write):
    name = write(tmp_path)
    entry, data = describe(name), load_dataset(name)

    assert (entry.image_shape, entry.num_classes, entry.has_vectors) == ((5,), 4, True)
    assert [len(data.split(part)) for part in ("train", "validation", "test")] == [44, 4, 12]
    assert data.label_names == ("0", "1", "2", "3")
    table = np.column_stack([X.astype(np.float64), Y])
    np.testing.assert_array_equal(as_read(data), table[np.lexsort(table.T)])
    np.testing.assert_allclose(data.mean, data.train.images.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(data.std, data.train.images.std(axis=0), atol=1e-6)


def test_parts_of_their_own_are_kept_and_named_classes_need_no_vectors(tmp_path):
    name = folder(tmp_path / "set", validation_features=X[:3], validation_labels=Y[:3], test_features=X[3:8],
                  test_labels=Y[3:8])
    (tmp_path / "set" / "class_names.txt").write_text("a\nb\nc\nd\nnever seen\n", encoding="utf-8")
    data = load_dataset(name)

    assert [len(data.split(part)) for part in ("train", "validation", "test")] == [60, 3, 5]
    np.testing.assert_array_equal(data.validation.images, X[:3])
    np.testing.assert_array_equal(data.test.images, X[3:8])
    assert data.label_names == ("a", "b", "c", "d", "never seen")
    assert len(load_dataset(name, hold_out=False).train) == 63


@pytest.mark.parametrize("write", [folder, lambda path, **arrays: archive(path.with_suffix(".npz"), **arrays)])
def test_large_sets_stay_on_disk_and_read_the_same(tmp_path, monkeypatch, write):
    name = write(tmp_path / "set", validation_features=X[:7], validation_labels=Y[:7])
    small = load_dataset(name)
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", 0)
    large = load_dataset(name)

    assert isinstance(large.train.images, rows.Rows)
    assert isinstance(large.validation.images, rows.Rows)
    assert small.digest() == large.digest()
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(small.split(part).images, large.split(part).images[:])
    both = large.train.followed_by(Split(X[:2], Y[:2].astype(np.int32)))
    np.testing.assert_array_equal(both.images[np.array([0, len(both) - 1])], [large.train.images[0], X[1]])


def test_the_digest_tells_other_data(tmp_path):
    digests = {load_dataset(folder(tmp_path / f"{number}", **arrays)).digest() for number, arrays in enumerate([
        {}, {"features": X.astype("float16")}, {"features": X + np.float32(1e-6)}, {"labels": Y[::-1]}])}
    assert len(digests) == 4


def test_choices_of_classes_and_vectors_are_those_of_other_data(tmp_path):
    data = run_dataset(folder(tmp_path / "set"), classes="1,3", limit_train=10)
    assert np.bincount(data.train.labels).tolist() == [5, 5]
    assert data.label_names == ("1", "3")


def test_statistics_are_those_of_float64_and_constants_are_left_alone():
    features = (1000 + DRAW.normal(size=(5_000, 3))).astype("float32")
    features[:, 1] = 7
    mean, std = feature_statistics(features)
    wide = features.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, [wide[:, 0].std(), 1, wide[:, 2].std()], rtol=1e-9)


@pytest.mark.parametrize(("arrays", "says"), [
    ({"features": X.astype("float64")}, "features is float64 of shape (60, 5). Expected float16 or float32"),
    ({"features": X[:, 0]}, "features is float32 of shape (60,). Expected"),
    ({"labels": Y.astype("float32")}, "labels is float32 of shape (60,). Expected whole numbers"),
    ({"labels": Y[:50]}, "features has 60 rows, but labels 50."),
    ({"labels": Y - 1}, "has the label -1. Expected whole numbers from 0."),
    ({"labels": np.zeros(60, int)}, "has vectors of 1 class. Expected at least 2."),
    ({"labels": None}, "has no labels."),
    ({"test_features": X}, "has no test_labels."),
    ({"test_features": X[:, :4], "test_labels": Y}, "vectors of several lengths: train 5, test 4."),
])
def test_a_wrong_set_is_refused_in_one_line(tmp_path, arrays, says):
    name = folder(tmp_path / "set", **arrays)
    with pytest.raises(DataError) as caught:
        describe(name)
    assert says in caught.value.what
    assert "\n" not in caught.value.what


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_may_have_any_type_of_whole_numbers(tmp_path, dtype):
    data = load_dataset(folder(tmp_path / "set", labels=Y.astype(dtype), test_features=X, test_labels=Y.astype(dtype)))
    assert data.num_classes == 4 and data.train.labels.dtype == np.int32


def test_a_stray_label_is_refused_before_all_classes_up_to_it_are_named(tmp_path):
    labels = Y.astype("uint64")
    labels[7] = 10**15
    with pytest.raises(DataError, match="has the label 1,000,000,000,000,000, but only 60 vectors"):
        describe(folder(tmp_path / "set", labels=labels))


def test_a_vector_that_is_not_a_number_is_found(tmp_path):
    features = X.copy()
    features[41, 2] = np.nan
    name = folder(tmp_path / "set", features=features)
    describe(name)  # shapes and labels are right
    with pytest.raises(DataError, match="NaN or infinity, first in row 41"):
        load_dataset(name)


def test_labels_beyond_the_named_classes_are_refused(tmp_path):
    name = archive(tmp_path / "set.npz", class_names=np.array(["a", "b", "c"]))
    with pytest.raises(DataError, match=r"labels from 0 to 3. Expected whole numbers in \[0, 3\)"):
        describe(name)
    with pytest.raises(DataError, match="empty or occur twice"):
        describe(archive(tmp_path / "two.npz", class_names=np.array(["a", "b", "c", "a"])))


def test_what_is_no_embedding_set_is_refused(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
        describe(str(tmp_path / "broken.npz"))
    name = folder(tmp_path / "objects", labels=np.array([{}] * 60, object))
    with pytest.raises(DataError, match="cannot be read as NumPy arrays"):
        describe(name)
    with pytest.raises(ArgumentError, match="an image size does not apply"):
        describe(folder(tmp_path / "set"), image_size=32)
    assert is_folder(str(tmp_path / "set"))


def test_a_set_that_changed_is_described_anew(tmp_path):
    name = folder(tmp_path / "set")
    assert describe(name).num_classes == 4
    folder(tmp_path / "set", labels=np.arange(60))
    assert describe(name).num_classes == 60
