"""Margins in float64 NumPy, computed with arccos, and random cosines to compare them at."""
import numpy as np
import pytest

from keras_fixhead.losses import ArcFace, CosFace, arcface, cosface

CLASSES = 6
LARGEST_SLOPE = 710  # of arccos at cosines up to 1 - 1e-6: 1 / sqrt(2e-6) = 707, plus 1 of the cosine itself
MARGINS = {CosFace: [0.0, 0.1, 0.35, 1.5], ArcFace: [0.0, 0.1, 0.5, 1.5]}
TRANSFORMS = {CosFace: cosface, ArcFace: arcface}

every_loss = pytest.mark.parametrize("loss_class", [CosFace, ArcFace])
every_scale = pytest.mark.parametrize("scale", [1.0, 30.0, 64.0])
every_smoothing = pytest.mark.parametrize("smoothing", [0.0, 0.1])
loss_and_margin = pytest.mark.parametrize("loss_class, margin", [(loss, margin) for loss, margins in MARGINS.items()
                                                                for margin in margins])


def with_margin(loss_class, cosine, margin):
    """Returns psi(cosine) in float64, by computing the angle and adding the margin to it."""
    if loss_class is CosFace:
        return cosine - margin
    angle = np.arccos(cosine) + margin
    return np.where(angle < np.pi, np.cos(angle), cosine - margin * np.sin(margin))


def reference_logits(loss_class, labels, logits, scale, margin):
    changed = logits.astype(np.float64)
    rows = np.arange(len(labels))
    changed[rows, labels] = scale * with_margin(loss_class, changed[rows, labels] / scale, margin)
    return changed


def reference_loss(loss_class, labels, logits, scale, margin, smoothing=0.0):
    """Returns the cross-entropy with the smoothed target, -sum target x log softmax, of the logits with a margin."""
    logits = reference_logits(loss_class, labels, logits, scale, margin)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    targets = (1 - smoothing) * np.eye(logits.shape[1])[labels] + smoothing / logits.shape[1]
    return -(targets * log_softmax).sum(axis=1)


def differences(function, point, step=1e-6):
    """Returns the gradient of a float64 function's sum by central differences, accurate to about 1e-9."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        there, back = point.copy(), point.copy()
        there[index] += step
        back[index] -= step
        gradient[index] = (function(there).sum() - function(back).sum()) / (2 * step)
    return gradient


def value_and_gradient(function, variable):
    import tensorflow as tf

    variable = tf.convert_to_tensor(variable)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = function(variable)
    return value.numpy(), tape.gradient(value, variable).numpy()


def some_cosines(largest=0.99, rows=40, seed=0):
    """Returns random labels and cosines up to 0.99, where arccos has a slope of at most 7: rounding stays small."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, CLASSES, rows).astype("int32")
    return labels, draw.uniform(-largest, largest, (rows, CLASSES)).astype("float32")


def some_logits(scale=30.0, rows=40):
    labels, cosines = some_cosines(rows=rows)
    return labels, np.float32(scale) * cosines
