"""Measures whether 16-bit arithmetic is faster on this machine."""
import time
from typing import Any

import keras
import numpy as np


def measure_bfloat16_gain(rounds: int = 10) -> tuple[float, float, float]:
    """Returns the speed of a 3x3 convolution in bfloat16 relative to float32: median, lower and upper quartile.

    The two alternate in this process; the first round of each, which includes compilation, is not counted.

    Args:
        rounds: number of timed rounds of each.
    """
    variants = {}
    for dtype in ("float32", "bfloat16"):
        x = keras.Input((32, 32, 64), dtype=dtype)
        y = keras.layers.Conv2D(64, 3, padding="same", dtype=dtype)(x)
        variants[dtype] = keras.Model(x, y)
    images = keras.ops.ones((32, 32, 32, 64), dtype="float32")
    inputs = {dtype: keras.ops.cast(images, dtype) for dtype in variants}
    for dtype, model in variants.items():
        _seconds(model, inputs[dtype])
    ratios = [_seconds(variants["float32"], inputs["float32"]) / _seconds(variants["bfloat16"], inputs["bfloat16"])
              for _ in range(rounds)]
    low, median, high = np.percentile(ratios, [25, 50, 75])
    return float(median), float(low), float(high)


def _seconds(model: keras.Model, inputs: Any) -> float:
    start = time.perf_counter()
    for _ in range(3):
        keras.ops.convert_to_numpy(keras.ops.cast(model(inputs, training=False), "float32")[0, 0, 0, 0])
    return time.perf_counter() - start
