"""Training batches for `fit`."""
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.config import TrainConfig, steps_of
from keras_fixhead.data.augmentation import Augmentation, change, draw, epoch_order, mixing
from keras_fixhead.data.dataset import Split


class TrainBatches(keras.utils.PyDataset):
    """The batches of one epoch, each a pure function of (seed, epoch, step).

    Pass it to `fit` with `shuffle=False`: its order is already random. What is left over at the end of an epoch
    and does not fill a batch is left out, unless `partial_batch`; each epoch leaves out other images.

    Labels are int32, shape (B,). Where images are mixed in pairs they are float32, shape (B, 3): the label, the
    partner's label, and the share of the first, in [0, 1]; `losses.mixed` makes a loss of them.

    Args:
        split: training images.
        batch_size: images a batch; all of them where there are fewer.
        augmentation: what is done to them.
        seed: seed of order and augmentation.
        epoch: from 0.
        first_step: step of the epoch to begin with.
        partial_batch: whether to show what is left over as a smaller batch.
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
        labels = self._split.labels[indices]
        mixed = {}
        if self._augmentation.mixes:
            how = mixing(indices, len(self._split), self._split.images.shape[1:], self._augmentation, **self._draw)
            indices, mixed = np.concatenate([indices, how.partners]), how.draws(self._augmentation)
            labels = np.stack([labels, self._split.labels[how.partners], how.shares], axis=1).astype(np.float32)
        images = self._split.images[indices]
        return self._change(images, draw(indices, images.shape[1:], self._augmentation, **self._draw) | mixed), labels


@functools.cache
def _change_on_device() -> Callable[..., Any]:
    """One program for all changes of a batch; it is dispatched, and not waited for."""
    import jax

    return jax.jit(functools.partial(change, xp=keras.ops))


def augmentation_of(config: TrainConfig) -> Augmentation:
    """Returns what a run's configuration does to training images: its fields of the same names."""
    return Augmentation(**{each.name: getattr(config, each.name) for each in dataclasses.fields(Augmentation)})
