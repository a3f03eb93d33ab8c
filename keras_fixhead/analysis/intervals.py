"""Confidence intervals."""
import math
from collections.abc import Sequence

from keras_fixhead.analysis.estimates import mean_estimate


def wilson_interval(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Returns the Wilson interval of a proportion; 95 % by default.

    Reference: Wilson (1927), Journal of the American Statistical Association 22.

    Example:
        >>> [round(bound, 4) for bound in wilson_interval(90, 100)]
        [0.8256, 0.9448]
    """
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Returns Student's interval of a mean, for values that are independent and nearly normal.

    Args:
        values: at least two numbers.
        confidence: probability that the interval covers the mean.

    Example:
        >>> [round(bound, 3) for bound in mean_interval([1.0, 2.0, 3.0])]
        [-0.484, 4.484]
    """
    return mean_estimate(values).interval(confidence)
