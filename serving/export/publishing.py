"""Version folders: written to a temporary folder, flushed and renamed, so that no server sees an incomplete one."""
import contextlib
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_STALE_SECONDS = 24 * 3600


def versions(base_path: Path, prefix: str = "") -> list[int]:
    """Returns the version numbers under a base path in ascending order.

    Args:
        base_path: the folder of versions.
        prefix: prefix of the number in a folder's name; empty for the versions that a server accepts.
    """
    if not base_path.is_dir():
        return []
    names = [child.name.removeprefix(prefix) for child in base_path.iterdir() if child.name.startswith(prefix)]
    return sorted(int(name) for name in names if re.fullmatch(r"[0-9]{1,19}", name))


@contextlib.contextmanager
def folder_aside(base: Path) -> Iterator[Path]:
    """Yields a new folder next to the versions, on the same file system, that no server mistakes for a version.

    It is removed at the end if it still exists; folders left by killed exports are removed at the start.
    """
    base.mkdir(parents=True, exist_ok=True)
    _remove_stale(base)
    folder = Path(tempfile.mkdtemp(dir=base, prefix=".tmp-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, base: Path, prefix: str = "") -> int:
    """Renames a finished folder to the next free version number, and returns it; other processes may do the same."""
    _open_and_flush(folder)
    version = max(versions(base, prefix), default=0) + 1
    while True:
        target = base / f"{prefix}{version}"
        if not target.exists():  # a rename onto an empty folder would succeed
            try:
                folder.rename(target)
                _flush(base)
                return version
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
        version += 1


def _open_and_flush(folder: Path) -> None:
    """Makes a folder readable by other users' servers, and flushes it to disk before the rename."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(base: Path) -> None:
    """Removes old ones only, so that exports in progress are left alone."""
    for folder in base.glob(".tmp-*"):
        with contextlib.suppress(FileNotFoundError):  # another export was quicker
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
