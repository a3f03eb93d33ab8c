"""The limits of one request, and of all requests together."""
from dataclasses import dataclass, fields
from typing import Any

from keras_fixhead.errors import ArgumentError

WORKERS = 2
MAX_BATCH_MERGE = 32


@dataclass(frozen=True)
class Limits:
    """The limits of one request, and of all requests together; docs/server.md has the answer to each.

    Args:
        body_bytes: the largest request body, before and after decompression.
        json_depth: how deeply lists and objects of a request may be nested.
        batch: the largest first dimension of an input.
        picture_bytes: the largest encoded picture.
        picture_pixels: the largest decoded picture in pixels, according to its header.
        request_pixels: the pixels of all decoded pictures of one request together.
        concurrent: the number of predict requests that may be read, queued or run at a time.
        timeout_seconds: the longest wait for a request's body, and for its answer.

    Raises:
        ArgumentError: if one of them is not a finite number above 0.
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
            check_positive(each.name, getattr(self, each.name), whole=each.name != "timeout_seconds")


def check_positive(name: str, value: Any, *, whole: bool = True) -> None:
    """Raises an ArgumentError if a value is not a finite number above 0, or not a whole one where that is needed."""
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < float("inf"):
        raise ArgumentError(f"{name}={value!r} is not valid. Expected a {'whole ' if whole else ''}number above 0.")
