"""Training batches for `fit`."""
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.config import steps_of
from keras_fixhead.data import Augmentation, Split, change, epoch_order, make_batch
from keras_fixhead.data.balance import balanced_order


class TrainBatches(keras.utils.PyDataset):
    """The batches of one epoch, each a pure function of (seed, epoch, step).

    Pass it to `fit` with `shuffle=False`: its order is already random. Images at the end of an epoch that do not fill a
    batch are left out, unless `partial_batch` is set; they differ from epoch to epoch.

    Labels are int32, shape (B,). If images are mixed in pairs, labels are float32, shape (B, 3): the label, the label
    of the partner, and the share of the first, in [0, 1]; use them with `losses.mixed`.

    Args:
        split: training images.
        batch_size: images per batch; all of them if there are fewer.
        augmentation: augmentation of the images.
        seed: seed of order and augmentation.
        epoch: number of the epoch, from 0.
        first_step: step of the epoch to start with.
        last_step: step of the epoch to end before; None for all its steps.
        partial_batch: whether to return the remaining images as a smaller batch.
        on_device: whether to augment images on JAX's first device and leave them there, bit-identical to NumPy.
        balanced: whether every class is shown equally often (`data.balance.balanced_order`).
        share: (index, number) of the equal part of each batch to return, index from 0.

    Example:
        >>> split = Split(np.zeros((10, 8, 8, 3), np.uint8), np.arange(10, dtype=np.int32))
        >>> batches = TrainBatches(split, 4, seed=0, epoch=0)
        >>> len(batches), batches[0][0].shape
        (2, (4, 8, 8, 3))
    """

    def __init__(self, split: Split, batch_size: int, augmentation: Augmentation | None = None, *, seed: int,
                 epoch: int, first_step: int = 0, last_step: int | None = None, partial_batch: bool = False,
                 on_device: bool = False, balanced: bool = False, share: tuple[int, int] = (0, 1)) -> None:
        super().__init__()
        self._split = split
        self.batch_size = min(batch_size, len(split))
        self.first_step = first_step
        steps = steps_of(len(split), self.batch_size, partial_batch)
        self._last_step = steps if last_step is None else min(last_step, steps)
        self._share = share
        self._order = (balanced_order(split.labels, seed=seed, epoch=epoch) if balanced
                       else epoch_order(len(split), seed=seed, epoch=epoch))
        self._augmentation = augmentation or Augmentation()
        self._draw = {"seed": seed, "epoch": epoch}
        self._change = _change_on_device() if on_device else change

    def __len__(self) -> int:
        return self._last_step - self.first_step

    def __getitem__(self, step: int) -> tuple[Any, NDArray[np.int32] | NDArray[np.float32]]:
        start = (self.first_step + step) * self.batch_size
        part, parts = self._share
        indices = np.array_split(self._order[start : start + self.batch_size], parts)[part]
        return make_batch(self._split, indices, self._augmentation, change_by=self._change, **self._draw)


@functools.cache
def _change_on_device() -> Callable[..., Any]:
    """One compiled program for all changes of a batch, dispatched asynchronously."""
    import jax

    return jax.jit(functools.partial(change, xp=keras.ops))
