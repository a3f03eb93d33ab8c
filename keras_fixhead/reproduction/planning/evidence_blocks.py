"""The cells that two CPU cores can decide, at the paper's accuracy on CIFAR-10: blocks in order of worth.

Recipes `fast` (about 20 minutes a run) and `fast-90` (about five), whole training sets, no choice on test images. The
seeds and the grids were set before the first result was read; docs/evidence-plan.md has the rules. Both arms of a seed
share initial weights, batches and class vectors. Label smoothing is 0, the paper's loss, except in block E9.
"""
from typing import Any

from keras_fixhead.reproduction.planning.cells import BOTH, FIXED, LEARNED, Block, Choice, Row, choice_rows

SIX, THREE = (0, 1, 2, 3, 4, 5), (0, 1, 2)
MORE_SEEDS = (6, 7, 8, 9)
"""Seeds that E1 gets if the paired differences of its first six vary too much (`results.EXTEND_ABOVE`)."""
CHOICE_SEEDS = (100,)
"""Seeds of the runs that choose a scale; no comparison uses them."""
MANY_IMAGES, FEW_IMAGES = 5_000, 2_000
"""Numbers of test images that are corrupted: on two cores, 15 sets of 10,000 would take a third of a training."""
_NONE = 0

SETS = ("cifar10", "cifar100")
RATES = (0.1, 0.3, 1.0, 3.0)
"""Factors on the recipe's learning rate."""
PARTS = (5_000, 15_000)
"""Numbers of training images of E5."""
LENGTHS = (1, 2, 4, 8)
"""Factors on the number of epochs of `fast-90`."""
DRAWS = (0, 1, 2, 3)
"""Seeds of class vectors."""


def full(dataset: str, head: str, fixed: tuple[bool, ...] = BOTH, *, recipe: str = "fast", **more: Any) -> Row:
    """A row with the recipe's network and length, and no label smoothing."""
    extra = {"label_smoothing": 0.0, **more.pop("extra", {})}
    return Row(dataset, head, fixed, model=None, epochs=None, recipe=recipe, extra=extra, **more)


def look(dataset: str, head: str, fixed: tuple[bool, ...] = BOTH, **more: Any) -> Row:
    """A row with the shorter recipe."""
    return full(dataset, head, fixed, recipe="fast-90", corrupted=more.pop("corrupted", FEW_IMAGES), **more)


_HELD_OUT: dict[str, Any] = {"seeds": CHOICE_SEEDS, "corrupted": _NONE, "extra": {"hold_out": True}}
DOT_SCALE = Choice("S for dot logits", look("cifar10", "dot", **_HELD_OUT), (0.05, 1 / 9, 0.2, 0.5, 1.0), per_arm=False)
"""One multiplier on dot logits for both arms: the one with the best mean validation accuracy of both."""
COS_SCALE = Choice("best S", look("cifar100", "cos", **_HELD_OUT), (1.0, 2.0, 5.0, 10.0, 20.0, 40.0), per_arm=True)


_FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("resnet18", {}), ("preact_resnet18", {"signed_features": True}), ("preact_resnet18", {"signed_features": False}),
    ("mobilenet_v2", {}))

EVIDENCE_BLOCKS: tuple[Block, ...] = (
    Block("E0", "S for dot logits, the same for both arms, chosen on held-out images", choice_rows(DOT_SCALE)),
    Block("E1", "Table 1 on CIFAR-10: fixed against learned, dot logits", (
        full("cifar10", "dot", scale=DOT_SCALE, seeds=SIX, more_seeds=MORE_SEEDS, corrupted=MANY_IMAGES),)),
    Block("E2", "Table 1 on CIFAR-100; many against few classes; look-alike classes", (
        full("cifar100", "dot", scale=DOT_SCALE, seeds=SIX, corrupted=MANY_IMAGES),)),
    Block("E3", "Table 2: cosine logits at S = 1, the paper's main effect", tuple(
        full(dataset, "cos", seeds=THREE, corrupted=FEW_IMAGES) for dataset in SETS)),
    Block("E4", "Tables 3 and 4: S chosen on held-out images for each arm; both arms at their best S", (
        *choice_rows(COS_SCALE),
        full("cifar100", "cos", scale=COS_SCALE, seeds=SIX, corrupted=FEW_IMAGES),
    )),
    Block("E5", "are the paper's large gains those of small training sets? Dot logits, as many steps as the whole set "
          "takes", tuple(look("cifar100", "dot", scale=DOT_SCALE, seeds=SIX, equal_steps=True,
                               extra={"limit_train": images}) for images in PARTS)),
    Block("E6", "Tables 7 to 9: do fixed models tolerate higher learning rates?", tuple(
        look("cifar100", "dot", scale=DOT_SCALE, seeds=SIX, extra={"hold_out": True}, factors={"lr": factor})
        for factor in RATES)),
    Block("E7", "is the learned arm slow or stuck at S = 1? How much of the spread comes from the draw of the class "
          "vectors?", (
              *(look("cifar100", "cos", FIXED, seeds=THREE, extra={"vector_seed": draw}) for draw in DRAWS),
              *(look("cifar100", "cos", LEARNED, seeds=THREE, factors={"epochs": factor})
                for factor in LENGTHS))),
    Block("E8", "does the network matter? Quarter width, recipe `cpu`", tuple(
        Row("cifar100", head, model=model, epochs=None, recipe="cpu", extra=extra, seeds=seeds, corrupted=FEW_IMAGES)
        for head, seeds in (("dot", SIX), ("cos", THREE)) for model, extra in _FORMS)),
    Block("E9", "ablation: the label smoothing of the recipe instead of none", (
        full("cifar10", "dot", scale=DOT_SCALE, seeds=THREE, corrupted=FEW_IMAGES,
              extra={"label_smoothing": 0.2}),)),
    Block("E10", "compactness and separation with features that can be negative, in both arms", (
        *(look(dataset, "cos", extra={"signed_features": True}) for dataset in SETS),
        look("cifar100", "cos", LEARNED, scale=COS_SCALE, extra={"signed_features": True}),
        *(look(dataset, "dot", scale=DOT_SCALE, extra={"signed_features": True}) for dataset in SETS),
    )),
    Block("E11", "one thing at a time, from a learned dot head to a fixed cosine head with a learned scale", (
        look("cifar100", "cos", scale="learned", extra={"hold_out": True}),)),  # as E6, whose dot arms are the others
    Block("E12", "Figures 3 and 5: features of two dimensions, to be drawn; nothing is compared", tuple(
        look("cifar10", head, scale=scale, extra={"feature_dim": 2}, seeds=(0,), corrupted=_NONE)
        for head, scale in (("dot", DOT_SCALE), ("cos", 1.0)))),
)
"""Runs into results/evidence/ by `fixhead reproduce E0 E1 E2 E3`."""
