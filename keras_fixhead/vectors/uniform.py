"""Class vectors distributed uniformly on the sphere: normal coordinates, divided by their norm.

They are bit-identical everywhere. NumPy does not guarantee the last bits of `log`, `cos`, `sum` or `norm`, so only
+ - * / and sqrt are used, which IEEE 754 defines exactly, in a fixed order.
"""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.hashing import UNIFORM_STREAM, stream_key, words
from keras_fixhead.vectors.normalize import unit_rows

# AS241 (PPND16), central and middle rational functions. The far tail (p < e^-25) is never needed: the smallest
# probability from 32 bits is 2^-33 = e^-22.9.
_CENTRAL_NUMERATOR = (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                      1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                      3.3430575583588128105e4, 2.5090809287301226727e3)
_CENTRAL_DENOMINATOR = (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
                        2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
                        5.2264952788528545610e3)
_TAIL_NUMERATOR = (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
                   3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
                   2.27238449892691845833e-2, 7.74545014278341407640e-4)
_TAIL_DENOMINATOR = (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
                     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
                     1.05075007164441684324e-9)
_LN2 = 0.6931471805599453094
_SQRT_HALF = 0.7071067811865475244


def uniform_vectors(classes: NDArray[np.int64], dim: int, *, seed: int) -> NDArray[np.float32]:
    """Returns unit vectors distributed uniformly on the sphere.

    Pairwise cosines have mean 0 and standard deviation 1 / sqrt(dim). Features without negative entries reach
    a cosine of about sqrt(1/2).

    Args:
        classes: class numbers in [0, 2^32), shape (m,).
        dim: embedding size d, at least 1.
        seed: integer in [0, 2^64).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Reference: normal quantiles by Wichura (1988), algorithm AS 241.

    Example:
        >>> uniform_vectors(np.arange(2), 3, seed=0).shape
        (2, 3)
    """
    bits = words(stream_key(seed, UNIFORM_STREAM), classes, np.arange(dim))
    return unit_rows(normal_quantile((bits.astype(np.float64) + 0.5) / 2.0**32))


def normal_quantile(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the standard normal quantile of each p in [2^-33, 1 - 2^-33], to 3e-15.

    Example:
        >>> float(normal_quantile(np.array([0.5]))[0])
        0.0
    """
    q = p - 0.5
    central = np.abs(q) <= 0.425
    result = np.empty_like(q)
    result[central] = _central_quantile(q[central])
    tails = ~central
    from_the_edge = np.where(q[tails] < 0, p[tails], 1.0 - p[tails])
    distance = _tail_distance(from_the_edge)
    result[tails] = np.where(q[tails] < 0, -distance, distance)
    return result


def _central_quantile(q: NDArray[np.float64]) -> NDArray[np.float64]:
    r = 0.180625 - q * q
    return q * (_polynomial(_CENTRAL_NUMERATOR, r) / _polynomial(_CENTRAL_DENOMINATOR, r))


def _tail_distance(p: NDArray[np.float64]) -> NDArray[np.float64]:
    r = np.sqrt(-_logarithm(p)) - 1.6
    return _polynomial(_TAIL_NUMERATOR, r) / _polynomial(_TAIL_DENOMINATOR, r)


def _logarithm(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm by exactly defined operations: x = m 2^e, ln m = 2 atanh((m - 1) / (m + 1)) as a series."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < _SQRT_HALF
    mantissa = np.where(low, 2.0 * mantissa, mantissa)  # in [sqrt(1/2), sqrt(2)): the series' argument is below 0.172
    exponent = exponent - low
    t = (mantissa - 1.0) / (mantissa + 1.0)
    series = _polynomial(tuple(2.0 / k for k in range(1, 25, 2)), t * t)
    return exponent * _LN2 + t * series


def _polynomial(coefficients: tuple[float, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result *= x
        result += coefficient
    return result
