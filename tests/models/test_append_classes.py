"""Adding classes to a trained model without changing the old ones."""
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import INITIAL_BIAS, HypersphereHead
from keras_fixhead.models import append_classes, attach_head, build_model, feature_model, load_model
from keras_fixhead.vectors import KINDS, class_vectors

OLD, NEW, DIM, SCALE = 5, 9, 16, 20.0
FEATURES = np.random.default_rng(0).normal(size=(12, 8)).astype("float32")
LABELS = np.arange(12) % OLD
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
EXTENDING = [name for name, kind in KINDS.items() if kind.extends]


def functional(**arguments):
    inputs = keras.Input((8,))
    x = keras.layers.Dense(DIM, activation="relu", name="dense")(inputs)
    return keras.Model(inputs, HypersphereHead(OLD, **{"scale": SCALE, "seed": 3, **arguments})(x))


def sequential(**arguments):
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(DIM, activation="relu"),
                             HypersphereHead(OLD, **{"scale": SCALE, "seed": 3, **arguments})])


def attached(**arguments):
    backbone = keras.Sequential([keras.Input((8,)), keras.layers.Dense(DIM, activation="relu")])
    return attach_head(backbone, OLD, **{"scale": SCALE, "seed": 3, **arguments})


def trained(model):
    model.compile(keras.optimizers.SGD(0.05), LOSS)
    model.fit(FEATURES, LABELS, batch_size=4, verbose=0)
    return model


def assert_extended(larger, model, kind="uniform"):
    """Old vectors must be bit-identical, old logits within 1e-6 of the scale, new vectors those of the larger draw."""
    head, old_head = larger.layers[-1], model.layers[-1]
    vectors = keras.ops.convert_to_numpy(head.class_vectors)
    np.testing.assert_array_equal(vectors[:OLD], old_head.class_vectors)
    np.testing.assert_array_equal(vectors, class_vectors(kind, head.num_classes, DIM, 3))
    logits = larger.predict(FEATURES, verbose=0)
    np.testing.assert_allclose(logits[:, :OLD], model.predict(FEATURES, verbose=0), atol=1e-6 * SCALE)
    assert logits.shape == (12, head.num_classes) and np.abs(logits[:, OLD:]).max() > 0


@pytest.mark.parametrize("make", [functional, sequential, attached])
@pytest.mark.parametrize("logits", ["cos", "dot"])
def test_a_trained_model_can_be_extended(make, logits):
    model = trained(make(logits=logits))
    assert_extended(append_classes(model, NEW), model)


@pytest.mark.parametrize("kind", EXTENDING)
def test_every_extensible_kind_extends(kind):
    model = trained(functional(class_vectors=kind))
    assert_extended(append_classes(model, NEW), model, kind)


def test_it_survives_saving_before_and_after_extension(tmp_path):
    model = trained(functional(store_vectors=False))
    model.save(tmp_path / "old.keras")
    larger = append_classes(load_model(tmp_path / "old.keras"), NEW)
    larger.save(tmp_path / "new.keras")

    assert_extended(load_model(tmp_path / "new.keras"), model)
    assert not load_model(tmp_path / "new.keras").layers[-1].store_vectors


def test_the_backbone_is_shared_and_unchanged():
    model = trained(functional())
    before = [keras.ops.convert_to_numpy(weight) for weight in model.get_layer("dense").weights]
    larger = append_classes(model, NEW)

    assert larger.get_layer("dense") is model.get_layer("dense")
    for old, weight in zip(before, larger.get_layer("dense").weights, strict=True):
        np.testing.assert_array_equal(old, weight)


def test_features_of_a_built_model_stay_accessible():
    model = build_model("resnet18", (16, 16, 3), OLD, width=1 / 32, scale=SCALE)
    larger = append_classes(model, NEW)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3)).astype("uint8")

    np.testing.assert_array_equal(feature_model(larger).predict(images, verbose=0),
                                  feature_model(model).predict(images, verbose=0))
    np.testing.assert_allclose(larger.predict(images, verbose=0)[:, :OLD], model.predict(images, verbose=0),
                               atol=1e-6 * SCALE)


def test_the_larger_model_trains_like_any_other():
    larger = append_classes(trained(functional()), NEW)
    larger.compile(keras.optimizers.SGD(0.05), LOSS)
    first, *_, last = larger.fit(FEATURES, np.arange(12) % NEW, epochs=20, verbose=0).history["loss"]

    assert last < first


def test_a_learned_bias_keeps_its_values_and_starts_new_classes_at_the_default():
    model = trained(functional(bias="learned"))
    head = append_classes(model, NEW).layers[-1]

    np.testing.assert_array_equal(head.bias[:OLD], model.layers[-1].bias)
    np.testing.assert_array_equal(head.bias[OLD:], np.full(NEW - OLD, INITIAL_BIAS, np.float32))
    assert np.abs(model.layers[-1].bias - INITIAL_BIAS).max() > 0


@pytest.mark.parametrize("scale", ["learned", keras.optimizers.schedules.PolynomialDecay(1.0, 10, 20.0), "auto"])
def test_the_scale_is_unchanged(scale):
    model = trained(functional(scale=scale))
    old, new = (float(keras.ops.convert_to_numpy(each.layers[-1].current_scale()))
                for each in (model, append_classes(model, NEW)))

    assert new == old  # 'auto' is not recomputed: old logits would change


@settings(max_examples=20, deadline=None)
@given(first=st.integers(3, 40), second=st.integers(1, 40), seed=st.integers(0, 2**64 - 1),
       kind=st.sampled_from(["uniform", "cube", "rademacher"]))
def test_extending_twice_equals_extending_once(first, second, seed, kind):
    head = HypersphereHead(2, class_vectors=kind, seed=seed)
    head.build((None, 6))
    twice, once = head.with_classes(first).with_classes(first + second), head.with_classes(first + second)

    np.testing.assert_array_equal(twice.class_vectors, once.class_vectors)
    assert twice.vectors_digest == once.vectors_digest


def test_an_unbuilt_head_extends_to_an_unbuilt_head():
    head = HypersphereHead(OLD, seed=3).with_classes(NEW)

    assert not head.built and head.num_classes == NEW
    head.build((None, DIM))
    np.testing.assert_array_equal(head.class_vectors, class_vectors("uniform", NEW, DIM, 3))


@pytest.mark.parametrize("arguments, total, message", [
    ({"fixed": False}, NEW, "Learned class vectors cannot be extended"),
    ({"class_vectors": "simplex"}, NEW, "kind 'simplex' are arranged for 5 classes"),
    ({"class_vectors": np.eye(OLD, DIM)}, NEW, "given as an array or changed by hand cannot be extended"),
    ({}, OLD, "num_classes is the new total and must be above 5, got 5"),
    ({}, 3, "must be above 5, got 3"),
    ({}, 9.5, "num_classes must be an integer"),
    ({}, "nine", "num_classes must be an integer"),
    ({"class_vectors": "orthogonal"}, DIM + 1, "'orthogonal' has at most 16 class vectors in 16 dimensions"),
])
def test_a_head_that_cannot_be_extended_is_refused_in_one_line(arguments, total, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        append_classes(functional(**arguments), total)

    assert "\n" not in str(caught.value)


def test_a_model_without_a_head_is_refused():
    with pytest.raises(ArgumentError, match=r"The last layer of .* is a Dense, not a HypersphereHead"):
        append_classes(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), 5)


def test_class_vectors_changed_by_hand_cannot_be_extended():
    model = functional()
    model.layers[-1].class_vectors.assign(class_vectors("uniform", OLD, DIM, 4))

    with pytest.raises(ArgumentError, match="given as an array or changed by hand cannot be extended"):
        append_classes(model, NEW)
