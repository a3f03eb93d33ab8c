"""Compares our interquartile mean and its interval with those of the package rliable.

    pip install rliable && python benchmarks/rliable_check.py
"""
import sys

import numpy as np
from rliable import library, metrics

from keras_fixhead.analysis.bootstrap import interquartile_interval, interquartile_mean

TOLERANCE = 0.05
"""Of the bounds, in units of the interval's width: both resample 20,000 times with other random numbers."""


def main() -> int:
    # (seeds, data sets)
    scores = np.random.default_rng(0).normal([60.0, 75.0, 93.0, 94.0], [1.0, 0.5, 0.3, 0.2], (6, 4))
    points, intervals = library.get_interval_estimates(
        {"arm": scores}, lambda each: np.array([metrics.aggregate_iqm(each)]), reps=20_000)
    ours, (low, high) = interquartile_mean(scores.T.tolist()), interquartile_interval(scores.T.tolist())
    theirs, bounds = float(points["arm"][0]), intervals["arm"][:, 0]
    print(f"interquartile mean: {ours:.6f}, rliable {theirs:.6f}")
    print(f"95 % interval: {low:.3f} to {high:.3f}, rliable {bounds[0]:.3f} to {bounds[1]:.3f}")
    width = high - low
    return int(abs(ours - theirs) > 1e-9 or max(abs(low - bounds[0]), abs(high - bounds[1])) > TOLERANCE * width)


if __name__ == "__main__":
    sys.exit(main())
