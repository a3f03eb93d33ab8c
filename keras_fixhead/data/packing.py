"""Packing data sets, and checking packed ones."""
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.packed import already_packed, packed_under, read_packed, view_of, write_packed
from keras_fixhead.data.packed_index import INDEX, SUFFIX, PackedIndex, again, file_name, read_index
from keras_fixhead.data.reading import read_whole
from keras_fixhead.data.sources import check_pictures, is_folder, packed_entry
from keras_fixhead.data.whole import WholeSet
from keras_fixhead.errors import ArgumentError, DataError

PART_MB = 60.0
"""Maximum size of a file of a packed set, in megabytes (10^6 bytes)."""


def pack_dataset(dataset: str, out: Path, *, data_dir: str | None = None, image_size: int | str | None = None,
                 fit: str | None = None, skip_broken: bool = False, name: str | None = None,
                 part_mb: float = PART_MB) -> tuple[Path, PackedIndex]:
    """Writes a data set as plain files into the folder `out`/NAME.packed; returns the folder and the index.

    Args:
        dataset: a name in the catalogue of data sets, or the path of a folder of images.
        out: the folder of packed sets, created if it is missing.
        data_dir: folder of packed or prepared data sets, as for `load_dataset`.
        image_size: size that a folder's pictures get: the side of a square, or 'WIDTHxHEIGHT'.
        fit: how they are fitted to it, one of `pictures.FITS`; None for 'crop'.
        skip_broken: whether pictures that cannot be used are skipped.
        name: name for a packed folder of images; None for the folder's own.
        part_mb: maximum size of a file in megabytes; a single image that is larger gets a file of its own.

    Raises:
        ArgumentError: (a ValueError) for a wrong name, or if the set is already packed there.
        DataError: if the data set cannot be read.
        RunError: if it cannot be written.
    """
    if part_mb <= 0:
        raise ArgumentError(f"part_mb must be above 0, got {part_mb:g}.")
    check_pictures(dataset)
    own = _name(dataset, name)
    target = out / f"{file_name(own)}{SUFFIX}"
    if target.exists():
        raise already_packed(target)
    whole, _ = read_whole(dataset, data_dir, image_size, fit, skip_broken)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"The folder {out} cannot be created: {error.strerror}.") from None
    return target, write_packed(target, own, whole, part_bytes=max(1, round(part_mb * 1e6)))


def _name(dataset: str, name: str | None) -> str:
    if not is_folder(dataset):
        if name not in (None, dataset):
            raise ArgumentError(f"{dataset} cannot be renamed to {name!r}: --name applies only to folders of images.")
        return dataset
    own = name or Path(dataset).expanduser().absolute().name.removesuffix(SUFFIX)
    if own in DATASETS and not _is_that(dataset, own):
        raise ArgumentError(f"{own!r} is the name of a data set in the catalogue; {dataset} is a folder of images.",
                            hint="Give it another name: --name NAME")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", own):
        raise ArgumentError(f"{own!r} cannot be the name of a packed set. Expected letters, digits, '_', '-' and '.'.",
                            hint="Give it another name: --name NAME")
    return own


def _is_that(dataset: str, name: str) -> bool:
    """Returns whether a path is a packed set of this name."""
    path = Path(dataset).expanduser()
    return path.name.endswith(SUFFIX) and read_index(path).name == name


@dataclass(frozen=True)
class Verified:
    """The result of checking a packed set.

    Attributes:
        path: path of its folder.
        ok: whether every file matches the index, and the data set has the digest with which it was packed.
        problem: description of what is wrong; None if it is intact.
        name, train, test, classes, bytes, files, digest, subset: from the index; None if it cannot be read.
    """

    path: str
    ok: bool
    problem: str | None
    name: str | None = None
    train: int | None = None
    test: int | None = None
    classes: int | None = None
    bytes: int | None = None
    files: int | None = None
    digest: str | None = None
    subset: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields as a dictionary."""
        return asdict(self)


def verify_packed(path: Path) -> list[Verified]:
    """Checks every byte and the data set's digest of each packed set at or below a path; returns the results.

    Raises:
        DataError: if there is none.
    """
    folders = packed_under(path)
    if not folders:
        raise DataError(f"There is no packed data set at {path} or below it.",
                        hint=f"Write one: fixhead data pack DATASET {shlex.quote(str(path))}")
    return [_verified(folder) for folder in folders]


def _verified(folder: Path) -> Verified:
    try:
        index = read_index(folder)
    except DataError as error:
        return Verified(str(folder), False, str(error))
    facts: dict[str, Any] = {
        "name": index.name, "train": index.splits["train"], "test": index.splits["test"],
        "classes": len(index.label_names), "bytes": index.size_bytes, "files": len(index.files),
        "digest": index.held_out.digest, "subset": index.subset}
    try:
        parts, label_names = read_packed(folder)
        whole = WholeSet(index.name, packed_entry(folder), parts, label_names)
        for hold_out in (True, False):
            if (found := view_of(whole, hold_out)) != (expected := index.view(hold_out)):
                raise DataError(f"The images or pixel statistics of {folder} differ from those that were packed: "
                                f"{found} instead of {expected}.", hint=again(INDEX))
    except DataError as error:
        return Verified(str(folder), False, str(error), **facts)
    return Verified(str(folder), True, None, **facts)
