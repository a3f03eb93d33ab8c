"""Training batches for `fit`."""
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.config import steps_of
from keras_fixhead.data import Augmentation, Split, change, epoch_order, make_batch


class TrainBatches(keras.utils.PyDataset):
    """The batches of one epoch, each a pure function of (seed, epoch, step).

    Pass it to `fit` with `shuffle=False`: its order is already random. Images left over at the end of an epoch that do
    not fill a batch are left out, unless `partial_batch`; each epoch leaves out other images.

    Labels are int32, shape (B,). Where images are mixed in pairs they are float32, shape (B, 3): the label, the
    partner's label, and the share of the first, in [0, 1]; `losses.mixed` makes a loss of them.

    Args:
        split: training images.
        batch_size: images per batch; all of them if there are fewer.
        augmentation: what is done to them.
        seed: seed of order and augmentation.
        epoch: from 0.
        first_step: step of the epoch to begin with.
        partial_batch: whether to return the images that are left over as a smaller batch.
        on_device: whether images are changed on JAX's first device, and stay there; to the bit as NumPy changes them.
        share: which of several equal parts of each batch is made, from 0, and of how many.

    Example:
        >>> split = Split(np.zeros((10, 8, 8, 3), np.uint8), np.arange(10, dtype=np.int32))
        >>> batches = TrainBatches(split, 4, seed=0, epoch=0)
        >>> len(batches), batches[0][0].shape
        (2, (4, 8, 8, 3))
    """

    def __init__(self, split: Split, batch_size: int, augmentation: Augmentation | None = None, *, seed: int,
                 epoch: int, first_step: int = 0, partial_batch: bool = False, on_device: bool = False,
                 share: tuple[int, int] = (0, 1)) -> None:
        super().__init__()
        self._split = split
        self.batch_size = min(batch_size, len(split))
        self.first_step = first_step
        self._partial_batch = partial_batch
        self._share = share
        self._order = epoch_order(len(split), seed=seed, epoch=epoch)
        self._augmentation = augmentation or Augmentation()
        self._draw = {"seed": seed, "epoch": epoch}
        self._change = _change_on_device() if on_device else change

    def __len__(self) -> int:
        return steps_of(len(self._split), self.batch_size, self._partial_batch) - self.first_step

    def __getitem__(self, step: int) -> tuple[Any, NDArray[np.int32] | NDArray[np.float32]]:
        start = (self.first_step + step) * self.batch_size
        part, parts = self._share
        indices = np.array_split(self._order[start : start + self.batch_size], parts)[part]
        return make_batch(self._split, indices, self._augmentation, change_by=self._change, **self._draw)


@functools.cache
def _change_on_device() -> Callable[..., Any]:
    """One program for all changes of a batch; it is dispatched, and not waited for."""
    import jax

    return jax.jit(functools.partial(change, xp=keras.ops))
