"""Every hint about class vectors that are loaded or changed: produced in its situation, and followed."""
import keras
import numpy as np
import pytest
from hints import leads_out, refused

from keras_fixhead.errors import VectorsError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import load_model

W = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
FEATURES = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def built(**arguments):
    head = HypersphereHead(3, **arguments)
    head.build((None, 4))
    return head


def model_with(**arguments):
    inputs = keras.Input((4,))
    return keras.Model(inputs, HypersphereHead(3, **arguments)(inputs))


def saved(head):
    """Returns what a file has of a head."""
    store = {}
    head.save_own_variables(store)
    return {key: np.array(value) for key, value in store.items()}


@leads_out("Assign finite numbers, or load the model again.", "Assign W / np.linalg.norm(W, axis=1, keepdims=True).")
def test_class_vectors_that_were_refused_can_be_assigned_or_loaded_again(tmp_path):
    model = model_with()
    model.save(tmp_path / "m.keras")
    vectors = model.layers[-1].class_vectors
    with refused("Assign finite numbers, or load the model again."):
        vectors.assign(np.full((3, 4), np.nan))
    with refused("Assign W / np.linalg.norm(W, axis=1, keepdims=True).") as caught:
        vectors.assign(W)
    vectors.assign(eval(caught.value.hint.removeprefix("Assign ").rstrip("."), {"W": W, "np": np}))

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.isfinite(load_model(tmp_path / "m.keras")(FEATURES)).all()


@leads_out("Load another copy: the configuration was edited, or the file is damaged.")
def test_an_unedited_copy_of_a_configuration_is_accepted():
    config = built().get_config()
    with refused("Load another copy: the configuration was edited, or the file is damaged."):
        HypersphereHead.from_config({**config, "seed": 1}).build((None, 4))

    HypersphereHead.from_config(config).build((None, 4))


@leads_out("Load its weights: model.load_weights(FILE) or model.set_weights(WEIGHTS)")
@pytest.mark.parametrize("load", [lambda model, file, weights: model.load_weights(file),
                                  lambda model, file, weights: model.set_weights(weights)])
def test_a_model_from_a_configuration_alone_works_once_its_weights_are_loaded(load, tmp_path):
    model = model_with(class_vectors=W)
    model.save_weights(tmp_path / "m.weights.h5")
    other = keras.Model.from_config(model.get_config())
    with pytest.raises(VectorsError, match=r"Load its weights: model\.load_weights\(FILE\) or model\.set_weights\(WEI"):
        other.layers[-1](FEATURES)  # Keras repeats the message with its own
    load(other, tmp_path / "m.weights.h5", model.get_weights())

    np.testing.assert_array_equal(other(FEATURES), model(FEATURES))


@leads_out("Load another copy of the file.", "Build the head with that kind and seed.",
           "Load the whole model (keras_fixhead.load_model), or another copy: the file is damaged, or of a head with "
           "other class vectors.",
           "Load the whole model (keras_fixhead.load_model), or build the head with class_vectors=W.")
@pytest.mark.parametrize("hint, file, head, right_file, right_head", [
    ("Load another copy of the file.", {**saved(built()), "class_vectors": W}, {}, saved(built()), {}),
    ("Load the whole model (keras_fixhead.load_model), or another copy", {"class_vectors": W}, {}, saved(built()), {}),
    ("or build the head with class_vectors=W.", saved(built(class_vectors=W)), {}, None, {"class_vectors": W}),
    ("Build the head with that kind and seed.", saved(built(class_vectors="cube", seed=7)), {}, None,
     {"class_vectors": "cube", "seed": 7}),
    ("Build the head with that kind and seed.", saved(built(class_vectors="cube", seed=7, store_vectors=False)),
     {"store_vectors": False}, None, {"class_vectors": "cube", "seed": 7, "store_vectors": False})])
def test_a_file_that_a_head_refused_is_loaded_as_the_hint_says(hint, file, head, right_file, right_head):
    with refused(hint):
        built(**head).load_own_variables(file)
    built(**right_head).load_own_variables(file if right_file is None else right_file)


def test_a_file_says_which_kind_and_seed_to_build_the_head_with():
    with pytest.raises(VectorsError, match=r"kind 'cube' with seed 7\. Build the head with that kind and seed"):
        built().load_own_variables(saved(built(class_vectors="cube", seed=7)))


@leads_out("Load the whole model (keras_fixhead.load_model), or build the head with class_vectors=W.",
           "Load the whole model (keras_fixhead.load_model), or another copy: the file is damaged, or of a head with "
           "other class vectors.")
def test_the_whole_model_is_loaded_where_its_weights_alone_were_refused(tmp_path):
    model = model_with(class_vectors=W)
    model.save(tmp_path / "m.keras")
    for file in (saved(model.layers[-1]), {"class_vectors": np.array(model.layers[-1].class_vectors)}):
        with refused("Load the whole model (keras_fixhead.load_model), or "):
            built().load_own_variables(file)

    np.testing.assert_array_equal(load_model(tmp_path / "m.keras")(FEATURES), model(FEATURES))
