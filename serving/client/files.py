"""Finds picture files, reads and predicts them a batch at a time, and reads array files; unreadable ones are named."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fixhead_serving.client.answers import Array
from fixhead_serving.client.bodies import checked_batch_size
from fixhead_serving.client.pictures import read_picture
from keras_fixhead.errors import DataError, RequestError

ARRAY_ENDINGS = (".npy", ".npz")
"""Endings of files whose arrays are sent as they are."""

_FOR_THE_PICTURE = (400, 413)  # refusals that may be due to one picture and not to the whole request

Predict = Callable[[list[bytes], list[str]], dict[str, Array]]


@dataclass(frozen=True)
class FileBatch:
    """The outcome for some files.

    Args:
        files: the files that were predicted.
        outputs: an array for each output, with one row per file.
        skipped: the files that could not be read or that the server refused, with the reason.
    """

    files: list[Path] = field(default_factory=list)
    outputs: dict[str, Array] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Returns files as they are, and for each folder all pictures in it, at any depth, sorted by name.

    In folders, pictures are found by their extension; files and folders whose names start with a dot are left out.
    Links are followed, but not in circles.

    Raises:
        DataError: if a folder has no pictures or cannot be read.
    """
    return [file for path in map(Path, paths) for file in (_pictures_in(path) if _is_folder(path) else [path])]


def predict_files(
    predict: Predict, files: Iterable[Path], batch_size: int, read: Callable[[Path], bytes] = read_picture
) -> Iterator[FileBatch]:
    """Yields a function's outputs for picture files, a batch at a time, so that a folder of any size fits in memory.

    Args:
        predict: a function of the pictures' contents and names.
        files: picture files.
        batch_size: the number of files read at a time.
        read: a function from a file to its contents, which raises a DataError for what is not a picture; by default,
            pictures are turned upright for the server.

    Raises:
        ArgumentError: if `batch_size` is below 1.
        ServingError: whatever `predict` raises, unless it only refuses some pictures.
    """
    waiting = list(files)
    size = checked_batch_size(batch_size)
    answered = False
    for start in range(0, len(waiting), size):
        contents: dict[Path, bytes] = {}
        skipped: dict[Path, str] = {}
        for file in waiting[start : start + size]:
            try:
                contents[file] = read(file)
            except DataError as error:
                skipped[file] = error.what
        batch = _predict_batch(predict, contents, skipped, may_refuse_all=answered)
        answered = answered or bool(batch.files)
        yield batch


def read_images(path: str | os.PathLike[str]) -> Array:
    """Returns the images or vectors in a NumPy file; an .npy file is read as its images are used.

    Args:
        path: an .npy file, or an .npz file with one array or one called `images` or `features`.

    Returns:
        uint8 or float array of shape (N, H, W, 3), or (N, H, W, 1) of grey; or float vectors of shape (N, D).

    Raises:
        DataError: if the file cannot be read or contains something else.
    """
    path = Path(path)
    try:
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        array = content if isinstance(content, np.ndarray) else _only_array(content, path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or 'it is damaged'}.") from None
    except DataError:
        raise
    except Exception as error:  # whatever NumPy and zipfile raise for a damaged file
        raise DataError(f"{path} is not a readable NumPy file: {_first_line(error)}.") from None
    if array.dtype.kind not in "uf" or (array.dtype.kind == "u" and array.dtype != np.uint8):
        raise DataError(f"{path} contains {array.dtype}. Expected uint8 pixels, or floats in [0, 255].")
    if array.ndim == 2 and array.dtype.kind == "f" and 0 not in array.shape:
        return array
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        raise DataError(f"{path} has shape {array.shape}. Expected images of shape (N, H, W, 3), or vectors (N, D) of "
                        "floats.")
    return array


def _pictures_in(folder: Path) -> list[Path]:
    found: list[Path] = []
    seen: set[str] = set()
    try:
        for root, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
            if (real := os.path.realpath(root)) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [Path(root, name) for name in names if not name.startswith(".") and _is_picture(name)]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None
    if not found:
        from keras_fixhead.data.pictures import ENDINGS

        raise DataError(f"{folder} has no pictures.", hint=f"Known extensions: {', '.join(ENDINGS)}.")
    return sorted(found)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # the name is too long; reported when it is read as a file
        return False


def _is_picture(name: str) -> bool:
    from keras_fixhead.data.pictures import ENDINGS

    return name.lower().endswith(ENDINGS)


def _raise(error: OSError) -> None:
    raise error


def _predict_batch(
    predict: Predict, contents: dict[Path, bytes], skipped: dict[Path, str], may_refuse_all: bool
) -> FileBatch:
    """A server refuses a whole batch for one picture without saying which: the pictures are then sent one by one."""
    if not contents:
        return FileBatch(skipped=skipped)
    files = list(contents)
    try:
        return FileBatch(files, predict(list(contents.values()), list(map(str, files))), skipped)
    except RequestError as refusal:
        if refusal.status not in _FOR_THE_PICTURE or (len(files) == 1 and not may_refuse_all):
            raise
        first_refusal = refusal
    answers: dict[Path, dict[str, Array]] = {}
    refused: dict[Path, str] = {}
    for file, content in contents.items():
        try:
            answers[file] = predict([content], [str(file)])
        except RequestError as refusal:
            if refusal.status not in _FOR_THE_PICTURE:
                raise
            refused[file] = f"{file}: {refusal.what}"
    if not answers and not may_refuse_all:  # the pictures are not to blame
        raise first_refusal
    outputs = list(answers.values())
    joined = {name: np.concatenate([answer[name] for answer in outputs]) for name in (outputs[0] if outputs else {})}
    return FileBatch(list(answers), joined, skipped | refused)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _only_array(content: "np.lib.npyio.NpzFile", path: Path) -> Array:
    with content:
        names = content.files
        known = [name for name in ("images", "features") if name in names] or names
        if known == names and len(names) != 1:
            listed = ", ".join(map(repr, names)) or "none"
            raise DataError(f"{path} has the arrays {listed}. Expected one, or one called 'images' or 'features'.")
        return np.asarray(content[known[0]])
