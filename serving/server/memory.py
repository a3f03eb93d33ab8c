"""What the process keeps of what it has used: Python's collector, and glibc's allocator."""
import ctypes
import gc
import os
from typing import Any

_M_ARENA_MAX = -8  # of mallopt, in glibc's malloc.h


def share_arena() -> None:
    """Has glibc's allocator use one arena for all threads, unless MALLOC_ARENA_MAX says otherwise.

    To be called first. By default each thread gets an arena, up to eight a core, and in each what is in use comes to
    lie between what is free: under load, memory grows with every version that is loaded, though as little is in use
    as before.
    """
    mallopt = _from_c_library("mallopt")
    if mallopt and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 1)


def settle_memory() -> None:
    """Collects what unloaded versions have left, then keeps all that is there out of later collections.

    What a loaded model consists of need not be looked at again and again. It is thawed first: what was frozen and
    has since been unloaded would never be freed otherwise.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    # What an unloaded version has held lies in the allocator between what is in use: glibc returns it when asked.
    trim = _from_c_library("malloc_trim")
    if trim:
        trim(0)


def _from_c_library(name: str) -> Any:
    """A function of the C library, or None where that has none of this name."""
    return getattr(ctypes.CDLL(None), name, None)
