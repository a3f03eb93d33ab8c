"""Training batches for `fit`."""
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.augmentation import augment, epoch_order
from keras_fixhead.data.dataset import Split


class TrainBatches(keras.utils.PyDataset):
    """The batches of one epoch, each a pure function of (seed, epoch, step).

    Pass it to `fit` with `shuffle=False`: its order is already random. What is left over at the end of an epoch
    and does not fill a batch is left out; each epoch leaves out other images.

    Args:
        split: training images.
        batch_size: images a batch; all of them where there are fewer.
        seed: seed of order and augmentation.
        epoch: from 0.
        crop_padding, flip: as in `augment`.

    Example:
        >>> split = Split(np.zeros((10, 8, 8, 3), np.uint8), np.arange(10, dtype=np.int32))
        >>> batches = TrainBatches(split, 4, seed=0, epoch=0)
        >>> len(batches), batches[0][0].shape
        (2, (4, 8, 8, 3))
    """

    def __init__(self, split: Split, batch_size: int, *, seed: int, epoch: int, crop_padding: int = 0,
                 flip: bool = False) -> None:
        super().__init__()
        self._split = split
        self.batch_size = min(batch_size, len(split))
        self._order = epoch_order(len(split), seed=seed, epoch=epoch)
        self._augmentation: dict[str, Any] = {
            "seed": seed, "epoch": epoch, "crop_padding": crop_padding, "flip": flip}

    def __len__(self) -> int:
        return len(self._split) // self.batch_size

    def __getitem__(self, step: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        indices = self._order[step * self.batch_size : (step + 1) * self.batch_size]
        return augment(self._split.images[indices], indices, **self._augmentation), self._split.labels[indices]
