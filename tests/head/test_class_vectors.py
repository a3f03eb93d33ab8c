"""Kinds, arrays and unstored class vectors in the layer."""
import json
import zipfile

import keras
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError, VectorsError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import load_model
from keras_fixhead.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from keras_fixhead.vectors import KINDS, array_vectors, class_vectors, vectors_digest

pytestmark = pytest.mark.filterwarnings("ignore:Kind 'optimized' gives:keras_fixhead.errors.FixheadWarning")

CLASSES, DIM = 5, 16
FEATURES = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
LABELS = np.arange(6) % CLASSES
ARRAY = np.random.default_rng(1).normal(size=(CLASSES, DIM))
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

both_arms = pytest.mark.parametrize("fixed", [True, False])


def model_with(dim=DIM, **arguments):
    inputs = keras.Input((dim,))
    model = keras.Model(inputs, HypersphereHead(**{"num_classes": CLASSES, "scale": 9.0, "name": "head", **arguments})(
        inputs))
    model.compile(keras.optimizers.SGD(0.1), LOSS)
    return model


def vectors_of(model):
    return keras.ops.convert_to_numpy(model.get_layer("head").class_vectors)


@both_arms
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_starts_as_drawn_and_changes_only_if_learned(kind, fixed):
    model = model_with(class_vectors=kind, seed=7, fixed=fixed)
    drawn = class_vectors(kind, CLASSES, DIM, 7)
    np.testing.assert_array_equal(vectors_of(model), drawn)
    model.fit(FEATURES, LABELS, verbose=0)

    assert np.array_equal(vectors_of(model), drawn) == fixed


@both_arms
def test_an_array_is_normalized_by_row_and_left_out_of_the_configuration(fixed):
    model = model_with(class_vectors=ARRAY, fixed=fixed)
    config = model.get_layer("head").get_config()

    np.testing.assert_allclose(vectors_of(model), ARRAY / np.linalg.norm(ARRAY, axis=1, keepdims=True), atol=1e-7)
    assert (config["class_vectors"], config["vectors_shape"]) == ("array", [CLASSES, DIM])
    assert config["vectors_digest"] == vectors_digest(array_vectors(ARRAY))
    assert len(json.dumps(config)) < 1000


@pytest.mark.parametrize("arguments, message", [
    ({"class_vectors": ARRAY[:3]}, "class_vectors has 3 rows, but num_classes is 5"),
    ({"class_vectors": "array"}, "is for saved configurations only"),
    ({"class_vectors": ARRAY[0]}, r"must have shape \(num_classes, dim\)"),
    ({"class_vectors": np.zeros((CLASSES, DIM))}, "Row 0 of class_vectors is zero"),
    ({"class_vectors": None}, "must have shape|array of numbers"),
])
def test_an_invalid_array_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        HypersphereHead(CLASSES, **arguments)


def test_an_array_whose_dim_differs_from_the_features_is_refused_on_build():
    with pytest.raises(ArgumentError, match="The features have 8 entries, but the class vectors have 16"):
        HypersphereHead(CLASSES, class_vectors=ARRAY).build((None, 8))


@both_arms
def test_a_layer_rebuilt_without_its_array_has_zeros_and_refuses_to_compute(fixed):
    model = model_with(class_vectors=ARRAY, fixed=fixed)
    again = keras.models.clone_model(model)  # symbolic calls do not compute anything
    np.testing.assert_array_equal(vectors_of(again), np.zeros((CLASSES, DIM)))
    for jit in (False, True):
        again.compile(keras.optimizers.SGD(0.1), LOSS, jit_compile=jit)
        for use in (lambda: again(FEATURES), lambda: again.predict(FEATURES, verbose=0),
                    lambda: again.fit(FEATURES, LABELS, verbose=0),
                    lambda: again.get_layer("head").limits()):
            with pytest.raises(VectorsError, match=r"'head' has no class vectors yet: .*an array"):
                use()


def from_weights_file(model, again, folder):
    model.save_weights(folder / "m.weights.h5")
    again.load_weights(folder / "m.weights.h5")


LOADERS = {
    "set_weights": lambda model, again, folder: again.set_weights(model.get_weights()),
    "load_weights": from_weights_file,
    "assign": lambda model, again, folder: again.get_layer("head").class_vectors.assign(vectors_of(model)),
}


@both_arms
@pytest.mark.parametrize("loader", LOADERS)
def test_a_rebuilt_layer_computes_once_its_weights_are_loaded(fixed, loader, tmp_path):
    model = model_with(class_vectors=ARRAY, fixed=fixed)
    model.fit(FEATURES, LABELS, verbose=0)
    again = keras.models.clone_model(model)
    LOADERS[loader](model, again, tmp_path)

    np.testing.assert_array_equal(again.predict(FEATURES, verbose=0), model.predict(FEATURES, verbose=0))


@both_arms
def test_a_model_with_an_array_survives_saving(fixed, tmp_path):
    model = model_with(class_vectors=ARRAY, fixed=fixed)
    model.fit(FEATURES, LABELS, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")

    np.testing.assert_array_equal(loaded.predict(FEATURES, verbose=0), model.predict(FEATURES, verbose=0))
    assert loaded.get_layer("head").get_config() == model.get_layer("head").get_config()


@pytest.mark.filterwarnings("ignore:A total of 1 objects could not be loaded")
@both_arms
def test_loading_another_array_is_refused_if_fixed_and_accepted_if_learned(fixed, tmp_path):
    other = model_with(class_vectors=ARRAY[::-1], fixed=fixed)
    other.save_weights(tmp_path / "m.weights.h5")
    model = model_with(class_vectors=ARRAY, fixed=fixed)
    if not fixed:
        model.load_weights(tmp_path / "m.weights.h5")
        np.testing.assert_array_equal(vectors_of(model), vectors_of(other))
        return
    with pytest.raises((VectorsError, ValueError), match="The class vectors in the file have digest"):
        model.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(vectors_of(model), array_vectors(ARRAY))


def test_a_mismatched_draw_waits_for_weights_if_optimized_and_fails_if_portable():
    """The last bits of 'optimized' differ between machines, so a local draw may not match the stored digest."""
    model = model_with(dim=2, class_vectors="optimized")  # 5 > 2 d: really optimized
    config = model.get_layer("head").get_config()
    elsewhere = {**config, "vectors_digest": "0" * 64}
    head = HypersphereHead.from_config(elsewhere)
    head.build((None, 2))

    np.testing.assert_array_equal(head.class_vectors, np.zeros((CLASSES, 2)))
    with pytest.raises(VectorsError, match="kind 'optimized'"):
        head(FEATURES[:, :2])
    np.testing.assert_array_equal(HypersphereHead.from_config(config)(FEATURES[:, :2]), model(FEATURES[:, :2]))
    with pytest.raises(VectorsError, match="drawn from its configuration have digest"):
        HypersphereHead.from_config({**elsewhere, "class_vectors": "uniform"}).build((None, 2))


# class vectors that are not stored


def arrays_in(path):
    """Returns the bytes of all members of a .keras file or checkpoint, or of a weights file."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as file:
        return b"".join(file.read(name) for name in file.namelist())


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.by_class])
@pytest.mark.parametrize("store", [True, False])
def test_files_contain_class_vectors_unless_store_vectors_is_off(kind, store, tmp_path):
    model = model_with(class_vectors=kind, store_vectors=store, bias="learned", seed=5)
    model.fit(FEATURES, LABELS, verbose=0)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    save_checkpoint(tmp_path / "m.npz", model, Progress(1, 1, 0.5))
    row = vectors_of(model)[0].tobytes()

    for name in ("m.keras", "m.weights.h5", "m.npz"):
        assert (row in arrays_in(tmp_path / name)) == store, name
    expected = model.predict(FEATURES, verbose=0)
    by_weights = model_with(class_vectors=kind, store_vectors=store, bias="learned", seed=5)
    by_weights.load_weights(tmp_path / "m.weights.h5")
    by_checkpoint = model_with(class_vectors=kind, store_vectors=store, bias="learned", seed=5)
    assert load_checkpoint(tmp_path / "m.npz", by_checkpoint).epoch == 1
    for again in (load_model(tmp_path / "m.keras"), by_weights, by_checkpoint):
        np.testing.assert_array_equal(again.predict(FEATURES, verbose=0), expected)


@pytest.mark.parametrize("arguments", [{"fixed": False}, {"class_vectors": "simplex"}, {"class_vectors": "orthogonal"},
                                       {"class_vectors": ARRAY}, {"class_vectors": "optimized"}])
def test_kinds_that_are_not_portable_must_be_stored(arguments):
    with pytest.raises(ArgumentError, match="store_vectors=False"):
        HypersphereHead(CLASSES, store_vectors=False, **arguments)


def test_a_file_without_class_vectors_is_refused_by_a_head_with_another_draw(tmp_path):
    """The other weights of the file belong to class vectors that it does not contain."""
    model = model_with(store_vectors=False, seed=1)
    model.save_weights(tmp_path / "m.weights.h5")
    model.load_weights(tmp_path / "m.weights.h5")

    with pytest.raises(ValueError, match="of kind 'uniform' with seed 1, but layer 'head' has kind 'uniform', seed 2"):
        model_with(store_vectors=False, seed=2).load_weights(tmp_path / "m.weights.h5")


def test_a_head_that_is_not_built_says_so():
    for ask in (lambda head: head.cosines(np.ones((2, 8), "float32")), lambda head: head.current_scale(),
                lambda head: head.limits()):
        with pytest.raises(ArgumentError, match=r"The layer has no class vectors yet\. Call it or build it first"):
            ask(HypersphereHead(5, scale="learned"))


def test_a_shape_of_vectors_is_refused_for_a_draw():
    with pytest.raises(ArgumentError, match="vectors_shape is that of an array, but class_vectors is 'uniform'"):
        HypersphereHead(5, vectors_shape=(5, 8))


def test_loading_a_file_without_class_vectors_into_a_head_that_stores_them_fails(tmp_path):
    model_with(store_vectors=False, bias="learned").save_weights(tmp_path / "m.weights.h5")

    with pytest.raises(ValueError, match="The file has no class_vectors for layer 'head'; it has bias"):
        model_with(bias="learned").load_weights(tmp_path / "m.weights.h5")
