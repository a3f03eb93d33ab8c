"""A data set as read, before a validation part is held out."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.choice import hold_out_validation
from keras_fixhead.data.dataset import Dataset, Split, pixel_statistics
from keras_fixhead.data.embeddings import feature_statistics
from keras_fixhead.data.packed_index import View
from keras_fixhead.data.sources import subset_note
from keras_fixhead.errors import DataError


@dataclass(frozen=True)
class WholeSet:
    """A data set with its whole training part.

    Attributes:
        name: the name under which it was requested.
        entry: its facts.
        parts: 'train' (empty for a test set) and 'test'.
    """

    name: str
    entry: DatasetEntry
    parts: Mapping[str, Split]
    label_names: Sequence[str]

    def __post_init__(self) -> None:
        found = {split: len(part) for split, part in self.parts.items()}
        expected = {"train": self.entry.train + self.entry.validation, "test": self.entry.test}
        if found != expected or len(self.label_names) != self.entry.num_classes:
            raise DataError(
                f"{self.name} was read with {found} images of {len(self.label_names)} classes, but its files say "
                f"{expected} of {self.entry.num_classes}.",
                hint="Prepare it again, or give another --data-dir.")

    @property
    def subset(self) -> str | None:
        """Description of what it is a subset of; None for a whole set."""
        return subset_note(self.name, self.entry)

    def dataset(self, hold_out: bool, known: View | None = None) -> Dataset:
        """Returns the data set, split into its parts.

        Args:
            hold_out: whether a validation part is held out of the training images.
            known: the expected digest, which is checked, and the pixel statistics, which are not computed again.

        Raises:
            DataError: if the digest differs.
        """
        train, validation, test = (part.loaded() for part in (*self._training(hold_out), self.parts["test"]))
        if known is not None:
            mean, std = np.array(known.mean), np.array(known.std)
        else:
            mean, std = (feature_statistics if self.entry.has_vectors else pixel_statistics)(train.images)
        dataset = Dataset(self.name, train, validation, test, self.label_names, mean, std,
                          self.entry.groups, self.subset, len(self.entry.skipped))
        if known is not None and (digest := dataset.digest()) != known.digest:
            raise DataError(f"{self.name} has the digest {digest}, but was packed with {known.digest}.",
                            hint="Pack it again (fixhead data pack DATASET OUT); if it comes from the cache, empty the "
                            "cache (fixhead data cache --clear).")
        return dataset

    def _training(self, hold_out: bool) -> tuple[Split, Split]:
        train, count = self.parts["train"], self.entry.validation if hold_out else 0
        if not self.entry.own_validation:
            return hold_out_validation(train, count)
        numbers = np.arange(len(train))
        return train.take(numbers[: len(train) - count]), train.take(numbers[len(train) - count :])
