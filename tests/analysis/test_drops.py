"""The drop from one set of images to another."""
import numpy as np
import pytest

from keras_fixhead.analysis.over_images import accuracy_drop

DRAW = np.random.default_rng(0)


def test_the_interval_is_that_of_two_independent_shares():
    """For large sets the BCa interval is Wald's: d +- 1.96 sqrt(p (1 - p) / N + q (1 - q) / M)."""
    own, outside = DRAW.random(2_000) < 0.9, DRAW.random(800) < 0.8
    found = accuracy_drop(own, outside)
    p, q = own.mean(), outside.mean()
    half = 196 * np.sqrt(p * (1 - p) / 2_000 + q * (1 - q) / 800)

    assert found.mean == pytest.approx(100 * (p - q)) and (found.n_images, found.n_outside) == (2_000, 800)
    np.testing.assert_allclose(found.interval, (found.mean - half, found.mean + half), atol=0.25)  # 2,000 resamples
    assert found.verdict == "drops" and found.as_dict()["n_outside"] == 800


def test_the_drop_of_differences_is_the_difference_of_drops_and_images_that_all_share_cancel():
    hard = DRAW.random(500) < 0.3  # images that every model gets wrong
    own = [~hard & (DRAW.random(500) < share) for share in (0.95, 0.9)]
    outside = [DRAW.random(300) < share for share in (0.8, 0.8)]
    both = [accuracy_drop(a, b) for a, b in zip(own, outside, strict=True)]
    paired = accuracy_drop(own[0].astype(float) - own[1], outside[0].astype(float) - outside[1])

    assert paired.mean == pytest.approx(both[0].mean - both[1].mean)


def test_several_seeds_widen_the_interval_by_their_spread():
    images = DRAW.random((1, 400)) < 0.9
    alike = np.repeat(images, 4, axis=0).astype(float)
    outside = np.repeat(DRAW.random((1, 200)) < 0.8, 4, axis=0).astype(float)
    spread = alike - np.array([[0.0], [0.1], [0.2], [0.3]])
    narrow, wide = accuracy_drop(alike, outside), accuracy_drop(spread, outside)

    assert narrow.n_seeds == wide.n_seeds == 4
    assert np.ptp(wide.interval) > 1.3 * np.ptp(narrow.interval)


def test_fewer_than_six_seeds_do_not_decide_a_small_drop():
    own, outside = np.ones((3, 300)), np.ones((3, 300))
    outside[:, :3] = 0

    assert accuracy_drop(own, outside).verdict.startswith("undecided: 3 seeds do not decide")
    assert accuracy_drop(own, own).interval == (0.0, 0.0)
    with pytest.raises(ValueError, match=r"own has 3 seeds, outside has 2\."):
        accuracy_drop(own, outside[:2])
