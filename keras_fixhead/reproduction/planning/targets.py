"""What can be reproduced by name: the paper's tables and figures, and the blocks of each plan that measure them."""
import difflib
from collections.abc import Iterable, Sequence

from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction.claims.settings import SETTINGS
from keras_fixhead.reproduction.planning.plans import PLANS

PLAN_OF_RECIPE = {at.recipe: at.plan for at in SETTINGS}
"""Recipe -> the plan that is made of it."""

_HEADS = {"table1": "dot", "table2": "cos", "table3": "cos", "table4": "cos", "table7": "dot", "table8": "dot",
          "table9": "dot", "figure2": "dot", "figure3": "dot", "figure4": "cos", "figure5": "cos"}
"""Target -> its logits, if it has only these."""

_BLOCKS: dict[str, dict[str, tuple[str, ...]]] = {
    "table1": {"evidence": ("E0", "E1", "E2"), "gpu": ("2", "4", "6", "10", "12")},
    "table2": {"evidence": ("E3",), "gpu": ("1", "6", "10", "12")},
    "table3": {"evidence": ("E4",), "gpu": ("1", "3", "4")},
    "table4": {"evidence": ("E3", "E4"), "gpu": ("1", "3", "4")},
    "table5": {"evidence": ("E0", "E1", "E3"), "gpu": ("1", "2")},
    "table6": {"evidence": ("E0", "E1", "E2", "E3"), "gpu": ("1", "2")},
    "table7": {"evidence": ("E0", "E6"), "gpu": ("7",)},
    "table8": {"evidence": ("E0", "E6"), "gpu": ("7b",)},
    "table9": {"evidence": ("E0", "E6"), "gpu": ("7c",)},
    "figure2": {"evidence": ("E0", "E1", "E2"), "gpu": ("2",)},
    "figure3": {"evidence": ("E0", "E1", "E2", "E12"), "gpu": ("2", "11")},
    "figure4": {"evidence": ("E3", "E4"), "gpu": ("1", "3")},
    "figure5": {"evidence": ("E3", "E12"), "gpu": ("1", "11")},
    "correlations": {"evidence": ("E0", "E1", "E2", "E3"), "gpu": ("1", "2")},
}

TARGETS: dict[str, dict[str, tuple[str, ...]]] = {
    **{name: {plan: blocks.get(plan, blocks["gpu"]) for plan in PLANS} for name, blocks in _BLOCKS.items()},
    "all": {plan: tuple(block.name for block in blocks) for plan, blocks in PLANS.items()},
}
"""Target -> plan -> the blocks that measure it."""

_NO_BODY = "the body of this table is missing in the available copy of the paper: there are no numbers to compare with"
NEEDS = {
    "table4": _NO_BODY, "table9": _NO_BODY,
    "table5": "runs on CIFAR-10 are measured on CIFAR-10.1 and on the classes that they share with STL-10, if these "
              "sets are on the machine when they are trained; the paper's STL Gen and CIFAR-100 Gen were never "
              "published",
}
"""Target -> what it needs besides its runs, or lacks."""


def heads_of(targets: Sequence[str]) -> tuple[str, ...]:
    """Returns the logits of the runs that targets need; empty for all.

    Example:
        >>> heads_of(["table1"]), heads_of(["table1", "table2"]), heads_of(["table1", "E8"])
        (('dot',), ('dot', 'cos'), ())
    """
    found = dict.fromkeys(_HEADS.get(each) for each in targets)
    return () if None in found else tuple(each for each in found if each)


def blocks_of(targets: Sequence[str], plan: str) -> tuple[str, ...]:
    """Returns the names of the blocks that measure targets; a target may also be the name of a block.

    Raises:
        ArgumentError: (a ValueError) for an unknown target.

    Example:
        >>> blocks_of(["table2", "table1"], "evidence")
        ('E3', 'E0', 'E1', 'E2')
    """
    blocks = {block.name: (block.name,) for block in PLANS[plan]}
    named = {**{name: plans[plan] for name, plans in TARGETS.items()}, **blocks}
    for each in targets:
        if each not in named:
            raise _unknown(each, plan, named)
    return tuple(dict.fromkeys(name for each in targets for name in named[each]))


def _unknown(target: str, plan: str, named: Iterable[str]) -> ArgumentError:
    """The error for a name that is neither a target nor a block of the plan."""
    recipes = {other: recipe for recipe, other in PLAN_OF_RECIPE.items()}
    others = [recipes[other] for other, blocks in PLANS.items() if target in (block.name for block in blocks)]
    what = (f"{target} is a block of --recipe {', '.join(others)}, not of --recipe {recipes[plan]}." if others else
            f"Unknown target {target!r}.")
    near = difflib.get_close_matches(target, named, n=1)
    hint = f"Add --recipe {others[0]}." if others else f"Did you mean {near[0]!r}?" if near else None
    return ArgumentError(f"{what} Expected table1 to table9, figure2 to figure5, correlations, all, or a block of "
                         f"--recipe {recipes[plan]}: {', '.join(block.name for block in PLANS[plan])}.", hint=hint)
