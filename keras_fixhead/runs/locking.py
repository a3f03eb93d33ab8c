"""Locks of files between processes, also on a shared disk."""
import os
from pathlib import Path
from typing import IO

from keras_fixhead.errors import RunError


def locked_file(path: Path) -> IO[str] | None:
    """Returns a file, open and locked, or None if another process has the lock; closing it releases the lock.

    The lock is also released when its process ends, however it ends.

    Raises:
        RunError: if the file cannot be written, or its file system has no locks.

    Example:
        >>> held = locked_file(Path("example.lock"))
        >>> locked_file(Path("example.lock")) is None
        True
        >>> held.close()
    """
    import fcntl  # not available on Windows

    try:
        file = path.open("w")
    except OSError as error:
        raise RunError(f"{path.parent} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError as error:
        file.close()
        raise RunError(f"{path} cannot be locked: {os.strerror(error.errno or 0)}.",
                       hint="Use a folder on a disk with locks (Lustre: mounted with -o flock).") from None
    return file
