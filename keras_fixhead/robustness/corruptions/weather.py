"""Snow and fog."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.robustness.corruptions.blur import moved
from keras_fixhead.robustness.corruptions.pixels import (
    LUMA,
    Images,
    Planes,
    along_sides,
    normal_layer,
    truncated,
    zoom_matrix,
)
from keras_fixhead.robustness.draws import Draws


def snow(images: Images, draws: Draws, *, flake_mean: float, flake_sd: float, flake_zoom: float, flake_threshold: float,
         streak_radius_px: int, streak_sigma_px: float, image_retention: float) -> Images:
    """Returns images whitened and covered with falling flakes.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        flake_mean, flake_sd: of the normal noise that flakes are made from, in units of white.
        flake_zoom: enlargement of the noise.
        flake_threshold: noise below it does not become a flake.
        streak_radius_px, streak_sigma_px: of the motion blur of the flakes, at an angle of -135 to -45 degrees.
        image_retention: weight of the image against its whitened form.

    Returns:
        uint8 array of the same shape.
    """
    height, width = images.shape[1:3]
    layer = normal_layer(images, draws, flake_mean, flake_sd)
    layer = along_sides(zoom_matrix(height, flake_zoom), zoom_matrix(width, flake_zoom), layer)
    layer[layer < flake_threshold] = 0
    angles = draws.uniforms(1, first=height * width, low=-135, high=-45)[:, 0]
    layer = moved(truncated(255 * layer)[..., None], angles, streak_radius_px, streak_sigma_px)
    flakes = np.rint(layer)  # the blurred layer has 8 bits
    flakes += flakes[:, ::-1, ::-1]
    grey = (images @ LUMA)[..., None] * np.float32(1.5) + np.float32(127.5)
    made = np.maximum(images, grey)
    made *= np.float32(1 - image_retention)
    made += images * np.float32(image_retention)
    made += flakes
    return truncated(made)


def fog(images: Images, draws: Draws, *, strength: float, roughness_decay: float) -> Images:
    """Returns images under a haze of random thickness; a black image stays black.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        strength: thickest haze, in units of white.
        roughness_decay: how much smoother the haze is at each finer scale.

    Returns:
        uint8 array of the same shape.
    """
    height, width = images.shape[1:3]
    side = 1 << (max(height, width, 2) - 1).bit_length()
    haze = plasma(draws, side, roughness_decay)[:, :height, :width, None]
    largest = images.reshape(len(images), -1).max(axis=1).astype(np.float32)[:, None, None, None]
    kept = largest / (largest + np.float32(255 * strength))
    made = images * kept
    made += haze * (np.float32(255 * strength) * kept)
    return truncated(made)


def plasma(draws: Draws, side: int, roughness_decay: float) -> Planes:
    """Returns smooth random maps by the diamond-square method on a torus, float32 in [0, 1], shape (N, side, side).

    A new point is the mean of four known ones plus noise in [-w^2, w^2]; w starts at 100 and is divided by
    `roughness_decay` when the distance between points is halved.

    Args:
        draws: draws of the images.
        side: a power of two.
        roughness_decay: at least 1.
    """
    uniforms = draws.uniforms(side * side - 1, low=-1, high=1)
    maps = np.zeros((len(uniforms), side, side), np.float32)
    step, w, used = side, 100.0, 0
    while step > 1:
        half = step // 2
        corners = maps[:, ::step, ::step]
        centres, tops, lefts = (maps[:, half::step, half::step], maps[:, ::step, half::step],
                                maps[:, half::step, ::step])
        points = corners[0].size
        noise = uniforms[:, used : used + 3 * points].reshape(-1, 3, *corners.shape[1:]) * np.float32(w * w)
        below = corners + _next(corners, 1)
        centres[...] = (below + _next(below, 2)) / 4 + noise[:, 0]
        tops[...] = (centres + _next(centres, 1, -1) + corners + _next(corners, 2)) / 4 + noise[:, 1]
        lefts[...] = (centres + _next(centres, 2, -1) + below) / 4 + noise[:, 2]
        step, w, used = half, w / roughness_decay, used + 3 * points
    maps -= maps.min(axis=(1, 2), keepdims=True)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    return maps


def _next(values: NDArray[np.float32], axis: int, step: int = 1) -> NDArray[np.float32]:
    """The neighbours along an axis; the last one's is the first."""
    return np.roll(values, -step, axis=axis)
