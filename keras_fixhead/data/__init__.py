"""Data sets as uint8 arrays in memory, their parts, and their augmentation. NumPy only, but for reading TFDS files."""
from keras_fixhead.catalog import DATASETS, import_object, look_up
from keras_fixhead.data.augmentation import augment, epoch_order
from keras_fixhead.data.dataset import SPLITS, Dataset, Split, balanced_choice, pixel_statistics, whole_splits
from keras_fixhead.errors import DataError

__all__ = ["SPLITS", "Dataset", "Split", "augment", "check_available", "epoch_order", "limit_train", "load_dataset"]


def load_dataset(name: str, data_dir: str | None = None) -> Dataset:
    """Returns a data set, with a validation part held out of its training images.

    Args:
        name: a name in the catalogue of data sets: 'digits', 'cifar10' or 'cifar100'.
        data_dir: folder of prepared data sets; None for $TFDS_DATA_DIR, then TensorFlow Datasets' own.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.
        DataError: if the data are not there, cannot be downloaded, or are not what the catalogue says.

    Example:
        >>> dataset = load_dataset("digits")
        >>> len(dataset.train), len(dataset.validation), len(dataset.test)
        (1257, 180, 360)
    """
    entry = look_up(DATASETS, name, "data set")
    parts, label_names = import_object(entry.loader)(entry, data_dir)
    found = {split: len(part) for split, part in parts.items()}
    expected = {"train": entry.train + entry.validation, "test": entry.test}
    if found != expected or len(label_names) != entry.num_classes:
        raise DataError(f"{name} has {found} images of {len(label_names)} classes where it was read, but the whole set "
                        f"has {expected} of {entry.num_classes}.", hint="Prepare it again, or give another --data-dir.")
    train, validation, test = whole_splits(parts, entry.validation)
    mean, std = pixel_statistics(train.images)
    return Dataset(name, train, validation, test, label_names, mean, std)


def check_available(name: str, data_dir: str | None = None) -> None:
    """Raises a DataError if a data set is neither here nor can be downloaded; quick, and without a framework.

    Example:
        >>> check_available("digits")
    """
    entry = look_up(DATASETS, name, "data set")
    if entry.tfds_name is not None:
        from keras_fixhead.data.tfds import check_tfds

        check_tfds(entry, data_dir)


def limit_train(dataset: Dataset, count: int | None) -> Dataset:
    """Returns the data set with `count` training images, class-balanced; all of them where there are fewer.

    Mean and standard deviation stay those of the whole training part.
    """
    if count is None or count >= len(dataset.train):
        return dataset
    chosen = balanced_choice(dataset.train.labels, count, part=2)
    return Dataset(dataset.name, dataset.train.take(chosen), dataset.validation, dataset.test, dataset.label_names,
                   dataset.mean, dataset.std)
