"""What is known of a data set before its images are read: classes and sizes, from the catalogue or from the disk."""
import dataclasses
import functools
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_fixhead.catalog import look_up
from keras_fixhead.data.catalog import DATASETS, DatasetEntry
from keras_fixhead.data.packed_index import find_packed, is_packed, read_index
from keras_fixhead.errors import ArgumentError, DataError

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
FOLDER_TEST_SHARE = 5
"""One in so many pictures of each class is held out for testing where a folder has no test part."""


def is_folder(name: str) -> bool:
    """Returns whether a data set's name is that of a folder of images.

    Example:
        >>> is_folder("cifar10"), is_folder("./photographs")
        (False, True)
    """
    return name not in DATASETS and (os.sep in name or name.startswith("~") or Path(name).is_dir())


def describe(name: str, data_dir: str | None = None, *, image_size: int | None = None,
             classes: str | None = None) -> DatasetEntry:
    """Returns the entry of a data set as it is at hand: a folder of images is looked through, a part is said to be one.

    A packed set is taken before one that TensorFlow Datasets have prepared in the same folder, or the embedded one.

    Args:
        name: a name in the catalogue, or the path of a folder of images or of a packed set.
        data_dir: folder of prepared data sets; None for $TFDS_DATA_DIR, then TensorFlow Datasets' own.
        image_size: side of the images that a folder's pictures are made into.
        classes: names of classes or groups, with commas between them, where not all are wanted.

    Raises:
        ArgumentError: (a ValueError) for an unknown name of a set or class, or an image size for a set that has one.
        DataError: if a folder of images is not one, or the index of a packed set is damaged.

    Example:
        >>> describe("digits").test
        360
    """
    if (folder := packed_folder(name, data_dir)) is not None:
        entry = packed_entry(folder)
        if image_size not in (None, entry.image_shape[0]):
            raise ArgumentError(f"{folder} was packed with images of {entry.image_shape[0]}x{entry.image_shape[1]} "
                                f"pixels, not {image_size}.", hint="Leave --image-size out, or pack it again with it.")
    elif is_folder(name):
        entry = _folder_entry(str(Path(name).expanduser().absolute()), image_size)
    else:
        entry = _prepared_entry(look_up(DATASETS, name, "data set"), data_folder_of(data_dir))
        if image_size is not None:
            raise ArgumentError(f"{name} has images of {entry.image_shape[0]}x{entry.image_shape[1]} pixels; an image "
                                "size is for folders of images.", hint="Leave --image-size out.")
    return entry if classes is None else _part_of(entry, name, classes)


def subset_note(name: str, entry: DatasetEntry) -> str | None:
    """Returns what a data set at hand is a subset of, in words; None for a whole one."""
    whole = DATASETS.get(name)
    if entry.subset is not None:
        return entry.subset
    if whole is None or (entry.train + entry.validation, entry.test) == (whole.train + whole.validation, whole.test):
        return None
    return (f"a subset of {name}: {entry.train + entry.validation:,} of {whole.train + whole.validation:,} training "
            f"and {entry.test:,} of {whole.test:,} test images; results are not comparable with published ones")


def packed_folder(name: str, data_dir: str | None) -> Path | None:
    """Returns the folder of the packed set that a data set is read from; None if it is not packed here.

    Args:
        name: the path of a packed set, or a name in the catalogue.
        data_dir: the folder that holds NAME.packed, or is the packed set.

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
    base = DATASETS.get(index.name) or _own_entry(f"images packed as {index.name}", index.image_shape[0])
    return dataclasses.replace(
        base, loader="keras_fixhead.data.packed:load_packed", packed=str(folder), probe_url=None, builder=None,
        archive=None, image_shape=index.image_shape, num_classes=len(index.label_names), label_names=index.label_names,
        groups=index.groups, train=index.splits["train"] - index.validation, validation=index.validation,
        test=index.splits["test"], subset=index.subset, citation=index.citation, terms=index.terms)


def data_folder_of(data_dir: str | None) -> Path:
    """Returns the folder of prepared data sets: the one given, $TFDS_DATA_DIR, or TensorFlow Datasets' own."""
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets").expanduser()


def chosen_labels(label_names: Sequence[str], groups: Mapping[str, tuple[str, ...]], classes: str) -> list[int]:
    """Returns the labels of the classes that are named, singly or as groups, in the order of the data set.

    Args:
        label_names: names of all classes.
        groups: group -> names of its classes.
        classes: names with commas between them.

    Raises:
        ArgumentError: for an unknown name, or fewer than two classes.

    Example:
        >>> chosen_labels(("cat", "dog", "ship"), {"animals": ("cat", "dog")}, "animals,ship")
        [0, 1, 2]
    """
    table = {**{name: (name,) for name in label_names}, **groups}
    names = {name for part in classes.split(",") for name in look_up(table, part.strip(), "class")}
    if len(names) < 2:
        raise ArgumentError(f"classes must name at least 2 classes, got {classes!r}.")
    return [label for label, name in enumerate(label_names) if name in names]


def folder_files(folder: str) -> dict[str, dict[str, list[Path]]]:
    """Returns part -> class -> files of a folder of images, sorted by name.

    A part is 'train' or 'test' where the folder has both, else the one part 'all'. Files that start with a dot are
    left out.

    Raises:
        DataError: if there are no such subfolders, other files than pictures, or the parts have other classes.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise DataError(f"The folder of images {root} does not exist.",
                        hint="Give a data set's name (fixhead list datasets), or a folder with one subfolder a class.")
    names = {each.name for each in _subfolders(root)}
    if names == {"train", "test"}:
        parts = {part: _classes(root / part) for part in ("train", "test")}
        if extra := sorted(parts["test"].keys() ^ parts["train"].keys()):
            raise DataError(f"{root / 'train'} and {root / 'test'} have other classes: in one of them only is "
                            f"{', '.join(extra[:5])}.")
        return parts
    return {"all": _classes(root)}


def _classes(folder: Path) -> dict[str, list[Path]]:
    classes = {each.name: _pictures(each) for each in _subfolders(folder)}
    if len(classes) < 2:
        raise DataError(f"{folder} has {len(classes)} subfolders; a folder of images has one a class, 2 or more.",
                        hint="Expected FOLDER/CLASS/PICTURE, or FOLDER/train/CLASS/PICTURE and FOLDER/test/....")
    return classes


def _subfolders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    files = sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("."))
    others = [each for each in files if each.suffix.lower() not in PICTURE_ENDINGS]
    if others:
        raise DataError(f"{others[0]} is no picture by its name ({len(others)} such files in {folder}).",
                        hint=f"Known endings: {', '.join(PICTURE_ENDINGS)}.")
    if len(files) < 2:
        raise DataError(f"{folder} holds {len(files)} pictures; a class needs 2 or more.")
    return files


@functools.lru_cache(maxsize=8)
def _folder_entry(folder: str, image_size: int | None) -> DatasetEntry:
    parts = folder_files(folder)
    counts = {part: sum(map(len, classes.values())) for part, classes in parts.items()}
    classes = next(iter(parts.values()))
    side = _side(classes) if image_size is None else image_size
    test = counts.get("test", counts.get("all", 0) // FOLDER_TEST_SHARE)
    train = counts.get("train", counts.get("all", 0) - test)
    return dataclasses.replace(
        _own_entry(f"the folder of images {folder}", side), source=folder, num_classes=len(classes),
        train=train - train // 10, validation=train // 10, test=test, label_names=tuple(classes),
        resize=image_size is not None)


def _own_entry(summary: str, side: int) -> DatasetEntry:
    """The entry of somebody's own images, without their numbers."""
    return DatasetEntry(
        summary=summary, loader="keras_fixhead.data.image_folder:load_image_folder", source=None,
        image_shape=(side, side, 3), num_classes=0, train=0, validation=0, test=0, crop_padding=side // 8, flip=True,
        probe_url=None, citation="")


def _side(classes: Mapping[str, list[Path]]) -> int:
    """The side of the first picture, which all must have where no size is asked for."""
    from PIL import Image

    first = next(iter(classes.values()))[0]
    try:
        with Image.open(first) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError):
        raise DataError(f"{first} is no picture that can be read.") from None
    if width != height:
        raise DataError(f"{first} has {width}x{height} pixels, and is not square.",
                        hint="Give --image-size, the side of the squares that pictures are cut and resized to.")
    return width


def _prepared_entry(entry: DatasetEntry, folder: Path) -> DatasetEntry:
    """An entry with the sizes and names that its prepared files say they have."""
    found = sorted(folder.glob(f"{entry.tfds_name}/*/dataset_info.json")) if entry.tfds_name else []
    if not found:
        return _archive_entry(entry, folder)
    try:
        content = json.loads(found[-1].read_text(encoding="utf-8"))
        sizes = {split["name"]: sum(map(int, split["shardLengths"])) for split in content["splits"]}
        train, test = sizes.get("train", 0), sizes["test"]
    except (OSError, ValueError, KeyError, TypeError):
        return entry  # what is wrong with it is said when it is read
    names = entry.label_names
    if names is None and (labels := found[-1].with_name("label.labels.txt")).is_file():
        names = tuple(labels.read_text(encoding="utf-8").split())
    return _resized(dataclasses.replace(entry, label_names=names), train, test)


def _archive_entry(entry: DatasetEntry, folder: Path) -> DatasetEntry:
    """An entry with the sizes of the archive that its builder would prepare, if it is there."""
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


def _part_of(entry: DatasetEntry, name: str, classes: str) -> DatasetEntry:
    """An entry with some of its classes; its sizes are exact where all classes have as many images."""
    if entry.label_names is None:
        raise DataError(f"The classes of {name} are not known before it is prepared.",
                        hint=f"Prepare it first: fixhead data show {name}")
    labels = chosen_labels(entry.label_names, entry.groups, classes)
    share = len(labels) / entry.num_classes
    return dataclasses.replace(
        entry, num_classes=len(labels), label_names=tuple(entry.label_names[label] for label in labels),
        train=round(entry.train * share), validation=round(entry.validation * share), test=round(entry.test * share))
