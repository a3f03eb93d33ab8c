"""How much used memory the process keeps: Python's garbage collector and glibc's allocator."""
import ctypes
import gc
import os
from typing import Any

_M_ARENA_MAX = -8  # of mallopt, in glibc's malloc.h


def share_arena() -> None:
    """Makes glibc's allocator use one arena for all threads, unless MALLOC_ARENA_MAX says otherwise.

    Call it first. By default each thread gets an arena, up to eight per core, and each arena becomes fragmented: under
    load, memory then grows with every version that is loaded, although no more of it is in use.
    """
    mallopt = _from_c_library("mallopt")
    if mallopt and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 1)


def settle_memory() -> None:
    """Collects the garbage of unloaded versions, then excludes all remaining objects from later collections.

    The objects of a loaded model need not be examined again and again. They are unfrozen first: otherwise the objects
    of versions that have been unloaded since would never be freed.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    # The freed memory of an unloaded version stays in the allocator: glibc returns it to the system on request.
    trim = _from_c_library("malloc_trim")
    if trim:
        trim(0)


def _from_c_library(name: str) -> Any:
    """A function of the C library, or None if it has no function of this name."""
    return getattr(ctypes.CDLL(None), name, None)
