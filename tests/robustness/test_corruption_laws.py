"""What holds for every corruption of every suite."""
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness import SEVERITIES, SUITES, corrupt
from keras_fixhead.robustness.corruptions import pixels, weather
from keras_fixhead.robustness.corruptions.blur import moved
from keras_fixhead.robustness.draws import Draws

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype("uint8")

every_corruption = pytest.mark.parametrize("suite, corruption", [
    *(("cifar-c", name) for name in SUITES["cifar-c"]), *(("paper", name) for name in SUITES["paper"]),
    *(("paper-plain", name) for name in SUITES["paper-plain"])])


@every_corruption
@pytest.mark.parametrize("severity", SEVERITIES)
def test_shape_and_dtype_are_kept_and_the_input_is_not_modified(suite, corruption, severity):
    before = IMAGES.copy()
    found = corrupt(IMAGES, corruption, severity, suite)

    assert found.shape == IMAGES.shape and found.dtype == np.uint8
    assert (found != IMAGES).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(IMAGES, before)


@every_corruption
def test_corruption_depends_on_the_image_index_and_not_on_the_batch(suite, corruption):
    whole = corrupt(IMAGES, corruption, 3, suite, seed=5)
    chosen = np.array([7, 2, 9])

    np.testing.assert_array_equal(corrupt(IMAGES[chosen], corruption, 3, suite, seed=5, indices=chosen), whole[chosen])
    np.testing.assert_array_equal(corrupt(IMAGES[4:], corruption, 3, suite, 5, 4), whole[4:])
    np.testing.assert_array_equal(corrupt(IMAGES, corruption, 3, suite, seed=5), whole)


@every_corruption
def test_only_random_corruptions_depend_on_the_seed(suite, corruption):
    differs = not np.array_equal(corrupt(IMAGES, corruption, 3, suite, seed=1),
                                 corrupt(IMAGES, corruption, 3, suite, seed=2))

    assert differs == SUITES[suite][corruption].random


@every_corruption
def test_images_need_not_be_square(suite, corruption):
    assert corrupt(IMAGES[:2, :20, :27], corruption, 2, suite).shape == (2, 20, 27, 3)


@pytest.mark.parametrize("suite", ["tiny-c", "imagenet-c"])
def test_larger_images_have_the_nineteen_corruptions_too(suite):
    images = np.tile(IMAGES[:2], (1, 2, 2, 1))

    assert list(SUITES[suite]) == list(SUITES["cifar-c"])
    for corruption in SUITES[suite]:
        assert (corrupt(images, corruption, 4, suite) != images).any()


@pytest.mark.parametrize("suite", ["cifar-c", "tiny-c", "imagenet-c"])
def test_a_suite_has_fifteen_main_and_four_extra_corruptions_and_only_frost_is_not_as_published(suite):
    assert sum(each.main for each in SUITES[suite].values()) == 15 and len(SUITES[suite]) == 19
    assert [name for name, each in SUITES[suite].items() if not each.as_published] == ["frost"]
    assert len({each.number for each in SUITES[suite].values()}) == 19


@pytest.mark.parametrize("images", [np.zeros((2, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8),
                                    np.zeros((2, 8, 8, 1), np.uint8)])
def test_images_of_another_form_are_refused(images):
    with pytest.raises(ArgumentError, match=r"must be uint8 of shape \(N, H, W, 3\), got .* Add a batch axis"):
        corrupt(images, "contrast", 1)


def test_no_images_give_no_images():
    assert corrupt(IMAGES[:0], "fog", 1).shape == (0, 32, 32, 3)


# draws

DRAWS = Draws(4, seed=7, severity=2, indices=np.arange(400))


def test_normals_have_the_moments_of_a_normal_distribution():
    """n = 400,000: a moment of order k has a standard deviation of sqrt((2k)! / (2^k k!) / n)."""
    drawn = DRAWS.normals(1000).astype(np.float64)

    for order, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((drawn**order).mean() - moment) < 5 * np.sqrt(variance / drawn.size)
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 5 / np.sqrt(drawn.size)
    assert (np.abs(drawn) > 1.959964).mean() == pytest.approx(0.05, abs=5 * np.sqrt(0.05 * 0.95 / drawn.size))


def test_integers_are_uniform_over_their_range():
    counts = np.bincount(DRAWS.integers(300, -2, 3).ravel() + 2)

    assert len(counts) == 5
    assert (np.abs(counts - counts.sum() / 5) < 5 * np.sqrt(counts.sum() * 0.2 * 0.8)).all()


def test_draws_never_change():
    """Robustness now and later must be comparable. Never change these numbers."""
    assert DRAWS.words(2)[:2].tolist() == [[187217765, 2552023064], [3387510294, 380742591]]
    assert np.round(DRAWS.normals(3)[0], 4).tolist() == [-0.8048999905586243, 0.7184000015258789, 1.1890000104904175]


# statistics of the random ones

GREY = np.full((60, 32, 32, 3), 100, np.uint8)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_gaussian_and_speckle_noise_have_their_standard_deviation(severity):
    """The noise is truncated to whole grey levels: half a level lower, a variance of 1/12 more."""
    for name, field, white in (("gaussian_noise", "noise_sd", 255), ("speckle_noise", "relative_sd", 100)):
        noise = corrupt(GREY, name, severity).astype(float) - 100
        expected = white * SUITES["cifar-c"][name].strengths[severity - 1][field]

        assert noise.mean() == pytest.approx(-0.5, abs=5 * expected / np.sqrt(noise.size))
        assert noise.std() == pytest.approx(np.sqrt(expected**2 + 1 / 12), rel=0.01)
        spectrum = np.abs(np.fft.fft2(noise.mean(axis=3) + 0.5)) ** 2
        assert spectrum[:, 1:4, 1:4].mean() == pytest.approx(spectrum[:, 12:16, 12:16].mean(), rel=0.25)  # white


@pytest.mark.parametrize("photons", [3, 12, 60, 500])
def test_shot_noise_has_the_distribution_of_poisson_counts(photons):
    from scipy.stats import poisson

    from keras_fixhead.robustness.corruptions.noise import shot_noise

    found = shot_noise(GREY, Draws(5, 0, 1, np.arange(len(GREY))), photons_at_white=photons)
    counts = poisson(100 / 255 * photons)
    for count in (counts.ppf(0.2), counts.median(), counts.ppf(0.9)):
        level = min(int(count * 255 / photons + 1e-9), 255)
        last = np.ceil((level + 1) * photons / 255 - 1e-9) - 1  # the largest count of that level
        expected = counts.cdf(last) if level < 255 else 1.0
        assert (found <= level).mean() == pytest.approx(expected, abs=5 * 0.5 / np.sqrt(found.size))
    assert not shot_noise(GREY * 0, Draws(5, 0, 1, np.arange(len(GREY))), photons_at_white=photons).any()


def test_salt_and_pepper_replaces_whole_pixels_by_greys_with_an_arcsine_distribution():
    from keras_fixhead.robustness.corruptions.plain import salt_and_pepper

    found = salt_and_pepper(GREY, Draws(20, 0, 1, np.arange(len(GREY))), replaced_fraction=0.4)
    dots = found[(found != 100).any(axis=3)]

    assert len(dots) / (60 * 1024) == pytest.approx(0.4, abs=0.01)
    assert (dots == dots[:, :1]).all()
    assert np.isin(dots, (0, 255)).mean() == pytest.approx(0.0564, abs=0.01)  # 2 (2 / pi) asin(sqrt(0.5 / 255))
    assert dots.mean() == pytest.approx(127.5, abs=3)


def test_glass_blur_copies_neighbours_and_does_not_swap():
    """Every pixel of an image with distinct pixels comes from at most `d` up or left; the outermost ones stay."""
    from keras_fixhead.robustness.corruptions.blur import glass_blur

    distinct = np.zeros((3, 12, 12, 3), np.uint8)
    distinct[..., 0], distinct[..., 1] = np.arange(12)[:, None], np.arange(12)
    found = glass_blur(distinct, Draws(6, 0, 1, np.arange(3)), sigma_px=0.05, max_shift_px=1, passes=1).astype(int)
    shift = found[..., :2] - distinct[..., :2]

    assert set(np.unique(shift)) == {-1, 0}  # sources below or right have a shift of 0: the bound is exclusive
    assert not shift[:, 0].any() and not shift[:, :, 0].any() and not shift[:, 1].any()
    assert (shift[:, 2:, 2:] == -1).mean() == pytest.approx(0.5, abs=0.08)


# definitions

def test_motion_blur_sums_pixels_along_a_line_with_the_edge_repeated():
    image = IMAGES[:1].astype(np.float64)
    taps = np.arange(13)
    weights = np.exp(-(taps**2) / (2 * 3.0**2))
    for angle in (-44.0, 10.0, 30.0, -100.0):
        expected = np.zeros_like(image)
        for tap, weight in zip(taps, weights / weights.sum(), strict=True):
            rows = np.clip(np.arange(32) + int(np.ceil(tap * np.sin(np.deg2rad(angle)) - 0.5)), 0, 31)
            columns = np.clip(np.arange(32) + int(np.ceil(tap * np.cos(np.deg2rad(angle)) - 0.5)), 0, 31)
            expected += weight * image[:, rows][:, :, columns]
        np.testing.assert_allclose(moved(IMAGES[:1], np.float32([angle]), 6, 3.0), expected, atol=1e-3)


def test_gaussian_blur_and_displacement_are_those_of_scipy():
    from scipy.ndimage import gaussian_filter, map_coordinates

    values = np.random.default_rng(1).random((4, 20, 27)).astype(np.float32)
    for sigma, truncate, border in ((1.3, 4.0, "nearest"), (6.4, 3.0, "reflect"), (0.05, 4.0, "nearest")):
        expected = gaussian_filter(values, (0, sigma, sigma), mode=border, truncate=truncate)
        np.testing.assert_allclose(pixels.blurred(values, sigma, truncate=truncate, border=border), expected, atol=1e-6)
    rows, columns = np.random.default_rng(2).uniform(-30, 60, (2, 4, 20, 27)).astype(np.float32)
    found = pixels.bilinear(values[None], rows, columns, "reflect")[0]
    for number in range(4):
        expected = map_coordinates(values[number], [rows[number], columns[number]], order=1, mode="reflect")
        np.testing.assert_allclose(found[number], expected, atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.13, 1.75, 2.25, 4.5])
def test_zooming_is_scipys_of_the_middle_trimmed_to_size(factor):
    from scipy.ndimage import zoom

    image = np.random.default_rng(0).random((33, 33)).astype(np.float32)
    kept = int(np.ceil(33 / factor))
    top = (33 - kept) // 2
    enlarged = zoom(image[top : top + kept, top : top + kept], factor, order=1)
    trim = (len(enlarged) - 33) // 2
    matrix = pixels.zoom_matrix(33, factor)

    np.testing.assert_allclose(pixels.along_sides(matrix, matrix, image[None])[0],
                               enlarged[trim : trim + 33, trim : trim + 33], atol=1e-5)


def test_brightness_and_saturation_follow_hsv():
    """Against Python's own conversion of single colours; truncation may move a value by one level."""
    import colorsys

    colours = np.concatenate([IMAGES[0, :3].reshape(-1, 3), [[0, 0, 0], [77, 77, 77], [255, 0, 0], [255, 255, 255]]])
    image = colours[None, None].astype(np.uint8)
    for severity in SEVERITIES:
        offset = SUITES["cifar-c"]["brightness"].strengths[severity - 1]["value_offset"]
        strength = SUITES["cifar-c"]["saturate"].strengths[severity - 1]
        brighter, saturated = [], []
        for hue, saturation, value in (colorsys.rgb_to_hsv(*colour / 255) for colour in colours):
            brighter.append(colorsys.hsv_to_rgb(hue, saturation, min(value + offset, 1)))
            share = min(saturation * strength["saturation_factor"] + strength["saturation_offset"], 1)
            saturated.append(colorsys.hsv_to_rgb(hue, share, value))
        for name, expected in (("brightness", brighter), ("saturate", saturated)):
            difference = np.abs(corrupt(image, name, severity)[0, 0] - 255 * np.array(expected) + 0.5)
            assert difference.max() <= 1.001
    assert corrupt(image, "saturate", 5)[0, 0, -3].tolist() == [77, 61, 61]


def test_contrast_keeps_the_mean_and_scales_the_distance_from_it():
    found = corrupt(IMAGES, "contrast", 3).astype(float)
    means = IMAGES.mean(axis=(1, 2), keepdims=True)

    assert np.abs(found + 0.5 - (0.4 * (IMAGES - means) + means)).max() <= 0.501


def test_fog_is_scaled_by_the_largest_value_and_leaves_black_alone():
    haze = weather.plasma(Draws(11, 0, 3, np.arange(12)), 32, 2.5)
    largest = IMAGES.max(axis=(1, 2, 3), keepdims=True) / 255
    expected = 255 * np.clip((IMAGES / 255 + 0.75 * haze[..., None]) * largest / (largest + 0.75), 0, 1)

    np.testing.assert_allclose(corrupt(IMAGES, "fog", 3) + 0.5, expected, atol=0.501)
    assert haze.min(axis=(1, 2)).max() == 0 and haze.max(axis=(1, 2)).min() == 1
    assert not corrupt(IMAGES * 0, "fog", 5).any()
