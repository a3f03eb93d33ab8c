"""When a request is sent again: exponential back-off with jitter, and the server's Retry-After."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class Retries:
    """How often, and after which waits, a request is sent again to a server that is busy or dropped the connection.

    Args:
        most: the largest number of retries; 0 for none.
        first_seconds: the longest wait before the first retry; it doubles before each further one.
        longest_seconds: the limit of that growth.
        seed: seed of the jitter, for reproducible waits; None for different ones each time.

    Raises:
        ArgumentError: if `most` is negative, or a wait is negative or not finite.

    Example:
        >>> [round(wait, 2) for wait in Retries(most=3, first_seconds=1, seed=0).waits()]
        [0.92, 1.76, 2.84]
    """

    most: int = 5
    first_seconds: float = 0.25
    longest_seconds: float = 8.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.most < 0:
            raise ArgumentError(f"most={self.most} is not a valid number of retries. Expected 0 or more.")
        for name in ("first_seconds", "longest_seconds"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ArgumentError(f"{name}={getattr(self, name)} is not a valid wait. Expected seconds, 0 or more.")

    def waits(self) -> Iterator[float]:
        """Yields the wait before each retry, in seconds: at random between half of the longest wait and all of it."""
        draw = random.Random(self.seed)
        longest = self.first_seconds
        for _ in range(self.most):
            yield min(longest, self.longest_seconds) * draw.uniform(0.5, 1.0)
            longest = min(2 * longest, self.longest_seconds)


def retry_after_seconds(value: str | None, now: datetime | None = None) -> float:
    """Returns how long a Retry-After header asks to wait, in seconds; 0 if it is missing, in the past or unreadable.

    Args:
        value: the header: seconds, or an HTTP date.
        now: the current time; the clock's if None.

    Example:
        >>> retry_after_seconds("3"), retry_after_seconds(None), retry_after_seconds("soon")
        (3.0, 0.0, 0.0)
        >>> retry_after_seconds("Wed, 21 Oct 2026 07:28:10 GMT", datetime(2026, 10, 21, 7, 28, tzinfo=UTC))
        10.0
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # longer ones exceed any timeout anyway
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
