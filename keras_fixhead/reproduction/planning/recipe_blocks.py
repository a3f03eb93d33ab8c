"""The cells of the plan for a GPU by another recipe: one of the paper's protocols, or a small network on a CPU."""
import dataclasses
import functools

from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction.planning.cells import Block, Choice, Row, choice_rows
from keras_fixhead.reproduction.planning.gpu_blocks import BEST, GPU_BLOCKS

RECIPES = ("cpu", "paper", "paper-code")
"""The recipes, each of which has a plan of the same name."""
CORRUPTED = {"cpu": 2_000}
"""Recipe -> number of test images to corrupt, if not all."""
FACTORS: dict[float | None, float] = {15: 0.5, 200: 2.0}
"""Epochs in the plan for a GPU -> factor on those of the recipe. Its other lengths only shorten the recipe `honest`."""


def blocks_by(recipe: str) -> tuple[Block, ...]:
    """Returns the blocks of a recipe's plan.

    Example:
        >>> [block.name for block in blocks_by("cpu")] == [block.name for block in GPU_BLOCKS]
        True
    """
    scales = choice_rows(BEST)
    return tuple(dataclasses.replace(block, rows=(
        choice_rows(choice_by(BEST, recipe)) if all(row in scales for row in block.rows)
        else tuple(row_by(row, recipe) for row in block.rows))) for block in GPU_BLOCKS)


def row_by(row: Row, recipe: str) -> Row:
    """Returns a row of the plan for a GPU, trained by a recipe for as long as the recipe says.

    Parts of a data set take as many steps as the whole set; what is trained longer or shorter on purpose still is.

    Example:
        >>> row = row_by(Row("cifar100", "dot"), "cpu")
        >>> row.recipe, row.cell(True, 1.0).config.epochs
        ('cpu', 10)
    """
    factor = FACTORS.get(row.epochs, 1.0)
    return dataclasses.replace(
        row, recipe=recipe, epochs=None, factors={} if factor == 1 else {"epochs": factor},
        equal_steps="limit_train" in row.extra, corrupted=row.corrupted and CORRUPTED.get(recipe, row.corrupted),
        scale=choice_by(row.scale, recipe) if isinstance(row.scale, Choice) else row.scale)


@functools.cache
def choice_by(choice: Choice, recipe: str) -> Choice:
    """Returns a choice of S whose runs are trained by a recipe; they hold out images, even if the recipe does not."""
    row = row_by(choice.row, recipe)
    if not build_config({"recipe": recipe}).hold_out:
        row = dataclasses.replace(row, extra={**row.extra, "hold_out": True})
    return dataclasses.replace(choice, row=row)
