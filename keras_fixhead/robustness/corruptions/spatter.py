"""Spatter: drops of water or mud on the lens."""
import numpy as np

from keras_fixhead.robustness.corruptions.edges import canny_edges, edge_distances, equalised
from keras_fixhead.robustness.corruptions.pixels import Images, Planes, blurred, normal_layer, truncated
from keras_fixhead.robustness.draws import Draws

_WATER = np.array([175, 238, 238], np.float32)
_MUD = np.array([63, 42, 20], np.float32)
_EDGE_THRESHOLDS = (50, 150)
_LARGEST_DISTANCE = 20.0
_RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
_LEAST_MUD = 0.8


def spatter(images: Images, draws: Draws, *, liquid_mean: float, liquid_sd: float, liquid_sigma_px: float,
            liquid_threshold: float, liquid: str, water_strength: float = 0.0,
            mud_mask_sigma_px: float = 0.0) -> Images:
    """Returns images seen through drops of water, which brighten them, or of mud, which covers them.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        liquid_mean, liquid_sd, liquid_sigma_px: of the blurred normal noise that drops are made from.
        liquid_threshold: noise below it does not become a drop.
        liquid: 'water' or 'mud'.
        water_strength: of the brightest drop, in [0, 1].
        mud_mask_sigma_px: standard deviation of the Gaussian that softens mud.

    Returns:
        uint8 array of the same shape.
    """
    layer = blurred(normal_layer(images, draws, liquid_mean, liquid_sd), liquid_sigma_px)
    layer[layer < liquid_threshold] = 0
    if liquid == "water":
        made = images.astype(np.float32)
        made += water_relief(layer)[..., None] * (np.float32(water_strength) * _WATER)
    else:
        mask = blurred((layer > liquid_threshold).astype(np.float32), mud_mask_sigma_px)[..., None]
        mask[mask < _LEAST_MUD] = 0
        made = images * (1 - mask) + mask * _MUD
    return truncated(made)


def water_relief(layer: Planes) -> Planes:
    """Returns how bright drops are, in [0, 1], from their thickness (N, H, W): lit from one side at their edges."""
    from scipy.ndimage import correlate, uniform_filter

    distances = edge_distances(canny_edges((255 * np.clip(layer, 0, 1)).astype(np.uint8), *_EDGE_THRESHOLDS),
                               _LARGEST_DISTANCE)
    smooth = truncated(uniform_filter(distances, (0, 3, 3), mode="mirror"))
    lit = correlate(equalised(smooth).astype(np.float32), _RELIEF[None], mode="mirror")
    relief = layer * np.rint(uniform_filter(np.clip(lit, 0, 255), (0, 3, 3), mode="mirror"))
    brightest = relief.max(axis=(1, 2), keepdims=True)
    return relief / np.where(brightest > 0, brightest, 1)
