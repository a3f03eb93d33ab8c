"""Intervals and comparisons of measured shares."""
import math


def wilson_interval(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Returns the Wilson interval of a share; 95 % by default.

    Reference: Wilson (1927), Journal of the American Statistical Association 22.

    Example:
        >>> [round(bound, 4) for bound in wilson_interval(90, 100)]
        [0.8256, 0.9448]
    """
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
