"""The loss of features under class vectors, from all logits, in float64 NumPy with gradients written out."""
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reference:
    """Loss (N,), its gradients by features (N, d) and by the scale (N,); own and largest other logit (N,).

    `parts` (N,) is the sum of the absolute values of the gradient by cosines, divided by |f|: the size of the numbers
    that the gradient by features is a sum of. They cancel where features lie on a class vector, or vectors are equal.
    """

    loss: np.ndarray
    by_features: np.ndarray
    by_scale: np.ndarray
    own: np.ndarray
    highest: np.ndarray
    parts: np.ndarray


def dense_loss(features, vectors, labels, *, logits="cos", scale=1.0, margin="none", size=0.0, smoothing=0.0):
    """loss = logsumexp(z) - (1 - e) z_y - e mean(z), so dz = p - (1 - e) onehot - e / m; then the chain rule."""
    x, W, rows = np.asarray(features, np.float64), np.asarray(vectors, np.float64), np.arange(len(labels))
    length = np.linalg.norm(x, axis=1, keepdims=True) if logits == "cos" else np.ones((len(x), 1))
    u = x / length
    c = u @ W.T
    own = c[rows, labels].copy()
    moved, slope = _with_margin(own, margin, size)
    plain = scale * c
    c[rows, labels] = moved
    z = scale * c
    others = plain.copy()
    others[rows, labels] = -np.inf
    log_total = np.logaddexp.reduce(others, axis=1)
    loss = np.logaddexp(0, log_total - z[rows, labels]) + smoothing * (z[rows, labels] - z.mean(axis=1))
    p = np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])
    dz = p - smoothing / z.shape[1]
    dz[rows, labels] = (-np.exp(-np.logaddexp(0, z[rows, labels] - log_total))  # p - 1, without cancellation
                        + smoothing - smoothing / z.shape[1])
    by_scale = (dz * c).sum(axis=1)
    dc = scale * dz
    dc[rows, labels] *= slope
    du = dc @ W
    dx = (du - u * (u * du).sum(axis=1, keepdims=True)) / length if logits == "cos" else du
    return Reference(loss, dx, by_scale, plain[rows, labels], others.max(axis=1), np.abs(dc / length).sum(axis=1))


def _with_margin(cosine, margin, size):
    """The cosine with a margin, and its slope."""
    if margin == "cosface":
        return cosine - size, np.ones_like(cosine)
    if margin == "arcface":
        clipped = np.clip(cosine, -1 + 1e-6, 1 - 1e-6)
        inside = cosine > -np.cos(size)
        angle = np.arccos(clipped)
        moved = np.where(inside, np.cos(angle + size), cosine - size * np.sin(size))
        return moved, np.where(inside, np.sin(angle + size) / np.sin(angle), 1.0)
    return cosine.copy(), np.ones_like(cosine)
