"""What is known about a data set before its images are read: classes and sizes, from the catalogue or the disk."""
import dataclasses
import json
import os
import shlex
import zipfile
from pathlib import Path

from keras_fixhead.catalog import look_up
from keras_fixhead.data.catalog import DATASETS, DatasetEntry, own_entry
from keras_fixhead.data.choice import chosen_labels
from keras_fixhead.data.embeddings import embedding_entry, is_embeddings
from keras_fixhead.data.image_folder import folder_entry
from keras_fixhead.data.layout import is_list
from keras_fixhead.data.packed_index import find_packed, is_packed, read_index
from keras_fixhead.data.pictures import FITS, picture_sides
from keras_fixhead.data.reduced import DECODINGS
from keras_fixhead.errors import ArgumentError, DataError


def is_folder(name: str) -> bool:
    """Returns whether a data set's name is a path: of a folder or list of pictures, a packed set, or an embedding set.

    Example:
        >>> is_folder("cifar10"), is_folder("./photographs")
        (False, True)
    """
    if name in DATASETS or not name:
        return False
    if os.sep in name or name.startswith("~"):
        return True
    path = Path(name)
    try:
        return path.is_dir() or is_list(path) or is_embeddings(path)
    except OSError:  # a name that is too long for a file
        return False


def describe(name: str, data_dir: str | None = None, *, image_size: int | str | None = None, fit: str | None = None,
             decoding: str | None = None, classes: str | None = None) -> DatasetEntry:
    """Returns the entry of a data set, with the classes and sizes that it has on this machine.

    A packed set is preferred to one prepared by TensorFlow Datasets in the same folder, and to the embedded one.

    Args:
        name: a name in the catalogue, or the path of a folder of images, of a packed set or of an embedding set.
        data_dir: folder of packed or prepared data sets; None for $TFDS_DATA_DIR, or TensorFlow Datasets' own.
        image_size: size that a folder's pictures get: the side of a square, or 'WIDTHxHEIGHT'.
        fit: how pictures are fitted to that size, one of `pictures.FITS`; None for the set's own, 'crop' for most.
        decoding: how a folder's JPEG files are decoded, one of `reduced.DECODINGS`; None for 'full'.
        classes: names of classes or groups, separated by commas; None for all classes.

    Raises:
        ArgumentError: (a ValueError) for an unknown data set or class, or an image size for a set that already has one.
        DataError: if a folder is not a folder of images, or the index of a packed set is damaged.

    Example:
        >>> describe("digits").test
        360
    """
    if fit is not None:
        look_up(dict.fromkeys(FITS), fit, "fit")
    if decoding is not None:
        look_up(dict.fromkeys(DECODINGS), decoding, "decoding")
    if (folder := packed_folder(name, data_dir)) is not None:
        entry = packed_entry(folder)
        _check_packed(folder, entry, image_size, fit)
        if not entry.resize and fit not in (None, FITS[0]):  # of pictures of other sizes, shown to the model later
            entry = dataclasses.replace(entry, fit=fit)
    elif has_vectors(name):
        entry = embedding_entry(Path(name).expanduser().absolute())
        if image_size is not None:
            raise ArgumentError(f"{name} has vectors, not pictures: an image size does not apply.",
                                hint="Leave --image-size out.")
    elif is_folder(name):
        entry = folder_entry(str(Path(name).expanduser().absolute()), image_size, fit or FITS[0],
                             decoding or DECODINGS[0])
    else:
        entry = _prepared_entry(look_up(DATASETS, name, "data set"), data_folder_of(data_dir))
        if image_size is not None:
            raise ArgumentError(f"{name} has images of {_size(entry)} pixels; an image "
                                "size applies only to folders of images.", hint="Leave --image-size out.")
        entry = dataclasses.replace(entry, fit=fit or entry.fit)
    return entry if classes is None else _part_of(entry, name, data_dir, classes)


def has_vectors(name: str) -> bool:
    """Returns whether a data set's name is the path of an embedding set.

    Example:
        >>> has_vectors("cifar10")
        False
    """
    return name not in DATASETS and is_embeddings(Path(name).expanduser())


def check_pictures(name: str) -> None:
    """Raises an ArgumentError if a data set's name is the path of an embedding set, which has no pictures."""
    if has_vectors(name):
        raise ArgumentError(f"{name} has vectors, not pictures.",
                            hint=f"Check it: fixhead data check {shlex.quote(name)}")


def _check_packed(folder: Path, entry: DatasetEntry, image_size: int | str | None, fit: str | None) -> None:
    if image_size is not None and picture_sides(image_size) != entry.image_shape[:2]:
        raise ArgumentError(f"{folder} was packed with images of {_size(entry)} pixels, not {image_size}.",
                            hint=f"Leave --image-size out, or pack the images again with --image-size {image_size}.")
    if entry.resize and fit not in (None, FITS[0], entry.fit):
        raise ArgumentError(f"{folder} was packed with --fit {entry.fit}, not {fit}.",
                            hint=f"Leave --fit out, or pack the images again with --fit {fit}.")


def _size(entry: DatasetEntry) -> str:
    height, width = entry.image_shape[:2]
    return f"{width}x{height}"


def subset_note(name: str, entry: DatasetEntry) -> str | None:
    """Returns a description of what a data set on this machine is a subset of; None for a whole one."""
    whole = DATASETS.get(name)
    if entry.subset is not None:
        return entry.subset
    if whole is None or (entry.train + entry.validation, entry.test) == (whole.train + whole.validation, whole.test):
        return None
    return (f"a subset of {name}: {entry.train + entry.validation:,} of {whole.train + whole.validation:,} training "
            f"and {entry.test:,} of {whole.test:,} test images; results are not comparable with published ones")


def dataset_version(name: str) -> dict[str, str]:
    """Returns the version of a data set that has several, for JSON; nothing for others.

    Example:
        >>> dataset_version("cifar10_1"), dataset_version("cifar10_1/v4"), dataset_version("cifar10")
        ({'dataset_version': 'v6'}, {'dataset_version': 'v4'}, {})
    """
    _, slash, version = ((DATASETS[name].source if name in DATASETS else None) or "").partition(":")[0].partition("/")
    return {"dataset_version": version} if slash else {}


def packed_folder(name: str, data_dir: str | None) -> Path | None:
    """Returns the folder of the packed set that a data set is read from; None if there is no packed set.

    Args:
        name: the path of a packed set, or a name in the catalogue.
        data_dir: the folder that contains NAME.packed, or is the packed set.

    Example:
        >>> packed_folder("cifar10", "/no/such/folder") is None
        True
    """
    if is_folder(name):
        path = Path(name).expanduser().absolute()
        return path if is_packed(path) else None
    return find_packed(name, data_folder_of(data_dir)) if name in DATASETS else None


def packed_entry(folder: Path) -> DatasetEntry:
    """Returns the entry of a packed set.

    Raises:
        DataError: if its index is missing, damaged, or from a newer version.
    """
    index = read_index(folder)
    base = DATASETS.get(index.name) or own_entry(f"images packed as {index.name}", *index.image_shape[:2])
    return dataclasses.replace(
        base, loader="keras_fixhead.data.packed:load_packed", packed=str(folder), probe_url=None, builder=None,
        archive=None, image_shape=index.image_shape, num_classes=len(index.label_names), label_names=index.label_names,
        groups=index.groups, train=index.splits["train"] - index.validation, validation=index.validation,
        test=index.splits["test"], subset=index.subset, citation=index.citation, terms=index.terms,
        resize=index.name not in DATASETS, fit=index.fit, own_validation=index.own_validation)


def is_on_this_machine(name: str, data_dir: str | None) -> bool:
    """Returns whether a data set of the catalogue is packed, prepared, published as arrays or embedded here.

    Example:
        >>> is_on_this_machine("digits", None), is_on_this_machine("cifar10_1", "/no/such/folder")
        (True, False)
    """
    entry, folder = look_up(DATASETS, name, "data set"), data_folder_of(data_dir)
    return (entry.probe_url is None or packed_folder(name, data_dir) is not None
            or array_files(entry, folder) is not None or any(folder.glob(f"{entry.tfds_name}/*/dataset_info.json")))


def data_folder_of(data_dir: str | None) -> Path:
    """Returns the folder of prepared data sets: the one given, $TFDS_DATA_DIR, or TensorFlow Datasets' own."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets").expanduser()


ARRAY_PLACES = (".", "cifar10_1", "CIFAR-10.1", "CIFAR-10.1/datasets", "datasets")
"""Where, below the data folder, NumPy files are looked for as their authors publish them."""


def array_files(entry: DatasetEntry, folder: Path) -> tuple[Path, Path] | None:
    """Returns the paths of the published files of images and labels; None if they are not both there.

    Example:
        >>> array_files(DATASETS["cifar10_1"], Path("/no/such/folder")) is None
        True
    """
    for place in ARRAY_PLACES if entry.arrays else ():
        images, labels = (folder / place / name for name in entry.arrays or ())
        if images.is_file() and labels.is_file():
            return images, labels
    return None


def _prepared_entry(entry: DatasetEntry, folder: Path) -> DatasetEntry:
    """Returns the entry with the sizes and label names recorded in its prepared files."""
    if (arrays := array_files(entry, folder)) is not None:
        return dataclasses.replace(entry, test=_rows(arrays[0], entry.test))
    found = sorted(folder.glob(f"{entry.tfds_name}/*/dataset_info.json")) if entry.tfds_name else []
    if not found:
        return _archive_entry(entry, folder)
    try:
        content = json.loads(found[-1].read_text(encoding="utf-8"))
        sizes = {split["name"]: sum(map(int, split["shardLengths"])) for split in content["splits"]}
        train, test = sizes.get("train", 0), sizes["test"]
    except (OSError, ValueError, KeyError, TypeError):
        return entry  # the problem is reported when the set is read
    names = entry.label_names
    if names is None and (labels := found[-1].with_name("label.labels.txt")).is_file():
        names = tuple(labels.read_text(encoding="utf-8").split())
    return _resized(dataclasses.replace(entry, label_names=names), train, test)


def _rows(path: Path, default: int) -> int:
    """The number of rows of a NumPy file, from its header; the default if it is damaged, which is reported later."""
    import numpy as np

    try:
        return len(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError, TypeError):
        return default


def _archive_entry(entry: DatasetEntry, folder: Path) -> DatasetEntry:
    """Returns the entry with the sizes of the archive that its builder would prepare, if there is one."""
    path = folder / "downloads" / "manual" / str(entry.archive)
    if entry.archive is None or not path.is_file():
        return entry
    try:
        with zipfile.ZipFile(path) as archive:
            pictures = [name.split("/")[1] for name in archive.namelist() if name.endswith(".JPEG")]
    except (OSError, zipfile.BadZipFile, IndexError):
        return entry
    return _resized(entry, pictures.count("train"), pictures.count("val"))


def _resized(entry: DatasetEntry, train: int, test: int) -> DatasetEntry:
    validation = round(train * entry.validation / max(1, entry.train + entry.validation))
    return dataclasses.replace(entry, train=train - validation, validation=validation, test=test)


def _part_of(entry: DatasetEntry, name: str, data_dir: str | None, classes: str) -> DatasetEntry:
    """Returns the entry reduced to some classes; its sizes are exact if all classes have the same number of images."""
    if entry.label_names is None:
        there = "" if data_dir is None else f" --data-dir {shlex.quote(data_dir)}"
        raise DataError(f"The classes of {name} are not known until it is prepared.",
                        hint=f"Prepare it first: fixhead data show {name}{there}")
    labels = chosen_labels(entry.label_names, entry.groups, classes)
    share = len(labels) / entry.num_classes
    return dataclasses.replace(
        entry, num_classes=len(labels), label_names=tuple(entry.label_names[label] for label in labels),
        train=round(entry.train * share), validation=round(entry.validation * share), test=round(entry.test * share))
