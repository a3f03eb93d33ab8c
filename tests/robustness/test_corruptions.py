"""Each corruption compared with a slow reference, and its strengths."""
import io

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness import SEVERITIES, SUITES, corrupt, severity_parameters
from keras_fixhead.robustness.corruptions.blur import defocus_blur, disk_kernel
from keras_fixhead.robustness.corruptions.digital import jpeg_compression, pixelate
from keras_fixhead.robustness.corruptions.noise import impulse_noise
from keras_fixhead.robustness.draws import Draws

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype("uint8")
GREY = np.full((200, 32, 32, 3), 100, np.uint8)


def noise(images, fraction=0.2, seed=0, severity=1, indices=None):
    draws = Draws(1, seed, severity, np.arange(len(images)) if indices is None else indices)
    return impulse_noise(images, draws, flipped_fraction=fraction)


# names and strengths

@pytest.mark.parametrize("arguments, message", [
    (("impulse_nose", 1), "Unknown corruption 'impulse_nose'.* Did you mean 'impulse_noise'"),
    (("defocus_blur", 0), "severity must be 1 to 5, got 0"),
    (("defocus_blur", 6), "severity must be 1 to 5, got 6"),
    (("defocus_blur", 2.5), "severity must be 1 to 5, got 2.5"),
    (("defocus_blur", "3"), "severity must be 1 to 5, got '3'"),
])
def test_an_unknown_name_or_severity_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        corrupt(IMAGES, *arguments)
    with pytest.raises(ArgumentError, match=r"Unknown suite 'papers'.* Did you mean 'paper'"):
        corrupt(IMAGES, "defocus_blur", 1, suite="papers")


def test_the_paper_suite_has_its_three_corruptions_at_the_strengths_of_imgaug():
    """The strengths of imgaug.augmenters.imgcorruptlike at severity 1 to 5, for any image size."""
    strengths = {corruption: [severity_parameters("paper", corruption, severity) for severity in SEVERITIES]
                 for corruption in SUITES["paper"]}

    assert [each["flipped_fraction"] for each in strengths["impulse_noise"]] == [0.03, 0.06, 0.09, 0.17, 0.27]
    assert [each["quality"] for each in strengths["jpeg_compression"]] == [25, 18, 15, 10, 7]
    assert [(each["disk_radius_px"], each["antialias_sigma_px"]) for each in strengths["defocus_blur"]] == [
        (3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)]
    assert list(strengths) == ["impulse_noise", "jpeg_compression", "defocus_blur"]


# impulse noise

@pytest.mark.parametrize("fraction", [0.03, 0.27, 0.5])
def test_impulse_noise_replaces_the_given_share_of_values_half_black_half_white(fraction):
    """The share of n = 614,400 values is within 5 standard deviations of a binomial share."""
    found = noise(GREY, fraction)
    n = GREY.size
    for value, share in ((0, fraction / 2), (255, fraction / 2), (100, 1 - fraction)):
        assert abs((found == value).mean() - share) < 5 * np.sqrt(share * (1 - share) / n)


def test_channels_are_hit_independently():
    """At p = 0.2 a pixel keeps all three channels with probability 0.8^3, so 48.8 percent are changed."""
    changed = noise(GREY, 0.2) != 100
    pixels = GREY.size / 3

    assert abs(changed.any(axis=-1).mean() - 0.488) < 5 * np.sqrt(0.488 * 0.512 / pixels)
    flat = changed.reshape(-1, 3).astype(float)
    assert np.abs(np.corrcoef(flat.T)[np.triu_indices(3, 1)]).max() < 5 / np.sqrt(pixels)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_shares_0_and_1_replace_no_values_or_all(fraction):
    assert (noise(GREY, fraction) == 100).all() == (fraction == 0)
    assert set(np.unique(noise(GREY, fraction)).tolist()) == ({100} if fraction == 0 else {0, 255})


def test_noise_is_independent_between_severities():
    """At p = 0.5 a quarter of the values is changed at both severities, as expected for independent noise."""
    one, other = (noise(GREY, 0.5, severity=severity) != 100 for severity in (1, 2))

    assert abs((one & other).mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / GREY.size)


def test_other_values_are_not_changed():
    found = noise(IMAGES, 0.1)
    kept = ~np.isin(found, (0, 255))

    np.testing.assert_array_equal(found[kept], IMAGES[kept])


def test_noise_never_changes():
    """Robustness over REST and in process, now and later, must be comparable. Never change these numbers."""
    changed = np.flatnonzero(noise(np.full((1, 32, 32, 3), 100, np.uint8), 0.004, seed=3) != 100)

    assert changed.tolist() == [446, 658, 663, 819, 1324, 2006, 2209, 2696, 2700]


# defocus blur

def mirrored(position, size):
    """Returns the index in 0..size-1 for a position beyond the edge, without repeating the edge."""
    position = abs(position)
    return position if position < size else 2 * (size - 1) - position


def slow_kernel(radius, sigma):
    """Returns the disk on a grid of 17 (or 2 r + 1), divided by its sum and smoothed by a Gaussian of 3 (or 5) taps."""
    reach, half = (8, 1) if radius <= 8 else (radius, 2)
    size = 2 * reach + 1
    disk = np.array([[float((row - reach) ** 2 + (column - reach) ** 2 <= radius**2) for column in range(size)]
                     for row in range(size)])
    disk /= disk.sum()
    taps = np.array([np.exp(-(offset**2) / (2 * sigma**2)) for offset in range(-half, half + 1)])
    taps /= taps.sum()
    out = np.zeros_like(disk)
    for row in range(size):
        for column in range(size):
            for down in range(-half, half + 1):
                for right in range(-half, half + 1):
                    out[row, column] += taps[down + half] * taps[right + half] * disk[
                        mirrored(row + down, size), mirrored(column + right, size)]
    return out


def slow_blur(image, kernel):
    height, width, _ = image.shape
    reach = kernel.shape[0] // 2
    out = np.zeros(image.shape)
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            rows = [mirrored(y + row, height) for y in range(height)]
            columns = [mirrored(x + column, width) for x in range(width)]
            out += kernel[row + reach, column + reach] * (image / 255.0)[np.ix_(rows, columns)]
    return (np.clip(out, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("radius, sigma", [(0.3, 0.4), (1, 0.2), (1.5, 0.1), (3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5),
                                           (10, 0.5)])
def test_kernels_match_a_slow_reference_except_for_their_zero_margin(radius, sigma):
    found, expected = disk_kernel(radius, sigma), slow_kernel(radius, sigma)
    margin = (len(expected) - len(found)) // 2
    padded = np.pad(found, margin)

    assert found.shape[0] == found.shape[1] and found.shape[0] % 2 == 1
    np.testing.assert_allclose(padded, expected, atol=2e-12)  # margins below 1e-12 are cut off
    np.testing.assert_allclose(found, found.T, atol=1e-15)


@pytest.mark.parametrize("radius, sigma, centre", [(0.3, 0.4, 0.845), (0.4, 0.5, 0.619), (0.5, 0.6, 0.445)])
def test_a_radius_below_one_pixel_leaves_a_small_gaussian(radius, sigma, centre):
    kernel = disk_kernel(radius, sigma)

    assert kernel.shape == (3, 3)
    assert kernel[1, 1] == pytest.approx(centre, abs=5e-4)
    assert kernel.sum() == pytest.approx(1, abs=1e-12)


def test_a_radius_of_1_is_a_plus_of_5_and_1_5_is_a_box_of_9():
    plus = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]) / 5

    np.testing.assert_allclose(disk_kernel(1, 0.01), plus, atol=1e-15)
    np.testing.assert_allclose(disk_kernel(1.5, 0.01), np.full((3, 3), 1 / 9), atol=1e-15)


@pytest.mark.parametrize("radius, total", [(8, 1.01298), (10, 1.01079), (6, 1.0), (4, 1.0)])
def test_large_disks_brighten_by_about_one_percent_like_the_published_scripts(radius, total):
    assert disk_kernel(radius, 0.5).sum() == pytest.approx(total, abs=5e-6)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blurred_images_equal_a_direct_sum(severity):
    """They are equal except for truncation: float64 rounding near an integer changes a value by one level."""
    strength = severity_parameters("paper", "defocus_blur", severity)
    kernel = slow_kernel(strength["disk_radius_px"], strength["antialias_sigma_px"])
    found = defocus_blur(IMAGES[:3], **strength)
    for image, blurred in zip(IMAGES[:3], found, strict=True):
        difference = np.abs(blurred.astype(int) - slow_blur(image, kernel))
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


def test_the_result_is_truncated_not_rounded():
    """A flat 200 becomes 199: after the sum, 200 / 255 x 255 is just below 200."""
    flat = np.full((1, 32, 32, 3), 200, np.uint8)

    assert set(np.unique(defocus_blur(flat, disk_radius_px=3, antialias_sigma_px=0.1)).tolist()) <= {199, 200}
    one = np.zeros((1, 9, 9, 3), np.uint8)
    one[0, 4, 4] = 9  # 9 / 5 = 1.8
    found = defocus_blur(one, disk_radius_px=1, antialias_sigma_px=0.01)[0, :, :, 0]
    assert found[4, 4] == found[3, 4] == found[4, 5] == 1 and found.sum() == 5


def test_black_and_white_images_are_not_changed_by_blur():
    for value in (0, 255):
        flat = np.full((1, 32, 32, 3), value, np.uint8)
        found = defocus_blur(flat, disk_radius_px=8, antialias_sigma_px=0.5)
        assert np.abs(found.astype(int) - value).max() <= 1


def test_channels_and_images_are_blurred_separately():
    coloured = np.zeros((2, 16, 16, 3), np.uint8)
    coloured[0, ..., 1] = 255
    found = defocus_blur(coloured, disk_radius_px=3, antialias_sigma_px=0.5)

    assert not found[1].any() and not found[0, ..., [0, 2]].any() and found[0, ..., 1].min() >= 254


# JPEG

@pytest.mark.parametrize("quality", [25, 18, 15, 10, 7])
def test_jpeg_compression_matches_pillow(quality):
    found = jpeg_compression(IMAGES, quality=quality)
    for image, compressed in zip(IMAGES, found, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=2)
        np.testing.assert_array_equal(compressed, np.asarray(Image.open(io.BytesIO(file.getvalue()))))


def test_lower_quality_has_a_larger_error():
    errors = [np.abs(corrupt(IMAGES, "jpeg_compression", severity, "paper").astype(int) - IMAGES).mean()
              for severity in SEVERITIES]

    assert errors == sorted(errors)


@pytest.mark.parametrize("height, width", [(8, 8), (32, 32), (33, 57), (96, 64), (1, 40)])
@pytest.mark.parametrize("scale", [0.05, 0.3, 0.5, 0.6, 0.95, 1.0])
def test_pixelation_is_that_of_pillow_bit_for_bit(height, width, scale):
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3)).astype(np.uint8)
    small = max(1, int(width * scale)), max(1, int(height * scale))

    for image, found in zip(images, pixelate(images, scale=scale), strict=True):
        shrunk = Image.fromarray(image).resize(small, Image.Resampling.BOX)
        np.testing.assert_array_equal(found, np.asarray(shrunk.resize((width, height), Image.Resampling.BOX)))


@pytest.mark.parametrize("images, indices, message", [
    ([[[[0, 0, 0]]]], None, r"must be a uint8 array of shape \(N, H, W, 3\), got list\. Stack images"),
    (np.zeros((2, 8, 8, 3), np.uint8), [0, 1, 2], r"one integer for each of 2 images, got int64 of shape \(3,\)"),
    (np.zeros((2, 8, 8, 3), np.uint8), [0.5, 1.5], "one integer for each of 2 images, got float64"),
])
def test_images_and_indices_of_another_form_are_one_line_errors(images, indices, message):
    with pytest.raises(ArgumentError, match=message):
        corrupt(images, "impulse_noise", 1, indices=indices)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "3", None, True])
def test_a_seed_is_an_integer_of_64_bits(seed, tmp_path):
    from keras_fixhead.data import Split
    from keras_fixhead.robustness import corrupted_chunks, measure_robustness
    from keras_fixhead.robustness.writing import write_corrupted

    split = Split(IMAGES[:1], np.zeros(1, np.int32))
    for call in (lambda: corrupt(IMAGES[:1], "impulse_noise", 1, seed=seed),
                 lambda: corrupted_chunks(IMAGES[:1], seed=seed),
                 lambda: measure_robustness(lambda images: np.zeros(len(images)), split, seed=seed),
                 lambda: write_corrupted(split, tmp_path / "out", seed=seed)):
        with pytest.raises(ArgumentError, match="seed must be"):
            call()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("start", [-1, 2**64, 1.5, "3"])
def test_the_index_of_the_first_image_is_a_whole_number(start):
    with pytest.raises(ArgumentError, match="start must be"):
        corrupt(IMAGES[:1], "impulse_noise", 1, start=start)


@pytest.mark.parametrize("height, width", [(12, 1_100), (1_030, 8)])
def test_frost_covers_images_that_are_larger_than_its_textures(height, width):
    grey = np.full((1, height, width, 3), 100, np.uint8)
    changed = np.abs(corrupt(grey, "frost", 3, suite="imagenet-c").astype(int) - grey).max(axis=(0, 3))

    assert min(changed[:, -8:].mean(), changed[-8:].mean(), changed.mean()) > 5
