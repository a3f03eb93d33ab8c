"""How long a training is: its epochs, the last of which may be partial, and their steps."""
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Length:
    """The epochs and steps of a training.

    Epochs need not be a whole number: of 9.9 epochs, the tenth has nine tenths of the steps, rounded up, and counts as
    an epoch. If such a run is extended, its partial epoch stays as it is, and whole epochs follow.

    Attributes:
        epochs: passes over the training images; positive.
        steps_per_epoch: steps of a whole epoch.
        extended_from: numbers of epochs at which the run was extended.

    Example:
        >>> length = Length(9.9, steps_per_epoch=48)
        >>> length.count, length.steps(0), length.steps(9), length.total
        (10, 48, 44, 476)
    """

    epochs: float
    steps_per_epoch: int
    extended_from: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """The number of epochs, including partial ones."""
        return epoch_count(self.epochs)

    @property
    def total(self) -> int:
        """The steps of all epochs."""
        return self.before(self.count)

    @property
    def extended_at(self) -> int:
        """The number of epochs, including partial ones, before the run was last extended; 0 if it was not."""
        return epoch_count(self.extended_from[-1]) if self.extended_from else 0

    @property
    def phase(self) -> tuple[int, int]:
        """The first step since the run was last extended, from 0, and the number of steps from there on."""
        first = self.before(self.extended_at)
        return first, self.total - first

    def steps(self, epoch: int) -> int:
        """Returns the steps of an epoch, counted from 0."""
        return self.steps_per_epoch - self._missing().get(epoch, 0)

    def before(self, epoch: int) -> int:
        """Returns the steps of all epochs before an epoch, counted from 0."""
        return epoch * self.steps_per_epoch - sum(steps for each, steps in self._missing().items() if each < epoch)

    def _missing(self) -> dict[int, int]:
        """Partial epoch, counted from 0 -> the steps that it lacks."""
        parts = {math.floor(end): end % 1 for end in (*self.extended_from, self.epochs) if end % 1}
        # 10 x 1.1 is a little more than 11
        return {epoch: self.steps_per_epoch - math.ceil(round(part * self.steps_per_epoch, 6))
                for epoch, part in parts.items()}


def epoch_count(epochs: float) -> int:
    """Returns the number of epochs, including a partial last one.

    Example:
        >>> epoch_count(9.9), epoch_count(10)
        (10, 10)
    """
    return math.ceil(epochs)


def epochs_of(text: str | None) -> tuple[float, ...]:
    """Returns numbers of epochs from a list like '9.9,20'; none from None.

    Example:
        >>> epochs_of("9.9,20")
        (9.9, 20)
    """
    numbers = [float(part) for part in text.split(",")] if text else []
    return tuple(int(each) if each.is_integer() else each for each in numbers)


def steps_of(images: int, batch_size: int, partial_batch: bool = False) -> int:
    """Returns the training steps of a whole epoch: whole batches only, but at least one step.

    Example:
        >>> steps_of(5_000, 32), steps_of(5_000, 32, partial_batch=True)
        (156, 157)
    """
    return max(1, -(-images // batch_size) if partial_batch else images // batch_size)
