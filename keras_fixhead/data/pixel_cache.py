"""Decodes picture files once, a bounded number at a time, into one array of pixels on disk that is mapped into memory.

Training then reads pixels instead of pictures, from the first epoch on, and data sets larger than memory can be used:
pages that are not needed are left on disk. FIXHEAD_DATA_CACHE=off keeps pixels in memory instead.
"""
import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.ahead import mapped_ahead
from keras_fixhead.data.pictures import MIN_SIDE, PictureForm, fit_upright, upright_picture
from keras_fixhead.errors import DataError
from keras_fixhead.hardware import cache_dir

SWITCH = "FIXHEAD_DATA_CACHE"
"""Environment variable that switches this cache and that of prepared sets off."""
_VERSION = 2  # of pixels: of `pictures`, and of what is stored here
_FREE_SHARE = 2  # pixels may take half of the free space
_KEPT = 4
_TOGETHER = 8  # files that a thread decodes before it asks for more
_PIXELS, _FACTS = "pixels.npy", "facts.json"
_ASIDE = ".tmp-"
_NOT_READ = "cannot be read:"
_STALE_SECONDS = 24 * 3600  # after which an unfinished write belongs to a process that was killed

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decoded:
    """The pixels of picture files.

    Attributes:
        pixels: uint8, shape (N, H, W, C), one row for each file that could be used.
        used: indices of these files, in ascending order, shape (N,).
        refused: why each of the other files cannot be used, in the order of the files.
    """

    pixels: NDArray[np.uint8]
    used: NDArray[np.intp]
    refused: tuple[str, ...]

    @property
    def may_be_read_now(self) -> bool:
        """Whether a file could not be read for a reason that may have gone, although the file is the same."""
        return any(_NOT_READ in each for each in self.refused)


def decode_files(files: Sequence[Path], form: PictureForm, *, any_size: bool) -> Decoded:
    """Returns the pixels of picture files, from the cache if they were decoded before and have not changed.

    Args:
        files: picture files.
        form: size of the pixels, and how pictures are fitted to it.
        any_size: whether pictures may have other sizes than the form's.
    """
    if not is_on():
        return _in_memory(files, form, any_size)
    folder = folder_of_pixels() / f"{_source(files)}-{_state(files, form, any_size)}"
    if (found := _read(folder)) is not None and not found.may_be_read_now:
        return found
    size = len(files) * form.height * form.width * form.channels
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder.parent).free < _FREE_SHARE * size:
            raise OSError(f"{folder.parent} has too little space for {size / 1e6:,.0f} MB of pixels")
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_ASIDE))
    except OSError as error:
        _log.warning("Pixels are kept in memory: %s. Move the cache with FIXHEAD_CACHE_DIR, or switch it off with "
                     "%s=off.", error, SWITCH)
        return _in_memory(files, form, any_size)
    try:
        _write(aside, files, form, any_size)
        if folder.exists() and ((found := _read(folder)) is None or found.may_be_read_now):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():  # otherwise another process was faster
            aside.rename(folder)
    except OSError as error:
        if not folder.exists():
            raise DataError(f"{folder} cannot be written: {error.strerror or error}.",
                            hint=f"Free some space, or switch the cache off: {SWITCH}=off") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if (found := _read(folder)) is None:
        raise DataError(f"{folder} is damaged, and cannot be removed.",
                        hint=f"Remove it by hand, or switch the cache off: {SWITCH}=off")
    _remove_earlier(folder)
    _remove_unfinished(folder.parent)
    return found


def is_on() -> bool:
    """Returns whether pixels and prepared sets are kept on disk."""
    return os.environ.get(SWITCH, "on").lower() not in ("off", "0", "no", "false")


def folder_of_pixels() -> Path:
    """Returns the folder of the cached pixels."""
    return cache_dir() / "pictures"


def kept() -> list[Path]:
    """Returns the folders of all cached pixels, sorted."""
    return sorted(each for each in folder_of_pixels().glob("*-*") if not each.name.startswith("."))


def clear() -> None:
    """Removes all cached pixels, and leftovers of unfinished writes."""
    shutil.rmtree(folder_of_pixels(), ignore_errors=True)


def _pixels(file: Path, form: PictureForm, any_size: bool) -> NDArray[np.uint8] | str:
    try:
        picture = upright_picture(file.read_bytes(), str(file), form)
    except DataError as error:
        return error.what
    except OSError as error:
        return f"{file} {_NOT_READ} {error.strerror}."
    width, height = picture.columns, picture.rows
    if not any_size and (height, width) != (form.height, form.width):
        return f"{file} has {width}x{height} pixels, not the {form.width}x{form.height} of the first picture."
    if min(height, width) < MIN_SIDE:
        return f"{file} has {width}x{height} pixels; each side needs at least {MIN_SIDE}."
    return fit_upright(picture, form)


def _in_memory(files: Sequence[Path], form: PictureForm, any_size: bool) -> Decoded:
    pixels = np.empty((len(files), form.height, form.width, form.channels), np.uint8)
    used, refused = _fill(pixels, files, form, any_size)
    return Decoded(pixels[: len(used)], used, refused)


def _fill(pixels: NDArray[np.uint8], files: Sequence[Path], form: PictureForm,
          any_size: bool) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Decodes files into the first rows, a few files at a time in each thread."""
    def decode(start: int) -> list[str | None]:
        return [_put(pixels, index, files[index], form, any_size)
                for index in range(start, min(start + _TOGETHER, len(files)))]

    reasons = [each for some in mapped_ahead(decode, range(0, len(files), _TOGETHER)) for each in some]
    used = np.array([index for index, reason in enumerate(reasons) if reason is None], np.intp)
    for row in np.flatnonzero(used != np.arange(len(used))):  # closes the gaps of files that were refused
        pixels[row] = pixels[used[row]]
    return used, tuple(reason for reason in reasons if reason is not None)


def _put(pixels: NDArray[np.uint8], row: int, file: Path, form: PictureForm, any_size: bool) -> str | None:
    """Writes a picture's pixels, or returns why it cannot be used."""
    found = _pixels(file, form, any_size)
    if isinstance(found, str):
        return found
    pixels[row] = found
    return None


def _write(folder: Path, files: Sequence[Path], form: PictureForm, any_size: bool) -> None:
    _log.info("Decoding %s pictures, once; their pixels are kept in %s.", f"{len(files):,}", folder.parent)
    shape = (max(1, len(files)), form.height, form.width, form.channels)
    pixels = np.lib.format.open_memmap(folder / _PIXELS, "w+", np.uint8, shape)
    used, refused = _fill(pixels, files, form, any_size)
    pixels.flush()
    facts = {"used": used.tolist(), "refused": refused, "shape": shape}
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
    for name in (_PIXELS, _FACTS):  # after a crash of the machine, the folder must not be there without its content
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())


def _read(folder: Path) -> Decoded | None:
    try:
        facts: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        pixels = np.load(folder / _PIXELS, mmap_mode="r")
        used = np.array(facts["used"], np.intp)
        if list(pixels.shape) != facts["shape"] or pixels.dtype != np.uint8:
            return None
        return Decoded(pixels[: len(used)], used, tuple(facts["refused"]))
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None  # missing, or damaged: it is decoded again


def _remove_earlier(folder: Path) -> None:
    """Keeps the newest pixels of the same pictures, in other sizes or from before they changed."""
    same = sorted(folder.parent.glob(f"{folder.name.partition('-')[0]}-*"), key=lambda each: each.stat().st_mtime)
    for each in same[:-_KEPT]:
        shutil.rmtree(each, ignore_errors=True)


def _remove_unfinished(folder: Path) -> None:
    """Removes what processes that were killed have left; a living one changes its folder all the time."""
    for each in folder.glob(f"{_ASIDE}*"):
        with contextlib.suppress(OSError):
            if time.time() - max(file.stat().st_mtime for file in (each, *each.iterdir())) > _STALE_SECONDS:
                shutil.rmtree(each, ignore_errors=True)


def _source(files: Sequence[Path]) -> str:
    """A digest of the folder that all files are in."""
    common = os.path.commonpath([str(file.absolute()) for file in files])
    return hashlib.sha256(common.encode()).hexdigest()[:8]


def _state(files: Sequence[Path], form: PictureForm, any_size: bool) -> str:
    """A digest of the files' paths, sizes and times of change, and of what is made of them."""
    import PIL

    how = form.as_dict()
    if form.decoding == "full":
        del how["decoding"]  # which is newer than pixels that are kept
    digest = hashlib.sha256(json.dumps([_VERSION, PIL.__version__, how, any_size]).encode())
    for file in files:
        try:
            found = file.stat()
            facts = (found.st_size, found.st_mtime_ns)
        except OSError:
            facts = (-1, -1)
        digest.update(json.dumps([str(file.absolute()), *facts]).encode())
    return digest.hexdigest()[:32]
