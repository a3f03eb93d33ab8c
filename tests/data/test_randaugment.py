"""Each operation compared with Pillow or with a reference, and properties of all of them."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from scipy.stats import chi2

from keras_fixhead.data.pixels import rotations, transform
from keras_fixhead.data.randaugment import MAX_ENHANCEMENT, OPERATIONS, choose, rand_augment
from keras_fixhead.vectors.hashing import words

DRAW = np.random.default_rng(0)
NOISE = DRAW.integers(0, 256, (40, 16, 12, 3)).astype("uint8")
DULL = (NOISE // 3 + 40).astype("uint8")
FLAT = np.full((2, 8, 8, 3), 7, np.uint8)
NEUTRAL = set(OPERATIONS) - {"autocontrast", "equalize"}  # these two have no strength


def by_pillow(images, change):
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in images])


@pytest.mark.parametrize("images", [NOISE, DULL, FLAT], ids=["noise", "dull", "flat"])
def test_equalize_matches_pillow(images):
    np.testing.assert_array_equal(OPERATIONS["equalize"](images, np.ones(len(images))),
                                  by_pillow(images, ImageOps.equalize))


@pytest.mark.parametrize("images", [NOISE, DULL, FLAT], ids=["noise", "dull", "flat"])
def test_autocontrast_matches_pillow_except_for_rounding_errors(images):
    """255 (level - low) / (high - low), truncated: where it is a whole number, Pillow may return one less."""
    found = OPERATIONS["autocontrast"](images, np.ones(len(images)))
    low, high = (end(axis=(1, 2), keepdims=True).astype(int) for end in (images.min, images.max))
    exact = 255 * (images - low) % np.maximum(high - low, 1) == 0
    less = found - by_pillow(images, ImageOps.autocontrast).astype(int)

    assert set(np.unique(less[exact]).tolist()) <= {0, 1} and not less[~exact].any()
    assert less.mean() < 0.01
    np.testing.assert_array_equal(found.max(axis=(1, 2)), np.where(high > low, 255, high)[:, 0, 0])


@pytest.mark.parametrize("strength", [-1.0, -0.5, 0.3, 1.0])
@pytest.mark.parametrize("name, kind", [("color", ImageEnhance.Color), ("contrast", ImageEnhance.Contrast),
                                        ("brightness", ImageEnhance.Brightness), ("sharpness", ImageEnhance.Sharpness)])
def test_enhancements_match_pillow_within_one_level(name, kind, strength):
    """Pillow truncates, we round."""
    expected = by_pillow(NOISE, lambda image: kind(image).enhance(1 + MAX_ENHANCEMENT * strength))
    found = OPERATIONS[name](NOISE, np.full(len(NOISE), strength))

    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != NOISE).any()


@pytest.mark.parametrize("strength, threshold", [(1.0, 0), (0.5, 128), (-0.25, 192)])
def test_solarize_inverts_levels_at_or_above_a_threshold(strength, threshold):
    expected = by_pillow(NOISE, lambda image: ImageOps.solarize(image, threshold))
    np.testing.assert_array_equal(OPERATIONS["solarize"](NOISE, np.full(len(NOISE), strength)), expected)


@pytest.mark.parametrize("strength, bits", [(1.0, 4), (0.5, 6), (-0.25, 7), (0.1, 8)])
def test_posterize_keeps_the_upper_bits(strength, bits):
    expected = by_pillow(NOISE, lambda image: ImageOps.posterize(image, bits))
    np.testing.assert_array_equal(OPERATIONS["posterize"](NOISE, np.full(len(NOISE), strength)), expected)


@pytest.mark.parametrize("name, axis", [("translate_y", 1), ("translate_x", 2)])
@pytest.mark.parametrize("pixels", [-4, -1, 0, 3])
def test_translations_shift_by_whole_pixels_and_fill_with_black(name, axis, pixels):
    images = DRAW.integers(1, 256, (3, 32, 32, 3)).astype("uint8")
    found = OPERATIONS[name](images, np.full(3, pixels / 10))  # 10 of 32 pixels at strength 1
    expected = np.roll(images, -pixels, axis=axis)
    border = [slice(None)] * 4
    border[axis] = slice(32 - pixels, 32) if pixels > 0 else slice(0, -pixels)
    expected[tuple(border)] = 0

    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("degrees, turns", [(90.0, 1), (180.0, 2), (-90.0, 3), (0.0, 0)])
def test_quarter_turns_match_numpy(degrees, turns):
    images = NOISE[:, :12]  # square
    found = transform(images, rotations(np.full(len(images), degrees)))

    np.testing.assert_array_equal(found, np.rot90(images, turns, axes=(1, 2)))


@pytest.mark.parametrize("height, width", [(3, 4096), (4096, 3)])
def test_the_largest_images_do_not_overflow_32_bits(height, width):
    images = DRAW.integers(1, 256, (1, height, width, 3)).astype("uint8")
    found = OPERATIONS["translate_x" if width > height else "translate_y"](images, np.ones(1))
    axis = 2 if width > height else 1

    np.testing.assert_array_equal(found.take(range(4096 - 1280), axis), images.take(range(1280, 4096), axis))
    assert not found.take(range(4096 - 1280, 4096), axis).any()
    np.testing.assert_array_equal(transform(images, rotations(np.full(1, 180.0))), images[:, ::-1, ::-1])


def test_rotations_and_shears_match_a_slow_reference():
    """Computes pixel by pixel in float64: out(x, y) is in(...) with x and y counted from the centre."""
    def reference(image, matrix):
        height, width, _ = image.shape
        out = np.zeros_like(image)
        for row in range(height):
            for column in range(width):
                x, y = matrix @ (column - (width - 1) / 2, row - (height - 1) / 2)
                x, y = int(np.rint(x + (width - 1) / 2 + 1e-3)), int(np.rint(y + (height - 1) / 2 + 1e-3))
                if 0 <= x < width and 0 <= y < height:
                    out[row, column] = image[y, x]
        return out

    angle = np.deg2rad(0.7 * 30)
    for name, matrix in (("rotate", [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]),
                         ("shear_x", [[1, 0.7 * 0.3], [0, 1]]), ("shear_y", [[1, 0], [0.7 * 0.3, 1]])):
        found = OPERATIONS[name](NOISE[:5], np.full(5, 0.7))
        expected = np.stack([reference(image, np.array(matrix)) for image in NOISE[:5]])
        assert (found != expected).any(axis=3).mean() < 0.002, name  # rounded cosines may select another pixel


@pytest.mark.parametrize("name", sorted(NEUTRAL))
def test_strength_0_changes_nothing(name):
    np.testing.assert_array_equal(OPERATIONS[name](NOISE, np.zeros(len(NOISE))), NOISE)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_do_not_modify_their_input_or_mix_images(name):
    before, strengths = NOISE.copy(), DRAW.uniform(-1, 1, len(NOISE))
    together = OPERATIONS[name](NOISE, strengths)

    np.testing.assert_array_equal(NOISE, before)
    assert together.dtype == np.uint8 and together.shape == NOISE.shape
    for number in (0, 7, 39):
        np.testing.assert_array_equal(
            together[number], OPERATIONS[name](NOISE[[number]], strengths[[number]])[0])


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(12)), magnitude=st.floats(0, 10), operations=st.integers(1, 4))
def test_the_result_does_not_depend_on_the_batch(order, magnitude, operations):
    draws = words(5, np.arange(12), range(2 * operations))
    functions, parameters = choose(draws, NOISE.shape[1:], magnitude=magnitude)
    whole = rand_augment(NOISE[:12], functions, parameters)
    order = list(order)

    np.testing.assert_array_equal(rand_augment(NOISE[order], functions[order], parameters[order]), whole[order])


def test_operations_and_signs_are_drawn_uniformly():
    """14 operations in 14,000 images: chi^2 with 13 degrees of freedom exceeds this bound for 1e-6 of seeds."""
    draws = words(9, np.arange(14_000), [0, 1])
    chosen = draws[:, 0].astype(np.uint64) * np.uint64(14) >> np.uint64(32)
    counts = np.bincount(chosen.astype(int), minlength=14)

    assert len(counts) == len(OPERATIONS) == 14
    assert chi2.sf(((counts - 1000) ** 2 / 1000).sum(), 13) > 1e-6
    assert abs((draws[:, 1] >> np.uint32(31)).mean() - 0.5) < 5 * 0.5 / np.sqrt(14_000)
