"""The two plans: full size on a GPU, and what two CPU cores can decide."""
from collections.abc import Sequence

from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction.cells import Block
from keras_fixhead.reproduction.evidence_blocks import EVIDENCE_BLOCKS
from keras_fixhead.reproduction.gpu_blocks import GPU_BLOCKS

PLANS: dict[str, tuple[Block, ...]] = {"gpu": GPU_BLOCKS, "evidence": EVIDENCE_BLOCKS}
"""Plan -> its blocks. The results of a plan are in the folder of results/ that has its name."""


def blocks_named(names: Sequence[str]) -> tuple[Block, ...]:
    """Returns blocks by their names, in order of importance; those of the GPU plan if there are no names.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.

    Example:
        >>> [block.name for block in blocks_named(["E1", "E0"])]
        ['E0', 'E1']
    """
    known = [block for blocks in PLANS.values() for block in blocks]
    for name in names:
        if name not in (block.name for block in known):
            raise ArgumentError(f"There is no block {name!r}.",
                                hint=f"Expected one of {', '.join(block.name for block in known)}.")
    return tuple(block for block in known if block.name in names) or GPU_BLOCKS


def plan_named(names: Sequence[str]) -> str:
    """Returns the plan that blocks belong to; 'gpu' if there are no names.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, or names from both plans.

    Example:
        >>> plan_named(["E1"]), plan_named([])
        ('evidence', 'gpu')
    """
    wanted = {block.name for block in blocks_named(names)}
    for plan, blocks in PLANS.items():
        if wanted <= {block.name for block in blocks}:
            return plan
    raise ArgumentError(f"The blocks {', '.join(names)} belong to different plans.",
                        hint="Give those of one plan: E0, E1, ... or 1, 2, ...")
