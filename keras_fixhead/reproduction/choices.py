"""What is chosen on validation: the scale of each arm of cosine logits, and the learning rate of each arm of dot."""
from collections.abc import Mapping
from statistics import fmean

from keras_fixhead.reproduction.cells import Cell, cell
from keras_fixhead.reproduction.plan import SCALES
from keras_fixhead.reproduction.results import Results

_SEEDS = 3


def scale_cell(fixed: bool, scale: float) -> Cell:
    """Returns the cell of block 1 or 3 with a scale: CIFAR-100, ResNet18, cosine logits, 30 epochs."""
    return cell(dataset="cifar100", model="resnet18", head="cos", fixed=fixed, scale=scale, epochs=30, recipe="honest")


def best_scales(results: Results) -> dict[bool, float | None]:
    """Returns fixed -> the scale with the best mean validation accuracy; None while not all are measured thrice."""
    return {fixed: best({scale: scale_cell(fixed, scale) for scale in SCALES}, results) for fixed in (True, False)}


def best(cells: Mapping[float, Cell], results: Results, seeds: int = _SEEDS) -> float | None:
    """Returns the number whose cell has the best mean validation accuracy; None while one of them lacks seeds.

    Runs that failed to converge count as measured and as never the best.
    """
    if any(len(results.all_of(each)) < seeds for each in cells.values()):
        return None
    means = {number: fmean(each.accuracy("validation") for each in converged.values())
             for number, one in cells.items() if (converged := results.of(one))}
    return max(means, key=lambda number: means[number]) if means else None
