"""Elastic distortion."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.robustness.corruptions.pixels import Images, Planes, bilinear, blurred, images_from, planes
from keras_fixhead.robustness.draws import Draws


def elastic_transform(images: Images, draws: Draws, *, displacement_px: float, smoothing_sigma_px: float,
                      affine_jitter_px: float) -> Images:
    """Returns images stretched and sheared at random, then distorted by smooth random displacements.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        displacement_px: factor on the smoothed displacements, which are in [-1, 1] before smoothing; 0 for none.
        smoothing_sigma_px: standard deviation of the Gaussian that smooths them.
        affine_jitter_px: largest move, along each side, of the three points that define the affine map.

    Returns:
        uint8 array of the same shape.
    """
    count, height, width, _ = images.shape
    made = bilinear(planes(images), *_affine_positions(draws, height, width, affine_jitter_px), "mirror")
    if displacement_px:
        fields = draws.uniforms(2 * height * width, first=6, low=-1, high=1).reshape(count, 2, height, width)
        fields = blurred(fields, smoothing_sigma_px, truncate=3.0, border="reflect")
        fields *= np.float32(displacement_px)
        rows, columns = _grid(height, width)
        made = bilinear(made, fields[:, 1] + rows, fields[:, 0] + columns, "reflect")
    return images_from(made)


def _affine_positions(draws: Draws, height: int, width: int, jitter: float) -> tuple[Planes, Planes]:
    """Where each pixel comes from: the inverse of the map that moves three points around the middle."""
    middle, reach = np.array([width // 2, height // 2]), min(height, width) // 3
    points = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])  # (column, row)
    moved = points + draws.uniforms(6, low=-jitter, high=jitter).reshape(-1, 3, 2).astype(np.float64)
    extended = np.concatenate([moved, np.ones((len(moved), 3, 1))], axis=2)
    inverse = np.linalg.solve(extended, np.broadcast_to(points, moved.shape).astype(np.float64))  # (N, 3, 2)
    rows, columns = _grid(height, width)
    columns_from, rows_from = (
        (inverse[:, 0, axis, None, None] * columns + inverse[:, 1, axis, None, None] * rows
         + inverse[:, 2, axis, None, None]).astype(np.float32) for axis in (0, 1))
    return rows_from, columns_from


def _grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
