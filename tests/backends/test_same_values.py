"""Head and losses compared with float64 NumPy on any Keras backend; also run with KERAS_BACKEND=jax and torch."""
import keras
import numpy as np
import pytest

from keras_fixhead.head import INITIAL_BIAS, HypersphereHead
from keras_fixhead.losses import ArcFace, CosFace, NormFace, arcface, cosface, cross_entropy
from keras_fixhead.models import append_classes, build_model
from keras_fixhead.streaming import StreamingHead, streaming_loss
from keras_fixhead.vectors import adacos_scale, class_vectors

CLASSES, DIM, FLOOR = 7, 12, 1e-6
DRAW = np.random.default_rng(0)
FEATURES = DRAW.normal(size=(9, DIM)).astype("float32") * np.geomspace(1e-3, 1e3, 9, dtype="float32")[:, None]
LABELS = np.arange(9, dtype="int32") % CLASSES
SCHEDULE = keras.optimizers.schedules.PolynomialDecay(2.0, 10, 12.0)


def value_and_gradients(function, *arrays):
    """Returns the value and gradients of a scalar function of arrays, computed by the current backend."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        inputs = [tf.constant(array) for array in arrays]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        gradients = tape.gradient(value, inputs)
    elif backend == "jax":
        import jax

        value, gradients = jax.value_and_grad(function, argnums=tuple(range(len(arrays))))(*arrays)
    else:
        import torch

        inputs = [torch.tensor(array, requires_grad=True) for array in arrays]
        value = function(*inputs)
        gradients = torch.autograd.grad(value, inputs)
    return float(keras.ops.convert_to_numpy(value)), [keras.ops.convert_to_numpy(each) for each in gradients]


def numeric_gradient(function, array, step=1e-5):
    """Returns central differences in float64, with steps proportional to the length of each row."""
    array = array.astype(np.float64)
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        h = step * np.linalg.norm(array[index[0]])
        up, down = array.copy(), array.copy()
        up[index] += h
        down[index] -= h
        gradient[index] = (function(up) - function(down)) / (2 * h)
    return gradient


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), FLOOR)


def reference_loss(features, vectors, *, logits, scale, margin=None, size=0.0, bias=0.0):
    """Returns the mean cross-entropy in float64, computed with arccos rather than the formulas of the code."""
    features, vectors = features.astype(np.float64), vectors.astype(np.float64)
    if logits == "dot":
        z = scale * features @ vectors.T + bias
    else:
        cosines = unit(features) @ unit(vectors).T
        rows = np.arange(len(features))
        own = cosines[rows, LABELS]
        if margin == "cosface":
            own = own - size
        elif margin == "arcface":
            angle = np.arccos(own)
            own = np.where(angle + size < np.pi, np.cos(angle + size), own - size * np.sin(size))
        cosines[rows, LABELS] = own
        z = scale * cosines + bias
    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), LABELS]).mean())


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("logits, scale, margin, size, loss", [
    ("cos", 1.0, None, 0.0, NormFace()),
    ("cos", 30.0, None, 0.0, NormFace()),
    ("cos", 30.0, "cosface", 0.35, CosFace(0.35, scale=30.0)),
    ("cos", 30.0, "arcface", 0.5, ArcFace(0.5, scale=30.0)),
    ("dot", 0.01, None, 0.0, lambda labels, outputs: keras.ops.mean(cross_entropy(labels, outputs))),
])
def test_loss_and_gradients_through_the_head_match_float64(logits, scale, margin, size, loss, fixed):
    vectors = class_vectors("uniform", CLASSES, DIM, 3) * np.linspace(0.5, 2, CLASSES, dtype="float32")[:, None]
    head = HypersphereHead(CLASSES, logits=logits, scale=scale, fixed=False, seed=3)
    head.build((None, DIM))

    def through_head(features, class_vectors):
        _, non_trainable = [], [each.value for each in head.non_trainable_variables]
        outputs, _ = head.stateless_call([class_vectors], non_trainable, features)
        return loss(LABELS, outputs)

    def reference(features, used):
        return reference_loss(features, used, logits=logits, scale=scale, margin=margin, size=size)

    value, (by_features, by_vectors) = value_and_gradients(through_head, FEATURES, vectors)
    assert value == pytest.approx(reference(FEATURES, vectors), rel=2e-5)
    expected = numeric_gradient(lambda each: reference(each, vectors), FEATURES)
    largest = np.abs(expected).max(axis=1, keepdims=True)  # short features have gradients a million times larger
    np.testing.assert_allclose(by_features / largest, expected / largest, atol=3e-4)
    expected = numeric_gradient(lambda each: reference(FEATURES, each), vectors)
    np.testing.assert_allclose(by_vectors, expected, atol=3e-4 * np.abs(expected).max())
    if fixed:  # a fixed head, which has unit vectors, gives the reference loss too
        still = HypersphereHead(CLASSES, logits=logits, scale=scale, seed=3)
        drawn = class_vectors_of(still)
        assert float(keras.ops.convert_to_numpy(loss(LABELS, still(FEATURES)))) == pytest.approx(
            reference(FEATURES, drawn), rel=2e-5)


def class_vectors_of(head):
    head.build((None, DIM))
    return keras.ops.convert_to_numpy(head.class_vectors.value)


def test_gradients_stay_finite_at_cosines_1_and_minus_1_and_zero_features():
    drawn = class_vectors("uniform", CLASSES, DIM, 3)
    collapsed = np.concatenate([drawn[:3], -drawn[:3], np.zeros((3, DIM))]).astype("float32")
    labels = np.array([0, 1, 2] * 3)
    head = HypersphereHead(CLASSES, scale=30.0, seed=3)
    for loss in (ArcFace(0.5, scale=30.0), CosFace(0.35, scale=30.0), NormFace()):
        value, (gradient,) = value_and_gradients(lambda features: loss(labels, head(features)), collapsed)  # noqa: B023

        assert np.isfinite(value) and np.isfinite(gradient).all()
        assert np.abs(gradient[-3:]).max() > 0  # zero features have a non-zero gradient


def test_margins_change_only_the_true_class():
    logits = (10 * DRAW.uniform(-1, 1, (9, CLASSES))).astype("float32")
    others = np.arange(CLASSES) != LABELS[:, None]
    for changed in (arcface(LABELS, logits, 10.0, 0.5), cosface(LABELS, logits, 10.0, 0.35)):
        changed = keras.ops.convert_to_numpy(changed)
        np.testing.assert_array_equal(changed[others], logits[others])
        assert (changed[~others] < logits[~others]).all()


def test_small_losses_are_not_rounded_to_zero():
    logits = np.array([[30.0, 0.0, 0.0], [64.0, 0.0, 0.0]], "float32")
    found = keras.ops.convert_to_numpy(cross_entropy([0, 0], logits))

    np.testing.assert_allclose(found, np.log1p(2 * np.exp(-logits[:, 0].astype(np.float64))), rtol=1e-5)


@pytest.mark.parametrize("bias", ["none", "learned"])
@pytest.mark.parametrize("scale", ["learned", SCHEDULE], ids=["learned", "schedule"])
def test_learned_and_scheduled_scales_and_a_learned_bias_change_in_fit(scale, bias):
    inputs = keras.Input((DIM,))
    head = HypersphereHead(CLASSES, scale=scale, bias=bias, name="head")
    model = keras.Model(inputs, head(inputs))
    before = float(keras.ops.convert_to_numpy(head.current_scale()))
    # a margin needs cosines, so it refuses a bias
    model.compile(keras.optimizers.SGD(0.5), ArcFace(scale=head.current_scale) if bias == "none" else cross_entropy)
    model.fit(FEATURES, LABELS, batch_size=3, epochs=2, verbose=0)
    after = float(keras.ops.convert_to_numpy(head.current_scale()))

    if scale == "learned":
        assert before == pytest.approx(adacos_scale(CLASSES)) and after != before and after > 0
    else:
        assert (before, after) == (2.0, pytest.approx(7.0))  # after 6 steps of 10 from 2 to 12
    if bias == "learned":
        assert np.abs(keras.ops.convert_to_numpy(head.bias.value) - INITIAL_BIAS).max() > 0
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(head.class_vectors.value),
                                  class_vectors("uniform", CLASSES, DIM, 0))


def test_a_head_without_its_array_fails_in_predict_until_it_is_loaded():
    inputs = keras.Input((DIM,))
    own = DRAW.normal(size=(CLASSES, DIM))
    model = keras.Model(inputs, HypersphereHead(CLASSES, class_vectors=own, name="head")(inputs))
    again = keras.Model.from_config(model.get_config())

    with pytest.raises(Exception, match="has no class vectors yet"):
        again.predict(FEATURES, verbose=0)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(FEATURES, verbose=0), model.predict(FEATURES, verbose=0))


def test_classes_can_be_appended_and_the_model_saved(tmp_path):
    model = build_model("resnet18", (16, 16, 3), CLASSES, width=1 / 8, scale=10.0, store_vectors=False)
    images = DRAW.integers(0, 256, (4, 16, 16, 3)).astype("uint8")
    larger = append_classes(model, CLASSES + 4)
    old, new = model.predict(images, verbose=0), larger.predict(images, verbose=0)
    larger.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")

    np.testing.assert_allclose(new[:, :CLASSES], old, atol=1e-6 * 10)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), new)


@pytest.mark.parametrize("scale", [12.0, "learned", SCHEDULE])
@pytest.mark.parametrize("margin, size", [(None, 0.0), ("cosface", 0.35), ("arcface", 0.5)])
def test_the_streaming_loss_and_its_gradient_equal_those_of_all_logits(scale, margin, size):
    head = StreamingHead(CLASSES, scale=scale, seed=3, chunk=3)
    head.build((None, DIM))
    vectors = class_vectors("uniform", CLASSES, DIM, seed=3)
    number = float(keras.ops.convert_to_numpy(head.current_scale()))

    def loss(features):
        return keras.ops.mean(streaming_loss(LABELS, features, head, margin=margin or "none"))

    value, (gradient,) = value_and_gradients(loss, FEATURES)

    def reference(features):
        return reference_loss(features, vectors, logits="cos", scale=number, margin=margin, size=size)

    assert value == pytest.approx(reference(FEATURES), rel=1e-5)
    expected = numeric_gradient(reference, FEATURES)
    largest = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient / largest, expected / largest, atol=3e-4)
