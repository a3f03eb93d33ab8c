"""Frost, from generated textures."""
import functools

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.robustness.corruptions.pixels import Images, Planes, bilinear, truncated
from keras_fixhead.robustness.corruptions.weather import plasma
from keras_fixhead.robustness.draws import Draws

_TEXTURES = 5
_TEXTURE_SIDE = 1024
_NUMBER = 2**16
"""Identifies the draws of the textures: no corruption has this number."""


def frost(images: Images, draws: Draws, *, image_weight: float, frost_weight: float, texture_scale: float) -> Images:
    """Returns images under a layer of ice.

    Differs from the published corruption: the layer is cut from textures that are generated here. The published ones
    are photographs, whose licence does not allow copies. Accuracies are not comparable with those on published files.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        image_weight, frost_weight: of the image and of the layer; they need not sum to 1.
        texture_scale: size of the textures, 1 for images of 224 pixels.

    Returns:
        uint8 array of the same shape.
    """
    height, width = images.shape[1:3]
    layers = textures(texture_scale)
    side = layers[0].shape[0]
    if side < max(height, width):  # larger images than the scale is meant for
        layers = textures(max(1.0, max(height, width) / _TEXTURE_SIDE))
        side = layers[0].shape[0]
    chosen = draws.integers(1, 0, _TEXTURES)[:, 0]
    rows = draws.integers(1, 0, max(1, side - height), first=1)[:, 0]
    columns = draws.integers(1, 0, max(1, side - width), first=2)[:, 0]
    made = images * np.float32(image_weight)
    for out, number, row, column in zip(made, chosen.tolist(), rows.tolist(), columns.tolist(), strict=True):
        out += layers[number][row : row + height, column : column + width] * np.float32(frost_weight)
    return truncated(made)


@functools.lru_cache(3)
def textures(scale: float) -> tuple[NDArray[np.uint8], ...]:
    """Returns the five textures at a scale, uint8, (S, S, 3) each: fine crystals that thicken to patches of ice."""
    smooth, rough = (plasma(_texture_draws(kind), _TEXTURE_SIDE, decay) for kind, decay in ((0, 1.7), (1, 1.35)))
    ridges = 1 - np.abs(2 * rough - 1)  # bright lines where the map crosses its middle
    ice = np.clip(1.4 * smooth + 0.1, 0, 1) * (0.5 + 0.5 * ridges**2)
    tint = np.array([225, 238, 255], np.float32)
    layers = truncated((ice[..., None] * tint + np.float32(20)).astype(np.float32))
    return tuple(_scaled(layer, scale) for layer in layers)


def _texture_draws(kind: int) -> Draws:
    return Draws(_NUMBER, seed=0, severity=kind, indices=np.arange(_TEXTURES))


def _scaled(layer: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The layer at another scale, read bilinearly without smoothing, as the published textures are."""
    if scale == 1:
        return layer
    side = round(len(layer) * scale)
    positions = ((np.arange(side) + 0.5) / scale - 0.5).astype(np.float32)
    rows, columns = (each[None] for each in np.meshgrid(positions, positions, indexing="ij"))
    values: Planes = layer.transpose(2, 0, 1)[:, None].astype(np.float32)
    return truncated(bilinear(values, rows, columns, "nearest"))[:, 0].transpose(1, 2, 0).copy()
