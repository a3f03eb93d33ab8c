"""`weight_decay` is torch's c: the same trajectory as torch.optim.SGD(weight_decay=c, nesterov=True)."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fixhead.losses import cross_entropy
from keras_fixhead.models import build_model

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3)).astype("uint8")
LABELS = np.random.default_rng(1).integers(0, 5, 16)
LR, MOMENTUM, STEPS = 0.1, 0.9, 6


def build(**arguments):
    return build_model("resnet18", (16, 16, 3), 5, width=1 / 64, scale=4.0, **arguments)


def gradients(model):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(cross_entropy(LABELS, model(IMAGES, training=True)))
    return [each.numpy().astype(np.float64) for each in tape.gradient(loss, [w.value for w in model.trainable_weights])]


def torch_trajectory(decay_of, **arguments):
    """torch.optim.SGD according to its documentation: g += c w; v = mu v + g; w -= lr (g + mu v)."""
    model = build(**arguments)
    weights = [keras.ops.convert_to_numpy(weight).astype(np.float64) for weight in model.trainable_weights]
    velocities = [np.zeros_like(weight) for weight in weights]
    decays = [decay_of.get(weight.name, 0.0) for weight in model.trainable_weights]
    for _ in range(STEPS):
        for index, gradient in enumerate(gradients(model)):
            gradient += decays[index] * weights[index]
            velocities[index] = MOMENTUM * velocities[index] + gradient
            weights[index] -= LR * (gradient + MOMENTUM * velocities[index])
        for weight, value in zip(model.trainable_weights, weights, strict=True):
            weight.assign(value)
    return weights


def our_trajectory(**arguments):
    model = build(**arguments)
    model.compile(keras.optimizers.SGD(LR, momentum=MOMENTUM, nesterov=True), cross_entropy, jit_compile=False)
    model.fit(IMAGES, LABELS, batch_size=16, epochs=STEPS, shuffle=False, verbose=0)
    return model, [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]


@pytest.mark.parametrize("arguments, decay_of", [
    ({"weight_decay": 0.5}, {"kernel": 0.5}),
    ({"weight_decay": 0.5, "vector_weight_decay": 0.3, "fixed": False}, {"kernel": 0.5, "class_vectors": 0.3}),
    ({"weight_decay": 0.5, "fixed": False}, {"kernel": 0.5}),
], ids=["fixed", "learned, decayed", "learned"])
def test_training_follows_the_trajectory_of_torch(tiny, arguments, decay_of):
    """Within 1e-4 of the largest weight over 6 float32 steps; a decay ten times weaker, as in Keras, gives 0.2."""
    tiny()
    model, found = our_trajectory(**arguments)
    expected = torch_trajectory(decay_of, fixed=arguments.get("fixed", True))
    for weight, a, b in zip(model.trainable_weights, found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max(), err_msg=weight.path)


def test_the_comparison_detects_a_different_weight_decay(tiny):
    tiny()
    _, found = our_trajectory(weight_decay=0.5)
    expected = torch_trajectory({"kernel": 0.45})

    assert np.abs(found[0] - expected[0]).max() > 1e-2 * np.abs(expected[0]).max()
