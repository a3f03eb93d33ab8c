"""The scale S of cosine logits: its limits for m classes, and values that are known to fail."""
import math

from keras_fixhead.errors import ArgumentError


def adacos_scale(num_classes: int) -> float:
    """Returns max(1, sqrt(2) ln(m - 1)): with random cosines, the true class can then have probability 1 / 2.

    Args:
        num_classes: m, at least 2.

    Reference: AdaCos, Zhang et al. (2019), arXiv:1905.00292.

    Example:
        >>> round(adacos_scale(100), 2)
        6.5
    """
    return max(1.0, math.sqrt(2.0) * math.log(_classes(num_classes) - 1))


def auto_scale_reason(num_classes: int) -> str:
    """Returns a sentence with the value of scale 'auto' and where it comes from."""
    return (f"scale 'auto': S = max(1, sqrt(2) ln(m - 1)) = {adacos_scale(num_classes):.4g} for m = {num_classes} "
            "classes (AdaCos, arXiv:1905.00292).")


def ceiling(num_classes: int, scale: float) -> tuple[float, float]:
    """Returns the largest softmax probability of cosine logits, and the loss there (the paper's Eq. 4 and 5).

    The true cosine is 1 and all others are -1: p = e^S / (e^S + (m - 1) e^-S), loss = -ln p. For m > 2, no set of class
    vectors allows this for more than one class; see `loss_optimum` for what given vectors allow.

    Args:
        num_classes: m, at least 2.
        scale: S, a positive number.

    Example:
        >>> probability, loss = ceiling(200, 1.0)
        >>> round(probability, 4), round(loss, 4)
        (0.0358, 3.3298)
    """
    loss = _softplus(math.log(_classes(num_classes) - 1) - 2.0 * _positive(scale))
    return math.exp(-loss), loss


def scale_warning(num_classes: int, scale: float, *, fixed: bool) -> str | None:
    """Returns what is known to go wrong with cosine logits at this scale, or None.

    - Learned class vectors with S (m / (m - 1)) < ln(m - 1): even on a simplex, the best arrangement that treats all
      classes alike, the probability of the true class is below 1 / 2, and moving class vectors together lowers the loss
      (the paper's Table 2: learned models at S = 1). Fixed class vectors cannot move, so they get no such warning.
    - S > 10 ln(100 (m - 1)): once the true cosine leads by 0.1, the gradient is below 1 % of S and training stalls.

    Example:
        >>> scale_warning(10, 1.0, fixed=True) is None, scale_warning(10, 1.0, fixed=False) is None
        (True, False)
    """
    m = _classes(num_classes)
    auto = f'scale="auto" is {adacos_scale(m):.3g}.'
    if not fixed and scale * m / (m - 1) < math.log(m - 1):
        best = math.exp(-_softplus(math.log(m - 1) - scale * m / (m - 1)))
        return (f"Learned class vectors with cosine logits and S = {scale:g} are known to fall behind for {m} classes: "
                f"even in the best arrangement the true class has a probability of {best:.3g}, and moving class "
                f"vectors together lowers the loss. {auto}")
    if scale > 10 * math.log(100 * (m - 1)):
        return (f"S = {scale:g} leaves almost no gradient for {m} classes: below 1 % of S once the true cosine leads "
                f"by 0.1. {auto}")
    return None


def _classes(num_classes: int) -> int:
    if isinstance(num_classes, bool) or not hasattr(num_classes, "__index__") or num_classes < 2:
        raise ArgumentError(f"num_classes must be an integer of at least 2, got {num_classes!r}.")
    return int(num_classes)


def _positive(scale: float) -> float:
    if isinstance(scale, bool) or not hasattr(scale, "__float__") or not 0 < scale < math.inf:
        raise ArgumentError(f"scale must be a positive number, got {scale!r}.")
    return float(scale)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
