"""Image corruptions on uint8 batches, after Hendrycks and Dietterich (2019), "Benchmarking Neural Network Robustness to
Common Corruptions and Perturbations", arXiv:1903.12261.

Each is a function of the images and the parameters of its strength. As in the published scripts, the result is clipped
to [0, 255] and truncated, not rounded, to 8 bits. Randomness depends on (seed, severity, index of the image), not on
the batch.
"""
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_fixhead.vectors.hashing import CORRUPTION_STREAM, stream_key, words

Images = NDArray[np.uint8]

_IMPULSE_NOISE = 1  # identifies this use of the corruption stream; never reuse a number


def impulse_noise(images: Images, *, flipped_fraction: float, seed: int, severity: int,
                  indices: NDArray[np.intp]) -> Images:
    """Returns images with salt-and-pepper noise on single channel values.

    Every channel value independently becomes 0 with probability p / 2 and 255 with probability p / 2.

    Args:
        images: uint8, shape (N, H, W, 3).
        flipped_fraction: p in [0, 1].
        seed: seed of the noise.
        severity: makes the noise of one severity independent of another's.
        indices: indices of the images, shape (N,).

    Returns:
        uint8 array of the same shape.

    Example:
        >>> grey = np.full((1, 8, 8, 3), 100, np.uint8)
        >>> noisy = impulse_noise(grey, flipped_fraction=1.0, seed=0, severity=1, indices=np.array([0]))
        >>> np.unique(noisy).tolist()
        [0, 255]
    """
    key = stream_key(seed, CORRUPTION_STREAM, _IMPULSE_NOISE, severity)
    values = int(np.prod(images.shape[1:]))
    drawn = words(key, indices, np.arange(values)).reshape(images.shape).astype(np.uint64)
    pepper, noise = (np.uint64(round(share * 2**32)) for share in (flipped_fraction / 2, flipped_fraction))
    return np.where(drawn < pepper, np.uint8(0), np.where(drawn < noise, np.uint8(255), images))


def jpeg_compression(images: Images, *, quality: int, seed: int = 0, severity: int = 0,
                     indices: NDArray[np.intp] | None = None) -> Images:
    """Returns images encoded and decoded as JPEG: 4:2:0 chroma, standard tables.

    Args:
        images: uint8, shape (N, H, W, 3).
        quality: 1 to 95.
        seed, severity, indices: not used; nothing is random.

    Returns:
        uint8 array of the same shape. Other builds of libjpeg may differ by a level.

    Example:
        >>> jpeg_compression(np.full((1, 8, 8, 3), 100, np.uint8), quality=10).shape
        (1, 8, 8, 3)
    """

    def through_jpeg(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file).convert("RGB"))

    with ThreadPoolExecutor() as pool:  # Pillow releases the interpreter lock while it encodes and decodes
        return np.stack(list(pool.map(through_jpeg, images)))


def defocus_blur(images: Images, *, disk_radius_px: float, antialias_sigma_px: float, seed: int = 0, severity: int = 0,
                 indices: NDArray[np.intp] | None = None) -> Images:
    """Returns images blurred by a disk that is itself smoothed by a Gaussian.

    Args:
        images: uint8, shape (N, H, W, 3).
        disk_radius_px: radius of the disk in pixels.
        antialias_sigma_px: standard deviation of the Gaussian in pixels.
        seed, severity, indices: not used; nothing is random.

    Returns:
        uint8 array of the same shape.

    Example:
        >>> white = np.full((1, 8, 8, 3), 255, np.uint8)
        >>> int(defocus_blur(white, disk_radius_px=1, antialias_sigma_px=0.1).min()) >= 254
        True
    """
    from scipy.ndimage import correlate  # half a second to import

    kernel = disk_kernel(disk_radius_px, antialias_sigma_px)
    # 'mirror' is the scripts' border: the edge pixel is not repeated
    blurred = correlate(images / 255.0, kernel[None, :, :, None], mode="mirror")
    return (np.clip(blurred, 0.0, 1.0) * 255.0).astype(np.uint8)


def disk_kernel(radius: float, sigma: float) -> NDArray[np.float64]:
    """Returns the blur kernel of a disk: its indicator on an integer grid, divided by its sum, smoothed by a Gaussian.

    Radii up to 8 use a grid of 17 x 17 and a Gaussian of 3 taps, larger ones a grid that just fits them and 5 taps. The
    smoothing mirrors at the grid's edge, so the sum exceeds 1 if the disk reaches it (by 1.3 % at radius 8), as in the
    published scripts. Margins of zeros are cut off.

    Example:
        >>> disk_kernel(1, 0.01).tolist()
        [[0.0, 0.2, 0.0], [0.2, 0.2, 0.2], [0.0, 0.2, 0.0]]
    """
    from scipy.ndimage import correlate1d

    reach, taps = (8, 3) if radius <= 8 else (int(radius), 5)
    grid = np.arange(-reach, reach + 1)
    disk = (grid[:, None] ** 2 + grid[None, :] ** 2 <= radius**2).astype(np.float64)
    offsets = np.arange(taps) - taps // 2
    gaussian = np.exp(-(offsets**2) / (2 * sigma**2))
    gaussian /= gaussian.sum()
    smoothed = disk / disk.sum()
    for axis in (0, 1):
        smoothed = correlate1d(smoothed, gaussian, axis=axis, mode="mirror")
    used = np.flatnonzero(smoothed.max(axis=0) > 1e-12)
    margin = int(used[0]) if len(used) else 0
    return smoothed[margin : len(grid) - margin, margin : len(grid) - margin]
