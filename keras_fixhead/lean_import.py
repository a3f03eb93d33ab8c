"""Importing large libraries without what they import and we do not use, so that commands start sooner."""
import contextlib
import gc
import sys
from collections.abc import Iterator

KERAS = ("sklearn", "matplotlib.pyplot")
"""What Keras imports for its scikit-learn wrappers and galleries of images."""
TENSORFLOW = ("jax", *KERAS)
"""What TensorFlow imports for a converter of JAX functions, and through Keras."""


@contextlib.contextmanager
def without(*unneeded: str) -> Iterator[None]:
    """Imports inside the context find the named modules not installed; afterwards they can be imported as always.

    For optional imports of libraries (`KERAS`, `TENSORFLOW`). Inside the context, reference cycles are not collected:
    modules hardly leave any, and each collection visits everything that was imported so far.

    Args:
        unneeded: full names of modules. Those that are loaded already stay as they are.

    Example:
        >>> with without("mailbox"):
        ...     import mailbox
        Traceback (most recent call last):
        ...
        ModuleNotFoundError: import of mailbox halted; None in sys.modules
        >>> import mailbox
    """
    hidden = [name for name in dict.fromkeys(unneeded) if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None stands for a module that cannot be found
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        for name in hidden:
            del sys.modules[name]
