"""What one request, and all of them together, may ask for."""
from dataclasses import dataclass, fields

from keras_fixhead.errors import ArgumentError

WORKERS = 2
MAX_BATCH_MERGE = 32


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may ask for. Each has a documented answer (docs/server.md).

    Args:
        body_bytes: the largest request body, before and after decompression.
        json_depth: how deep lists and objects of a request may be nested.
        batch: the largest first dimension of an input.
        picture_bytes: the largest encoded picture.
        picture_pixels: the largest decoded picture, according to its header.
        request_pixels: the decoded pictures of one request together.
        concurrent: how many predict requests are read, queued and run at a time.
        timeout_seconds: the longest wait for a request's body, and for its answer.

    Raises:
        ArgumentError: if one of them is not above 0.
    """

    body_bytes: int = 32 * 2**20
    json_depth: int = 32
    batch: int = 128
    picture_bytes: int = 16 * 2**20
    picture_pixels: int = 40_000_000
    request_pixels: int = 160_000_000
    concurrent: int = 32
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        for each in fields(self):
            check_positive(each.name, getattr(self, each.name))


def check_positive(name: str, value: float) -> None:
    """Raises an ArgumentError if a value is not a finite number above 0."""
    if not 0 < value < float("inf"):
        raise ArgumentError(f"{name}={value} is not a limit. Expected a number above 0.")
