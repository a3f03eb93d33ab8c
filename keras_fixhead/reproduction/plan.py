"""The cells of evidence at full size, in order of worth: what is run when a GPU is at hand.

A block is worth more than all after it. Inside a block a pair of arms is finished with all its seeds before the next.
"""
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_fixhead.reproduction.cells import Cell, cell

BEST = "best"
"""A scale that is chosen on validation among those of `SCALES` once they are measured."""
SCALES = (1.0, 5.0, 10.0, 20.0, 40.0)

_BOTH = (True, False)  # the fixed arm, then the learned one
_FIXED, _LEARNED = (True,), (False,)
_FORMS: tuple[tuple[str, bool | None], ...] = (("preact_resnet18", True), ("preact_resnet18", False),
                                               ("mobilenet_v2", None))


@dataclass(frozen=True)
class Row:
    """One line of a block: arms that are compared, and their seeds.

    Attributes:
        fixed: the arms: (True, False) is a pair of fixed and learned class vectors.
        scale: a number, or `BEST`.
        extra: further fields of the configuration.
    """

    dataset: str
    head: str
    fixed: tuple[bool, ...] = _BOTH
    scale: float | str = 1.0
    model: str = "resnet18"
    extra: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    epochs: int = 30
    recipe: str = "honest"

    def cell(self, fixed: bool, scale: float) -> Cell:
        """The cell of one arm."""
        return cell({"dataset": self.dataset, "model": self.model, "head": self.head, "fixed": fixed, "scale": scale,
                     "epochs": self.epochs, "recipe": self.recipe, **self.extra})


@dataclass(frozen=True)
class Block:
    """Cells that answer one question.

    Attributes:
        name: '1' to '10', and '5b', '7b', '9b'.
        why: the question.
    """

    name: str
    why: str
    rows: tuple[Row, ...]


def _signed(value: bool | None) -> dict[str, Any]:
    return {} if value is None else {"signed_features": value}


def _rate(lr: float, **more: Any) -> dict[str, Any]:
    return {"lr": lr, "warmup_fraction": 0.0, **more}


BLOCKS: tuple[Block, ...] = (
    Block("1", "Table 2, the paper's main effect", (
        Row("cifar100", "cos"),
        Row("cifar10", "cos"),
    )),
    Block("2", "Table 1: the claim of practical worth", (
        Row("cifar100", "dot"),
        Row("cifar10", "dot"),
    )),
    Block("3", "Table 3 and the mechanism: cosines against S", tuple(
        Row("cifar100", "cos", scale=scale) for scale in SCALES[1:])),
    Block("4", "intervals narrow enough to decide; S chosen on validation from blocks 1 and 3", (
        Row("cifar100", "dot", seeds=5, epochs=100),
        Row("cifar100", "cos", scale=BEST, seeds=5, epochs=100),
    )),
    Block("5", "explains or refutes the cosine of 0.95 in all experiments", (
        *(Row(dataset, "cos", _FIXED, extra=_signed(True)) for dataset in ("cifar100", "cifar10")),
        *(Row(dataset, "cos", _FIXED, model=model, extra=_signed(signed), seeds=1)
          for model, signed in _FORMS for dataset in ("cifar100", "cifar10")),
    )),
    # as many steps as the whole set gets: 351 x 30 = 39 x 270 = 117 x 90
    Block("5b", "the paper's large gains are on small sets: is it the number of images?", (
        Row("cifar100", "dot", extra={"limit_train": 5_000}, epochs=270),
        Row("cifar100", "dot", extra={"limit_train": 15_000}, epochs=90),
    )),
    Block("6", "architecture", tuple(
        Row("cifar100", head, model=model, extra=_signed(signed), seeds=2)
        for model, signed in _FORMS for head in ("cos", "dot"))),
    Block("7", "Tables 7 and 8: fixed models stand higher rates", (
        Row("cifar100", "dot", model="preact_resnet18", extra=_rate(0.1)),
        *(Row("cifar100", "dot", model="preact_resnet18", extra=_rate(lr), seeds=2) for lr in (0.01, 0.001)),
        *(Row("cifar100", "dot", extra=_rate(lr), seeds=2) for lr in (0.1, 0.01, 0.001)),
    )),
    Block("7b", "how much of the spread is the draw of the class vectors?", tuple(
        Row("cifar100", head, _FIXED, extra={"vector_seed": seed}, epochs=15)
        for head in ("dot", "cos") for seed in (100, 101, 102, 103))),
    Block("8", "is learned slow or stuck?", (
        *(Row("cifar100", "cos", _LEARNED, extra={"vector_lr": factor}) for factor in (0.01, 0.1)),
        Row("cifar100", "cos", _LEARNED, seeds=2, epochs=200),
    )),
    Block("9", "beyond the paper: other class vectors, and a margin (S = 30, as in results/margins.json)", (
        *(Row("cifar100", "cos", _FIXED, extra={"class_vectors": kind})
          for kind in ("cube", "simplex", "orthogonal", "hadamard")),
        Row("cifar100", "cos", scale=30.0, extra={"margin": "arcface"}),
    )),
    Block("9b", "long-tailed data: the setting of the only independent negative result", (
        Row("cifar100", "dot", extra={"imbalance": 100.0}),
        Row("cifar100", "dot", _FIXED, extra={"imbalance": 100.0, "class_vectors": "simplex"}),
    )),
    Block("10", "Tables 1 and 2 by the released recipe, on whatever part of STL-10 is at hand", (
        Row("stl10", "dot", recipe="paper-code", epochs=80, seeds=1),
        Row("stl10", "cos", recipe="paper-code", epochs=80, seeds=1),
    )),
)

NOT_RUN_HERE: tuple[tuple[str, str], ...] = (
    ("images/s and share of peak beside the same network in PyTorch",
     "it needs PyTorch in processes of its own: `python benchmarks/peers.py --backend jax --device cuda --torch-python "
     "VENV/bin/python`, which has been run on a CPU only"),
    ("seconds to 94 % on CIFAR-10", "no network of that size and no stop at an accuracy is there yet; each file has "
     "its `seconds`, and the accuracy on test images both as it is (`accuracy`) and by the evaluation of the records "
     "(`tta`, flip-shift)"),
    ("STL-10 and Tiny ImageNet, where the paper's gains are largest", "needs the whole of them: see docs/evidence.md "
     "for the commands"),
    ("images gathered independently (Table 5)", "no copy of CIFAR-10.1 is at hand, and the paper's other two sets "
     "were never published: `fixhead evaluate RUN --dataset cifar10_1` where it is"),
)
"""What is asked for and no cell here gives, and why."""


@dataclass(frozen=True)
class Planned:
    """A run of the plan.

    Attributes:
        block: the first block that asks for it.
        cell: None while its scale waits for other runs.
        label: what it is, in words.
    """

    block: str
    cell: Cell | None
    seed: int
    label: str


def plan(best_scale: Mapping[bool, float | None], blocks: Sequence[str] = ()) -> Iterator[Planned]:
    """Yields the runs of some blocks in order of worth, each once.

    Args:
        best_scale: whether fixed -> the scale with the best validation accuracy on CIFAR-100; None while not all of
            `SCALES` are measured.
        blocks: their names; none for all.
    """
    seen: set[tuple[str, int]] = set()
    for block in BLOCKS:
        if blocks and block.name not in blocks:
            continue
        for row in block.rows:
            for seed in range(row.seeds):
                for fixed in row.fixed:
                    scale = best_scale.get(fixed) if row.scale == BEST else row.scale
                    if not isinstance(scale, float):
                        arm = f"{row.head}-{'fixed' if fixed else 'learned'}"
                        yield Planned(block.name, None, seed, f"{row.dataset} {row.model} {arm} at its best S")
                        continue
                    found = row.cell(fixed, scale)
                    if (found.id, seed) not in seen:
                        seen.add((found.id, seed))
                        yield Planned(block.name, found, seed, found.label)
