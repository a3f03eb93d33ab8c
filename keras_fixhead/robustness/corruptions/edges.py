"""Edges, distances to them and equalised histograms of batches of grey images, as OpenCV defines them.

Spatter needs them. Written for batches; agrees with OpenCV to a grey level.
"""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.robustness.corruptions.pixels import Images, Planes

_STRAIGHT, _DIAGONAL, _KNIGHT = 1.0, 1.4, 2.1969
"""Lengths of steps of the 5 x 5 distance transform."""
_FAR = 1e6
_TAN_22 = float(np.tan(np.pi / 8))


def canny_edges(images: Images, low: int, high: int) -> NDArray[np.bool_]:
    """Returns the edges of grey images (N, H, W): Sobel gradients, thinned, followed from strong to weak ones.

    Reference: Canny (1986), A Computational Approach to Edge Detection, IEEE PAMI 8.
    """
    from scipy.ndimage import label

    padded = np.pad(images.astype(np.int32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    columns = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    across, down = rows[:, :, 2:] - rows[:, :, :-2], columns[:, 2:] - columns[:, :-2]
    size = np.abs(across) + np.abs(down)

    around = np.pad(size, ((0, 0), (1, 1), (1, 1)))

    def at(row: int, column: int) -> NDArray[np.int32]:
        return around[:, 1 + row : 1 + row + size.shape[1], 1 + column : 1 + column + size.shape[2]]

    flat = np.abs(down) < _TAN_22 * np.abs(across)
    steep = np.abs(down) > (_TAN_22 + 2) * np.abs(across)
    rising = (across ^ down) < 0
    ridge = np.where(flat, (size > at(0, -1)) & (size >= at(0, 1)), np.where(
        steep, (size > at(-1, 0)) & (size >= at(1, 0)), np.where(
            rising, (size > at(-1, 1)) & (size > at(1, -1)), (size > at(-1, -1)) & (size > at(1, 1)))))
    weak = ridge & (size > low)
    within = np.zeros((3, 3, 3), bool)
    within[1] = True  # neighbours are in the same image
    parts, count = label(weak, within)
    strong = np.zeros(count + 1, bool)
    strong[np.unique(parts[weak & (size > high)])] = True
    strong[0] = False
    found: NDArray[np.bool_] = strong[parts]
    return found


def edge_distances(edges: NDArray[np.bool_], largest: float) -> Planes:
    """Returns each pixel's distance from the nearest edge pixel of its image, at most `largest`, float32, (N, H, W).

    Distances are the shortest paths over steps to 16 neighbours.

    Reference: Borgefors (1986), Distance Transformations in Digital Images, CVGIP 34.
    """
    distances = np.where(edges, 0.0, _FAR)
    for _ in range(2):  # from the top left, then from the bottom right
        _sweep(distances)
        distances = distances[:, ::-1, ::-1]
    return np.minimum(distances, largest).astype(np.float32)


def _sweep(distances: NDArray[np.float64]) -> None:
    count, height, width = distances.shape
    padded = np.full((count, height + 2, width + 4), _FAR)
    steps = np.arange(width) * _STRAIGHT
    for row in range(height):
        above, further = padded[:, row + 1], padded[:, row]
        best = distances[:, row]
        for source, first, length in ((above, 2, _STRAIGHT), (above, 1, _DIAGONAL), (above, 3, _DIAGONAL),
                                      (above, 0, _KNIGHT), (above, 4, _KNIGHT), (further, 1, _KNIGHT),
                                      (further, 3, _KNIGHT)):
            np.minimum(best, source[:, first : first + width] + length, out=best)
        best[...] = np.minimum.accumulate(best - steps, axis=1) + steps  # steps from the left neighbour
        padded[:, row + 2, 2:-2] = best


def equalised(images: Images) -> Images:
    """Returns grey images (N, H, W) with equalised histograms; an image of one value is unchanged."""
    count, pixels = len(images), images[0].size
    flat = images.reshape(count, pixels).astype(np.int64)
    histogram = np.bincount((flat + 256 * np.arange(count)[:, None]).ravel(), minlength=256 * count).reshape(count, 256)
    lowest = flat.min(axis=1)
    fewest = histogram[np.arange(count), lowest]
    single = fewest == pixels
    below = np.cumsum(histogram, axis=1) - fewest[:, None]
    table = np.rint(below * (255 / np.where(single, 1, pixels - fewest))[:, None])
    table = np.where(single[:, None], np.arange(256), np.clip(table, 0, 255)).astype(np.uint8)
    return np.take_along_axis(table, flat, axis=1).reshape(images.shape)
