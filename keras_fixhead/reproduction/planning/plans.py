"""The plans: full size on a GPU, what two CPU cores can decide, and the first of these by other recipes."""
from collections.abc import Sequence

from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction.planning.cells import Block
from keras_fixhead.reproduction.planning.evidence_blocks import EVIDENCE_BLOCKS
from keras_fixhead.reproduction.planning.gpu_blocks import GPU_BLOCKS
from keras_fixhead.reproduction.planning.recipe_blocks import RECIPES, blocks_by

PLANS: dict[str, tuple[Block, ...]] = {"gpu": GPU_BLOCKS, "evidence": EVIDENCE_BLOCKS,
                                       **{recipe: blocks_by(recipe) for recipe in RECIPES}}
"""Plan -> its blocks. The results of a plan are in the folder of results/ that has its name."""


def blocks_named(names: Sequence[str], plan: str = "gpu") -> tuple[Block, ...]:
    """Returns blocks of a plan by their names, in order of importance; all of them if there are no names.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.

    Example:
        >>> [block.name for block in blocks_named(["E1", "E0"], "evidence")]
        ['E0', 'E1']
    """
    known = {block.name: block for block in PLANS[plan]}
    for name in names:
        if name not in known:
            raise ArgumentError(f"There is no block {name!r} in the plan {plan!r}.",
                                hint=f"Expected one of {', '.join(known)}.")
    return tuple(block for name, block in known.items() if name in names) or PLANS[plan]
