"""Class vectors changed by hand turn the head into one with an array, in every format and on every path."""
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_fixhead
from keras_fixhead.errors import ArgumentError, RunError, VectorsError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import load_model, save_model
from keras_fixhead.streaming import StreamingHead
from keras_fixhead.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from keras_fixhead.vectors import array_vectors, class_vectors, vectors_digest

CLASSES, DIM = 5, 16
FEATURES = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
LABELS = np.arange(6) % CLASSES
OWN = array_vectors(np.random.default_rng(1).normal(size=(CLASSES, DIM)))


def model_with(dtype=None, **arguments):
    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, HypersphereHead(**{"num_classes": CLASSES, "scale": 9.0, "name": "head", "dtype": dtype,
                                                   **arguments})(inputs))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def by_assign(model):
    model.get_layer("head").class_vectors.assign(OWN)
    return OWN


def by_set_weights(model):
    other = class_vectors("uniform", CLASSES, DIM, 77)
    model.set_weights([other if each.shape == other.shape else each for each in model.get_weights()])
    return other


def by_a_part(model):
    changed = np.array(model.get_layer("head").class_vectors)
    changed[2] = OWN[2]
    model.get_layer("head").class_vectors.assign(changed)
    return changed


every_edit = pytest.mark.parametrize("edit", [by_assign, by_set_weights, by_a_part])
every_start = pytest.mark.parametrize("arguments", [
    {}, {"logits": "dot", "bias": "learned"}, {"class_vectors": "simplex", "rotate": False},
    {"class_vectors": "rademacher", "store_vectors": False, "seed": 3}, {"class_vectors": OWN[::-1]},
    {"scale": "learned"}, {"dtype": "float64"},
], ids=str)


def from_keras_file(model, folder):
    save_model(model, folder / "m.keras")
    return load_model(folder / "m.keras")


def from_stock_keras_file(model, folder):
    model.save(folder / "m.keras")
    return keras.models.load_model(folder / "m.keras")


def from_a_clone(model, folder):
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return clone


def from_a_clone_and_a_weights_file(model, folder):
    model.save_weights(folder / "m.weights.h5")
    clone = keras.models.clone_model(model)
    clone.load_weights(folder / "m.weights.h5")
    return clone


PATHS = {each.__name__: each for each in (from_keras_file, from_stock_keras_file, from_a_clone,
                                          from_a_clone_and_a_weights_file)}


@pytest.mark.parametrize("path", PATHS)
@every_edit
@every_start
def test_changed_vectors_are_restored_as_an_array(arguments, edit, path, tmp_path):
    model = model_with(**arguments)
    vectors = edit(model)
    again = PATHS[path](model, tmp_path)
    head = again.get_layer("head")

    np.testing.assert_array_equal(again.predict(FEATURES, verbose=0), model.predict(FEATURES, verbose=0))
    np.testing.assert_array_equal(head.class_vectors, vectors)
    assert head.get_config() == model.get_layer("head").get_config()
    assert (head.kind, head.fixed, head.store_vectors, head.vectors_shape) == ("array", True, True, (CLASSES, DIM))
    assert head.vectors_digest == vectors_digest(vectors)


@every_edit
def test_an_exported_savedmodel_uses_the_changed_vectors(edit, tmp_path):
    import tensorflow as tf

    model = model_with()
    vectors = edit(model)
    model.export(tmp_path / "m", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "m"))

    np.testing.assert_allclose(loaded.serve(FEATURES), model.predict(FEATURES, verbose=0), atol=1e-5)
    stored = [each.numpy() for each in loaded.variables if each.shape == (CLASSES, DIM)]
    np.testing.assert_array_equal(stored, [vectors])


def test_a_model_of_another_precision_serves_the_changed_vectors():
    from fixhead_serving.export.answers import answers_model

    inputs = keras.Input((8, 8, 3))
    features = keras.layers.Dense(DIM, dtype="float64")(keras.layers.GlobalAveragePooling2D()(inputs))
    model = keras.Model(inputs, HypersphereHead(CLASSES, name="head", dtype="float64")(features))
    by_assign(model)
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype("float32")

    np.testing.assert_allclose(answers_model(model)(images)["logits"], model(images), atol=1e-5)


@every_edit
def test_a_head_with_changed_vectors_cannot_be_extended(edit):
    model = model_with()
    edit(model)
    for extend in (lambda: keras_fixhead.append_classes(model, 7), lambda: model.get_layer("head").with_classes(7)):
        with pytest.raises(ArgumentError, match="given as an array or changed by hand cannot be extended"):
            extend()


@every_edit
def test_a_checkpoint_resumes_with_the_changed_vectors(edit, tmp_path):
    model = model_with(bias="learned")
    vectors = edit(model)
    model.fit(FEATURES, LABELS, verbose=0)
    save_checkpoint(tmp_path / "c.npz", model, Progress(1, 0, 0.5))
    resumed = model_with(bias="learned")
    load_checkpoint(tmp_path / "c.npz", resumed)
    again = from_keras_file(resumed, tmp_path)

    np.testing.assert_array_equal(again.predict(FEATURES, verbose=0), model.predict(FEATURES, verbose=0))
    np.testing.assert_array_equal(again.get_layer("head").class_vectors, vectors)


def test_a_checkpoint_stores_changed_vectors_even_with_store_vectors_off(tmp_path):
    model = model_with(store_vectors=False, bias="learned")
    by_assign(model)
    save_checkpoint(tmp_path / "c.npz", model, Progress(1, 0, 0.5))
    again = model_with(bias="learned")
    load_checkpoint(tmp_path / "c.npz", again)

    np.testing.assert_array_equal(again.get_layer("head").class_vectors, OWN)
    with pytest.raises(RunError, match="does not fit the model"):  # never redrawn
        load_checkpoint(tmp_path / "c.npz", model_with(store_vectors=False, bias="learned"))


@pytest.mark.parametrize("fixed", [True, False])
def test_an_unchanged_head_keeps_its_kind(fixed):
    model = model_with(fixed=fixed, class_vectors="cube", seed=4)
    model.fit(FEATURES, LABELS, verbose=0)
    model.set_weights(model.get_weights())
    head = model.get_layer("head")

    assert (head.kind, head.vectors_shape, head.get_config()["class_vectors"]) == ("cube", None, "cube")
    assert head.vectors_digest == vectors_digest(class_vectors("cube", CLASSES, DIM, 4))


@pytest.mark.parametrize("factor, message", [(2.0, "lengths of 2 to 2; fixed ones with cosine logits must have length"),
                                             (np.nan, "values that are not finite"), (0.0, "lengths of 0 to 0")])
@pytest.mark.parametrize("kind", [HypersphereHead, StreamingHead])
def test_invalid_vectors_of_a_fixed_cosine_head_are_refused_when_assigned(factor, message, kind):
    head = kind(CLASSES, name="head")
    model = keras.Sequential([keras.Input((DIM,)), head])
    before = head.get_config()
    for change in (lambda: head.class_vectors.assign(factor * OWN), lambda: model.set_weights([factor * OWN]),
                   lambda: head.class_vectors.assign(keras.ops.convert_to_tensor(factor * OWN))):
        with pytest.raises(VectorsError, match=message):
            change()
    assert head.get_config() == before


def test_a_head_waiting_for_its_vectors_still_waits_after_invalid_ones():
    waiting = keras.models.clone_model(model_with(class_vectors=OWN))
    with pytest.raises(VectorsError, match="lengths of 2 to 2"):
        waiting.set_weights([2 * OWN])
    with pytest.raises(VectorsError, match="'head' has no class vectors yet"):
        waiting(FEATURES)
    waiting.set_weights([OWN])

    np.testing.assert_allclose(waiting(FEATURES), model_with(class_vectors=OWN)(FEATURES), atol=1e-6)


def test_values_that_bypass_the_variable_are_refused_when_saved(tmp_path):
    model = model_with()
    model.get_layer("head").class_vectors._direct_assign(keras.ops.convert_to_tensor(2 * OWN, "float32"))
    for keep in (lambda: model.save(tmp_path / "m.keras"), model.get_layer("head").limits):
        with pytest.raises(VectorsError, match="lengths of 2 to 2"):
            keep()


def test_cosines_are_cosines_whatever_the_length_of_dot_vectors():
    head = model_with(logits="dot").get_layer("head")
    head.class_vectors.assign(5 * OWN)

    np.testing.assert_allclose(np.diag(head.cosines(3 * OWN)), 1, atol=1e-6)


def test_dot_logits_accept_class_vectors_of_any_length(tmp_path):
    model = model_with(logits="dot")
    model.get_layer("head").class_vectors.assign(3 * OWN)

    np.testing.assert_array_equal(from_keras_file(model, tmp_path).predict(FEATURES, verbose=0),
                                  model.predict(FEATURES, verbose=0))


def test_a_head_still_waiting_for_its_vectors_cannot_be_saved(tmp_path):
    waiting = keras.models.clone_model(model_with(class_vectors=OWN))
    for save in (lambda: waiting.save(tmp_path / "m.keras"), lambda: waiting.save_weights(tmp_path / "m.weights.h5")):
        with pytest.raises(VectorsError, match="'head' has no class vectors yet"):
            save()


# the text of refusals when loading a file


def weights_in(folder, model):
    model.save_weights(folder / "m.weights.h5")
    return folder / "m.weights.h5"


def edited(model):
    by_assign(model)
    return model


def change(path, what):
    found = []
    with h5py.File(path, "r+") as file:
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        (values,) = [name for name in found if name.endswith("class_vectors")]
        (origin,) = [name for name in found if name.endswith("class_vectors_origin")]
        if what in ("values", "older file, values"):
            file[values][2, 3] += 1e-7
        if what == "origin":
            file[origin][...] = 0
        if what.startswith("older file"):
            del file[origin]


def other_draw(folder):
    return weights_in(folder, model_with(class_vectors="cube", seed=7))


def changed_by_hand(folder):
    return weights_in(folder, edited(model_with()))


def damaged(what):
    def make(folder):
        path = weights_in(folder, model_with())
        change(path, what)
        return path

    return make


def older(folder):
    path = other_draw(folder)
    change(path, "older file")
    return path


FILES = [
    (other_draw, r"a different draw, kind 'cube' with seed 7\. Build the head with that kind and seed"),
    (changed_by_hand, "given as an array or changed by hand. Load the whole model"),
    (damaged("values"), r"were saved with [0-9a-f]{16}: the file is damaged\. Load another copy"),
    (older, "or another copy: the file is damaged, or of a head with other class vectors"),
    (damaged("older file, values"), "or another copy: the file is damaged, or of a head with other class vectors"),
]


@pytest.mark.parametrize("make, message", FILES)
def test_a_refusal_distinguishes_another_draw_changed_vectors_and_damage(make, message, tmp_path):
    path = make(tmp_path)
    with pytest.raises((VectorsError, ValueError), match=message) as refusal:
        model_with().load_weights(path)

    start = "The class vectors in the file have"
    (line,) = [each for each in str(refusal.value).splitlines() if each.startswith(start)]
    assert "layer 'head'" in line or "damaged" in line


def test_a_file_with_an_unreadable_origin_note_loads_if_its_vectors_match(tmp_path):
    path = weights_in(tmp_path, model_with())
    change(path, "origin")
    model_with().load_weights(path)


def test_a_keras_file_from_an_earlier_version_loads(tmp_path):
    """Such a file does not record where its class vectors come from."""
    model = model_with(seed=5)
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as file:
        file.extractall(tmp_path / "parts")
    change(tmp_path / "parts" / "model.weights.h5", "older file")
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as file:
        for part in (tmp_path / "parts").iterdir():
            file.write(part, part.name)

    np.testing.assert_array_equal(load_model(tmp_path / "old.keras").predict(FEATURES, verbose=0),
                                  model.predict(FEATURES, verbose=0))


def test_the_configuration_of_a_changed_head_is_json_without_the_array():
    model = model_with()
    by_assign(model)
    config = model.get_layer("head").get_config()

    assert json.loads(json.dumps(config))["vectors_digest"] == vectors_digest(OWN)
    assert len(json.dumps(config)) < 1000
