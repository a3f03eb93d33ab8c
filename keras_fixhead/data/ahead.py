"""Work that a bounded pool of threads does ahead of its use."""
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from keras_fixhead.hardware import cpu_count

_EACH = 16  # results per thread that wait to be used

Item = TypeVar("Item")
Found = TypeVar("Found")


def mapped_ahead(function: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """Yields a function of each item, in order, from as many threads as there are cores, never idle between items.

    Example:
        >>> list(mapped_ahead(len, ("a", "bb")))
        [1, 2]
    """
    waiting: deque[Future[Found]] = deque()
    with ThreadPoolExecutor(cpu_count()) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > _EACH * cpu_count():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
