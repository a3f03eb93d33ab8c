"""When a request is sent again: exponential back-off with jitter, and what a server asks for in Retry-After."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class Retries:
    """How often, and after which waits, a request is sent again to a server that is busy or broke the connection off.

    Args:
        most: how often at the most; 0 for never.
        first_seconds: the longest wait before the first time; before each next one it is twice as long.
        longest_seconds: where that growth ends.
        seed: of the jitter, for waits that are the same every time; None for others each time.

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
            raise ArgumentError(f"most={self.most} is not a number of retries. Expected 0 or more.")
        for name in ("first_seconds", "longest_seconds"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ArgumentError(f"{name}={getattr(self, name)} is not a time to wait. Expected seconds, 0 or more.")

    def waits(self) -> Iterator[float]:
        """Yields the wait before each retry, in seconds: between a half and the whole of what has doubled so far."""
        draw = random.Random(self.seed)
        longest = self.first_seconds
        for _ in range(self.most):
            yield min(longest, self.longest_seconds) * draw.uniform(0.5, 1.0)
            longest = min(2 * longest, self.longest_seconds)


def retry_after_seconds(value: str | None, now: datetime | None = None) -> float:
    """Returns how long a Retry-After header asks to wait, in seconds; 0 if it is missing, past or unreadable.

    Args:
        value: the header: seconds, or a date as HTTP writes it.
        now: the present time, if not the clock's.

    Example:
        >>> retry_after_seconds("3"), retry_after_seconds(None), retry_after_seconds("soon")
        (3.0, 0.0, 0.0)
        >>> retry_after_seconds("Wed, 21 Oct 2026 07:28:10 GMT", datetime(2026, 10, 21, 7, 28, tzinfo=UTC))
        10.0
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # longer ones are beyond any time-out as well
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
