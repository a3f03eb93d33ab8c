"""What can be reproduced by name: the paper's tables and figures, and the blocks of each plan that measure them."""
from collections.abc import Sequence

from keras_fixhead.catalog import look_up
from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction.plans import PLANS

PLAN_OF_RECIPE = {"fast": "evidence", "honest": "gpu"}
"""Recipe -> the plan that is made of it."""

TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "table1": {"evidence": ("E0", "E1", "E2"), "gpu": ("2", "4")},
    "table2": {"evidence": ("E3",), "gpu": ("1",)},
    "table3": {"evidence": ("E4",), "gpu": ("1", "3", "4")},
    "table4": {"evidence": ("E3", "E4"), "gpu": ("1", "3", "4")},
    "table6": {"evidence": ("E0", "E1", "E2", "E3"), "gpu": ("1", "2")},
    "table7": {"evidence": ("E0", "E6"), "gpu": ("7",)},
    "table8": {"evidence": ("E0", "E6"), "gpu": ("7",)},
    "table9": {"evidence": ("E0", "E6"), "gpu": ("7",)},
    "figure2": {"evidence": ("E0", "E1", "E2"), "gpu": ("2",)},
    "figure3": {"evidence": ("E0", "E1", "E2", "E10"), "gpu": ("2", "5")},
    "figure4": {"evidence": ("E3", "E4"), "gpu": ("1", "3")},
    "figure5": {"evidence": ("E3", "E4", "E10"), "gpu": ("1", "3", "5")},
    "correlations": {"evidence": ("E0", "E1", "E2", "E3"), "gpu": ("1", "2")},
    "all": {plan: tuple(block.name for block in blocks) for plan, blocks in PLANS.items()},
}
"""Target -> plan -> the blocks that measure it; the paper's Table 5 needs images that were gathered independently."""


TABLE_5 = "needs images that were gathered independently, which no plan has"
"""Why the paper's Table 5 is in no plan."""


def blocks_of(targets: Sequence[str], plan: str) -> tuple[str, ...]:
    """Returns the names of the blocks that measure targets; a target may also be the name of a block.

    Raises:
        ArgumentError: (a ValueError) for an unknown target.

    Example:
        >>> blocks_of(["table2", "table1"], "evidence")
        ('E3', 'E0', 'E1', 'E2')
    """
    blocks = {block.name: (block.name,) for block in PLANS[plan]}
    if "table5" in targets:
        raise ArgumentError(f"Table 5 {TABLE_5}.",
                            hint="fixhead evaluate RUN --dataset cifar10_1")
    named = {**{name: plans[plan] for name, plans in TARGETS.items()}, **blocks}
    return tuple(dict.fromkeys(name for each in targets for name in look_up(named, each, "target")))
