"""Scales, biases, the learning rate of class vectors, and the limits that S sets."""
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import INITIAL_BIAS, HypersphereHead
from keras_fixhead.losses import ArcFace
from keras_fixhead.vectors import adacos_scale, ceiling, class_vectors, loss_optimum, scale_warning

CLASSES, DIM = 5, 16
FEATURES = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
LABELS = np.arange(6) % CLASSES
SCHEDULE = keras.optimizers.schedules.PolynomialDecay(1.0, 4, 9.0)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def model_with(lr=0.1, **arguments):
    inputs = keras.Input((DIM,))
    model = keras.Model(inputs, HypersphereHead(CLASSES, name="head", **arguments)(inputs))
    model.compile(keras.optimizers.SGD(lr), LOSS)
    return model


def scale_of(head):
    return float(keras.ops.convert_to_numpy(head.current_scale()))


def test_auto_uses_the_adacos_formula_and_logs_why(caplog, capfd):
    caplog.set_level("INFO", logger="keras_fixhead.head")
    head = HypersphereHead(100, scale="auto")

    assert head.scale == head.get_config()["scale"] == pytest.approx(np.sqrt(2) * np.log(99))
    assert ["sqrt(2) ln(m - 1)) = 6.498 for m = 100" in each for each in caplog.messages] == [True]
    HypersphereHead.from_config(head.get_config())
    assert len(caplog.messages) == 1  # already a number
    assert capfd.readouterr() == ("", "")


def test_auto_is_at_least_1():
    assert HypersphereHead(2, scale="auto").scale == HypersphereHead(3, scale="auto").scale == 1.0


@pytest.mark.parametrize("lr", [0.1, 1e3])
def test_a_learned_scale_starts_at_auto_changes_and_stays_positive(lr):
    model = model_with(scale="learned", lr=lr)
    head = model.get_layer("head")
    assert scale_of(head) == pytest.approx(adacos_scale(CLASSES))
    model.fit(FEATURES, LABELS, verbose=0)

    assert scale_of(head) != pytest.approx(adacos_scale(CLASSES))
    for log_scale in (head.log_scale.value, -1e4, 1e4):
        head.log_scale.assign(log_scale)
        assert 0 < scale_of(head) < np.inf


def test_a_schedule_advances_only_in_training_calls(tmp_path):
    model = model_with(scale=SCHEDULE)
    head = model.get_layer("head")
    seen = [scale_of(head)]
    model.predict(FEATURES, verbose=0)
    model.evaluate(FEATURES, LABELS, verbose=0)
    seen.append(scale_of(head))
    model.fit(FEATURES, LABELS, batch_size=3, verbose=0)  # two steps
    seen.append(scale_of(head))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    seen.append(scale_of(loaded.get_layer("head")))
    model.fit(FEATURES, LABELS, batch_size=1, verbose=0)  # six more: the schedule ends at four
    seen.append(scale_of(head))

    assert seen == pytest.approx([1.0, 1.0, 3.0, 3.0, 9.0])  # at steps 0, 0, 1, 1 and 7, the last one past the end
    np.testing.assert_allclose(head(FEATURES), 9.0 * head.cosines(FEATURES), rtol=1e-6)


def test_a_margin_uses_the_scale_of_its_own_step():
    for scale, numbers in ((SCHEDULE, (1.0, 3.0)), ("learned", (adacos_scale(CLASSES),))):
        model = model_with(scale=scale, lr=0.0)
        head = model.get_layer("head")
        model.compile(keras.optimizers.SGD(0.0), ArcFace(0.5, scale=head.current_scale))
        for number in numbers:
            expected = float(ArcFace(0.5, scale=number)(LABELS, number * head.cosines(FEATURES)))
            assert float(model.train_on_batch(FEATURES, LABELS)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf"), "1", "large", None, True, [3.0]])
def test_an_invalid_scale_is_refused(scale):
    with pytest.raises(ArgumentError, match="scale must be a positive number, 'auto', 'learned' or a schedule, got"):
        HypersphereHead(CLASSES, scale=scale)


def test_integers_and_numpy_numbers_are_valid_scales():
    for scale in (3, np.float32(3), np.int64(3)):
        assert HypersphereHead(CLASSES, scale=scale).scale == 3.0


@pytest.mark.parametrize("bias", ["fixed", "learned"])
def test_a_bias_starts_at_0_01_and_is_added_after_scaling(bias):
    head, without = HypersphereHead(CLASSES, scale=50.0, bias=bias), HypersphereHead(CLASSES, scale=50.0, bias=None)

    np.testing.assert_allclose(head(FEATURES) - without(FEATURES), INITIAL_BIAS, atol=1e-5)
    assert without.get_config()["bias"] == "none"


def test_a_fixed_bias_leaves_probabilities_unchanged_and_a_learned_one_trains():
    fixed, learned, none = (model_with(bias=bias) for bias in ("fixed", "learned", "none"))
    np.testing.assert_allclose(keras.ops.softmax(fixed(FEATURES)), keras.ops.softmax(none(FEATURES)), atol=1e-6)
    for model in (fixed, learned):
        model.fit(FEATURES, LABELS, verbose=0)

    np.testing.assert_array_equal(fixed.get_layer("head").bias, np.full(CLASSES, INITIAL_BIAS, np.float32))
    assert np.abs(learned.get_layer("head").bias - INITIAL_BIAS).min() > 0


@pytest.mark.parametrize("arguments, message", [
    ({"bias": "free"}, "bias must be one of none, fixed, learned, got 'free'"),
    ({"vector_lr": 1.1}, r"vector_lr must be in \[0, 1\], got 1.1"),
    ({"vector_lr": -0.1}, r"vector_lr must be in \[0, 1\]"),
    ({"vector_lr": float("nan")}, r"vector_lr must be in \[0, 1\], got nan"),
    ({"vector_weight_decay": -1}, "vector_weight_decay must be 0 or a positive number, got -1"),
])
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        HypersphereHead(CLASSES, **arguments)


def by_numpy(vectors, *, lr, decay, steps, momentum):
    """SGD with Nesterov momentum on dot logits in float64, including the gradient of the L2 penalty."""
    w, velocity = vectors.astype(np.float64), 0.0
    f = FEATURES.astype(np.float64)
    for _ in range(steps):
        z = 2.0 * f @ w.T
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = 2.0 * (p - np.eye(CLASSES)[LABELS]).T @ f / len(f) + decay * w
        velocity = momentum * velocity - lr * gradient
        w = w + momentum * velocity - lr * gradient
    return w


@pytest.mark.parametrize("vector_lr", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_vector_lr_multiplies_the_learning_rate_of_sgd(vector_lr, decay):
    model = model_with(logits="dot", fixed=False, scale=2.0, vector_lr=vector_lr, vector_weight_decay=decay)
    model.compile(keras.optimizers.SGD(0.2, momentum=0.9, nesterov=True), LOSS)
    model.fit(FEATURES, LABELS, batch_size=6, epochs=5, shuffle=False, verbose=0)
    drawn = class_vectors("uniform", CLASSES, DIM)
    expected = by_numpy(drawn, lr=0.2 * vector_lr, decay=decay, steps=5, momentum=0.9)

    np.testing.assert_allclose(model.get_layer("head").class_vectors, expected, atol=2e-6)
    if vector_lr == 0:
        np.testing.assert_array_equal(model.get_layer("head").class_vectors, drawn)


@pytest.mark.parametrize("logits", ["cos", "dot"])
def test_vector_lr_does_not_change_the_logits(logits):
    heads = [HypersphereHead(CLASSES, logits=logits, fixed=False, scale=9.0, vector_lr=lr) for lr in (0.0, 0.3, 1.0)]

    np.testing.assert_array_equal(heads[0](FEATURES), heads[2](FEATURES))
    np.testing.assert_array_equal(heads[1](FEATURES), heads[2](FEATURES))


@pytest.mark.parametrize("num_classes, probability, loss", [(10, 0.4509, 0.7966), (100, 0.06945, 2.6671),
                                                           (200, 0.03580, 3.3298)])
def test_limits_include_the_papers_ceiling(num_classes, probability, loss):
    head = HypersphereHead(num_classes)
    head.build((None, 256))
    limits = head.limits()

    assert limits.ceiling_probability == pytest.approx(probability, rel=2e-4)
    assert limits.ceiling_loss == pytest.approx(loss, rel=2e-4)
    assert limits.largest_probability < limits.ceiling_probability and limits.smallest_loss > limits.ceiling_loss
    assert limits.reachable_cosine == 1.0


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_trained_features_never_go_below_the_smallest_loss(signed, scale):
    """One free feature vector per class, trained by Adam, approaches the smallest loss but never goes below it."""
    head = HypersphereHead(8, scale=scale, seed=4)
    free = keras.Variable(np.abs(np.random.default_rng(0).normal(size=(8, 12))).astype("float32"))
    head.build((None, 12))
    limits = head.limits(signed_features=signed)
    optimizer = keras.optimizers.Adam(0.05)
    losses = []
    import tensorflow as tf

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = LOSS(np.arange(8), head(free.value if signed else tf.nn.relu(free.value)))
        optimizer.apply_gradients([(tape.gradient(loss, free.value), free)])
        return loss

    losses = [float(step()) for _ in range(400)]
    assert min(losses) >= limits.smallest_loss - 1e-6
    assert min(losses) <= 2 * limits.smallest_loss
    optimum = loss_optimum(keras.ops.convert_to_numpy(head.class_vectors), scale, signed_features=signed)
    assert limits.largest_probability == pytest.approx(optimum.probability.max())


def test_limits_are_refused_for_dot_logits_and_layers_without_vectors():
    with pytest.raises(ArgumentError, match="Dot logits have no limit"):
        HypersphereHead(CLASSES, logits="dot").limits()
    with pytest.raises(ArgumentError, match="no class vectors yet"):
        HypersphereHead(CLASSES).limits()


@pytest.mark.parametrize("num_classes, scale, fixed, warned", [
    (10, 1.0, True, False), (200, 1.0, True, False), (10, 1.0, False, True), (100, 1.0, False, True),
    (100, 4.0, False, True), (100, 30.0, False, False), (1000, 64.0, False, False), (2, 1.0, False, False),
    (3, 1.0, False, False), (10, 1000.0, True, True), (10, 1000.0, False, True), (10, 64.0, True, False),
])
def test_a_scale_known_to_perform_badly_gives_a_warning(num_classes, scale, fixed, warned):
    assert (scale_warning(num_classes, scale, fixed=fixed) is not None) == warned


def test_the_warning_threshold_is_where_a_simplex_gives_probability_one_half():
    """At S m / (m - 1) = ln(m - 1), the true class of a simplex has probability 1 / 2."""
    for m in (5, 10, 100):
        scale = np.log(m - 1) * (m - 1) / m
        own, others = np.exp(scale), (m - 1) * np.exp(-scale / (m - 1))

        assert own / (own + others) == pytest.approx(0.5)
        assert scale_warning(m, scale * 0.999, fixed=False) and not scale_warning(m, scale * 1.001, fixed=False)


def test_two_classes_also_have_a_ceiling():
    assert ceiling(2, 1.0)[0] == pytest.approx(1 / (1 + np.exp(-2)))
    with pytest.raises(ArgumentError, match="at least 2"):
        ceiling(1, 1.0)


WARNED = """
import sys
import warnings
import keras, keras_fixhead
import numpy as np

def model_of(**arguments):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras_fixhead.HypersphereHead(10, **arguments)(inputs))

for arguments in ({"fixed": False}, {"fixed": False}, {"fixed": True}, {"fixed": False, "logits": "dot"}):
    model_of(**arguments)
model = model_of(fixed=False)
for again in range(2):
    warnings.simplefilter("default")  # clears Python's record of warnings given
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        keras.models.clone_model(model)
        model.save(sys.argv[1] + "/m.keras")
        keras.models.load_model(sys.argv[1] + "/m.keras")(np.zeros((1, 4), "float32"))
        model.export(sys.argv[1] + "/exported", verbose=False)
"""


def test_the_warning_is_given_once_per_process(tmp_path):
    done = subprocess.run([sys.executable, "-c", WARNED, str(tmp_path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("FixheadWarning: Learned class vectors with cosine logits and S = 1") == 1
    assert done.stderr.count("FixheadWarning: ") == 1  # the rest is the source line
