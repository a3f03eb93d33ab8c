"""Making packed data sets, and checking them."""
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.packed import packed_under, read_packed, view_of, write_packed
from keras_fixhead.data.packed_index import INDEX, SUFFIX, PackedIndex, again, read_index
from keras_fixhead.data.reading import read_whole
from keras_fixhead.data.sources import is_folder, packed_entry
from keras_fixhead.data.whole import WholeSet
from keras_fixhead.errors import ArgumentError, DataError

PART_MB = 60.0
"""Size of the largest file of a packed set, in megabytes (10^6 bytes)."""


def pack_dataset(dataset: str, out: Path, *, data_dir: str | None = None, image_size: int | None = None,
                 name: str | None = None, part_mb: float = PART_MB) -> tuple[Path, PackedIndex]:
    """Writes a data set as plain files into the folder `out`/NAME.packed; returns that folder and its index.

    Args:
        dataset: a name in the catalogue of data sets, or the path of a folder of images.
        out: the folder of packed sets, made where it is missing.
        data_dir: folder of packed or prepared data sets, as for `load_dataset`.
        image_size: side of the images that a folder's pictures are made into.
        name: of a packed folder of images; None for the folder's own.
        part_mb: size of the largest file in megabytes; a file holds a single image where that alone is larger.

    Raises:
        ArgumentError: (a ValueError) for a wrong name, or if the set is packed there already.
        DataError: if the data set cannot be read.
        RunError: if it cannot be written.
    """
    if part_mb <= 0:
        raise ArgumentError(f"part_mb must be above 0, got {part_mb:g}.")
    own = _name(dataset, name)
    target = out / f"{own}{SUFFIX}"
    if target.exists():
        raise ArgumentError(f"{target} exists already.",
                            hint=f"Check it: fixhead data verify {target}. To pack anew, remove it first.")
    whole, _ = read_whole(dataset, data_dir, image_size)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"The folder {out} cannot be made: {error.strerror}.") from None
    return target, write_packed(target, own, whole, part_bytes=max(1, round(part_mb * 1e6)))


def _name(dataset: str, name: str | None) -> str:
    if not is_folder(dataset):
        if name not in (None, dataset):
            raise ArgumentError(f"{dataset} keeps its own name; a name is for folders of images, got {name!r}.")
        return dataset
    own = name or Path(dataset).expanduser().absolute().name.removesuffix(SUFFIX)
    if own in DATASETS and not _is_that(dataset, own):
        raise ArgumentError(f"{own!r} is the name of a data set of the catalogue; {dataset} is a folder of images.",
                            hint="Give it another one: --name NAME")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", own):
        raise ArgumentError(f"{own!r} is no name for a packed set: expected letters, digits, '_', '-' and '.'.",
                            hint="Give one: --name NAME")
    return own


def _is_that(dataset: str, name: str) -> bool:
    """Whether a path is that of a packed set of this name."""
    path = Path(dataset).expanduser()
    return path.name.endswith(SUFFIX) and read_index(path).name == name


@dataclass(frozen=True)
class Verified:
    """What a check of a packed set gave.

    Attributes:
        path: of its folder.
        ok: whether each file is what the index says, and the data set has the digest that it was packed with.
        problem: what is wrong, in words; None for nothing.
        name, train, test, classes, bytes, files, digest, subset: of the index; None where that cannot be read.
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
    """Returns what checking each packed set at or below a path gave: every byte, and the digest of the data set.

    Raises:
        DataError: if there is none.
    """
    folders = packed_under(path)
    if not folders:
        raise DataError(f"There is no packed data set at {path} or below it.",
                        hint=f"Make one: fixhead data pack DATASET {path}")
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
                raise DataError(f"{folder} holds other images, or statistics of their pixels, than it was packed with: "
                                f"{found} in the place of {expected}.", hint=again(INDEX))
    except DataError as error:
        return Verified(str(folder), False, str(error), **facts)
    return Verified(str(folder), True, None, **facts)
