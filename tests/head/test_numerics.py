"""Values and gradients compared with float64 NumPy, for features of many lengths under every precision policy."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fixhead.head import INITIAL_BIAS, HypersphereHead
from keras_fixhead.models import precision_policy
from keras_fixhead.vectors import class_vectors

CLASSES, DIM, FLOOR = 5, 16, 1e-6
NORMS = [0.0, 1e-8, 1e-4, 1e-2, 1.0, 1e3, 6e4]
POLICIES = ["float32", "float16", "bfloat16"]
SCALE = 3.0
LOSS_SCALE = 2.0**15  # where Keras' loss-scale optimizer starts

every_policy = pytest.mark.parametrize("policy", POLICIES)
every_norm = pytest.mark.parametrize("norm", NORMS)
every_head = pytest.mark.parametrize("logits, fixed", [(logits, fixed) for logits in ("cos", "dot")
                                                       for fixed in (True, False)])
UPSTREAM = np.random.default_rng(1).normal(size=(4, CLASSES)).astype("float32")


def features_of(norm, policy):
    """Returns features of the given length, rounded to the policy's type as earlier layers would round them."""
    drawn = np.random.default_rng(0).normal(size=(4, DIM))
    drawn *= norm / np.linalg.norm(drawn, axis=1, keepdims=True)
    return tf.cast(tf.constant(drawn), policy)


def head_under(policy, **arguments):
    with precision_policy(policy):
        head = HypersphereHead(CLASSES, seed=2, **arguments)
        head.build((None, DIM))
    if not head.fixed:  # learned vectors do not keep length 1
        head.class_vectors.assign(class_vectors("uniform", CLASSES, DIM, 2) * np.linspace(0.5, 4, CLASSES)[:, None])
    return head


def through_length(rows, upstream):
    """d(upstream . v / max(|v|, floor)) / dv: (g - u (u . g)) / |v|, or g / floor for short vectors."""
    norm = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit = rows / np.maximum(norm, FLOOR)
    projected = upstream - unit * (unit * upstream).sum(axis=-1, keepdims=True)
    return np.where(norm > FLOOR, projected, upstream) / np.maximum(norm, FLOOR)


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), FLOOR)


def assert_close(found, expected):
    """The tolerance is 1e-5 of the largest value, a few dozen float32 roundings."""
    found = np.asarray(found, np.float64)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-30), rtol=0)


@every_policy
@every_norm
@every_head
def test_values_and_gradients_match_float64(policy, norm, logits, fixed):
    rounded = features_of(norm, policy)
    head = head_under(policy, logits=logits, fixed=fixed, scale=SCALE, bias="learned")
    features = tf.cast(rounded, "float32")  # the head's first step; from here on it computes in float32
    with tf.GradientTape() as tape:
        tape.watch(features)
        outputs = head(features)
        loss = tf.reduce_sum(outputs * UPSTREAM)
    watched = [features, head.bias.value] + ([] if fixed else [head.class_vectors.value])
    by_features, by_bias, *by_vectors = tape.gradient(loss, watched)
    np.testing.assert_array_equal(head(rounded), outputs)  # a 16-bit input gives the same result

    f, w = np.asarray(features, np.float64), keras.ops.convert_to_numpy(head.class_vectors).astype(np.float64)
    g = SCALE * UPSTREAM.astype(np.float64)
    used = w if logits == "dot" or fixed else unit(w)
    embedding = f if logits == "dot" else unit(f)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert_close(outputs, SCALE * embedding @ used.T + INITIAL_BIAS)
    assert_close(by_features, g @ used if logits == "dot" else through_length(f, g @ used))
    assert_close(by_bias, UPSTREAM.astype(np.float64).sum(axis=0))
    if not fixed:
        assert_close(by_vectors[0], g.T @ f if logits == "dot" else through_length(w, g.T @ embedding))


@every_norm
def test_the_gradient_of_a_learned_scale_is_that_of_its_exponential(norm):
    features = features_of(norm, "float32")
    head = head_under("float32", scale="learned")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head(features) * UPSTREAM)
    expected = (np.asarray(head(features), np.float64) * UPSTREAM).sum()  # d(e^v c)/dv = e^v c

    assert float(tape.gradient(loss, head.log_scale.value)) == pytest.approx(expected, rel=1e-5, abs=1e-30)


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
@every_norm
@every_head
def test_the_gradient_passed_to_earlier_layers_is_finite_or_the_step_skipped(policy, norm, logits, fixed):
    """Cast back to float16 under loss scaling: finite from length 1 up."""
    rounded = features_of(norm, policy)
    head = head_under(policy, logits=logits, fixed=fixed, scale=SCALE)
    with tf.GradientTape() as tape:
        tape.watch(rounded)
        loss = LOSS_SCALE * tf.reduce_mean(tf.reduce_sum(head(rounded) * UPSTREAM, axis=1))
    gradient = tape.gradient(loss, rounded)
    values = tf.cast(gradient, "float32").numpy()

    assert gradient.dtype == policy
    assert not np.isnan(values).any()  # at worst infinite, which the loss-scale optimizer detects
    if (norm >= 1.0 or policy == "bfloat16") and logits == "cos":
        assert np.isfinite(values).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("fixed", [True, False])
def test_no_weight_becomes_nan_in_a_float16_step(norm, fixed):
    """Either the step is taken, or the loss-scale optimizer skips it and halves its scale."""
    with precision_policy("float16"):
        inputs = keras.Input((DIM,))
        # an orthogonal layer keeps the length of its input
        x = keras.layers.Dense(DIM, use_bias=False, kernel_initializer=keras.initializers.Orthogonal(seed=1))(inputs)
        model = keras.Model(inputs, HypersphereHead(CLASSES, fixed=fixed, scale=10.0, bias="learned")(x))
        model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = model.get_weights()
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    scale = model.optimizer.initial_scale
    for _ in range(2):
        model.train_on_batch(features_of(norm, "float32").numpy(), np.arange(4))
    moved = any(not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))

    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert moved or float(model.optimizer.dynamic_scale.value) < scale
    if norm >= 1.0:
        assert moved


def test_zero_features_have_cosine_zero_and_the_gradient_of_their_floor():
    inputs = tf.zeros((2, DIM))
    head = head_under("float32")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(head(inputs)[:, 0])

    np.testing.assert_array_equal(head(inputs), np.zeros((2, CLASSES)))
    np.testing.assert_allclose(tape.gradient(loss, inputs), [class_vectors("uniform", CLASSES, DIM, 2)[0] / FLOOR] * 2,
                               rtol=1e-6)


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_a_per_layer_mixed_policy_also_computes_in_float32(policy):
    head = HypersphereHead(CLASSES, dtype=f"mixed_{policy}")
    outputs = head(features_of(300.0, policy))  # squared norms exceed float16's 65504

    assert head.compute_dtype == head.variable_dtype == keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert np.isfinite(outputs).all()
