"""The paper's cells at full size, for a GPU: blocks in order of importance.

A block is more important than all blocks after it. Within a block, all seeds of a pair of arms come before the next
pair.
"""
from collections.abc import Mapping
from typing import Any

from keras_fixhead.reproduction.planning.cells import FIXED, LEARNED, Block, Choice, Row, choice_rows

SCALES = (1.0, 5.0, 10.0, 20.0, 40.0)
RATES = (0.1, 0.01, 0.001)
TESTED_SEEDS = (3, 4, 5, 6, 7)
"""Seeds for which arms at their best scales are compared: others than those that choose the scales."""
BEST = Choice("best S", Row("cifar100", "cos"), SCALES, per_arm=True)

_FORMS: tuple[tuple[str, bool | None], ...] = (("preact_resnet18", True), ("preact_resnet18", False),
                                               ("mobilenet_v2", None))


def _signed(value: bool | None) -> dict[str, Any]:
    return {} if value is None else {"signed_features": value}


def _rate(lr: float, **more: Any) -> Mapping[str, Any]:
    return {"lr": lr, "warmup_fraction": 0.0, **more}


GPU_BLOCKS: tuple[Block, ...] = (
    Block("1", "Table 2, the paper's main effect", (
        Row("cifar100", "cos"),
        Row("cifar10", "cos"),
    )),
    Block("2", "Table 1: the claim of most practical value", (
        Row("cifar100", "dot"),
        Row("cifar10", "dot"),
    )),
    Block("3", "Table 3, and the mechanism: cosines against S", choice_rows(BEST)[1:]),
    Block("4", "intervals narrow enough to decide; S chosen on validation from blocks 1 and 3, with other seeds", (
        Row("cifar100", "dot", seeds=range(5), epochs=100),
        Row("cifar100", "cos", scale=BEST, seeds=TESTED_SEEDS, epochs=100),
        Row("cifar100", "cos", seeds=TESTED_SEEDS, epochs=100),
    )),
    Block("5", "does the cosine of 0.95 hold in all experiments? Compactness and separation with signed features", (
        *(Row(dataset, "cos", extra=_signed(True)) for dataset in ("cifar100", "cifar10")),
        Row("cifar100", "cos", LEARNED, scale=BEST, extra=_signed(True)),
        *(Row(dataset, "dot", extra=_signed(True)) for dataset in ("cifar100", "cifar10")),
        *(Row(dataset, "cos", FIXED, model=model, extra=_signed(signed), seeds=(0,))
          for model, signed in _FORMS for dataset in ("cifar100", "cifar10")),
    )),
    # the same number of steps as for the whole set: 351 x 30 = 39 x 270 = 117 x 90
    Block("5b", "the paper's large gains are on small data sets: does the number of images matter?", (
        Row("cifar100", "dot", extra={"limit_train": 5_000}, epochs=270),
        Row("cifar100", "dot", extra={"limit_train": 15_000}, epochs=90),
    )),
    Block("6", "architecture", tuple(
        Row("cifar100", head, model=model, extra=_signed(signed), seeds=(0, 1))
        for model, signed in _FORMS for head in ("cos", "dot"))),
    *(Block(name, f"Table {table}: fixed models tolerate higher learning rates, {words}", tuple(
        Row("cifar100", "dot", model=model, extra=_rate(lr), seeds=range(6)) for lr in RATES))
      for name, table, words, model in (("7", 7, "PreActResNet18", "preact_resnet18"),
                                        ("7b", 8, "ResNet18", "resnet18"), ("7c", 9, "MobileNetV2", "mobilenet_v2"))),
    Block("7d", "how much of the spread comes from the draw of the class vectors?", tuple(
        Row("cifar100", head, FIXED, extra={"vector_seed": seed}, epochs=15)
        for head in ("dot", "cos") for seed in (100, 101, 102, 103))),
    Block("8", "is the learned arm slow or stuck?", (
        *(Row("cifar100", "cos", LEARNED, extra={"vector_lr": factor}) for factor in (0.01, 0.1)),
        Row("cifar100", "cos", LEARNED, seeds=(0, 1), epochs=200),
    )),
    Block("9", "beyond the paper: other class vectors, a margin (S = 30, as in results/margins.json), learned scale", (
        *(Row("cifar100", "cos", FIXED, extra={"class_vectors": kind})
          for kind in ("cube", "simplex", "orthogonal", "hadamard")),
        Row("cifar100", "cos", scale=30.0, extra={"margin": "arcface"}),
        Row("cifar100", "cos", scale="learned"),
    )),
    Block("9b", "long-tailed data: the setting of the only independent negative result", (
        Row("cifar100", "dot", extra={"imbalance": 100.0}),
        Row("cifar100", "dot", FIXED, extra={"imbalance": 100.0, "class_vectors": "simplex"}),
    )),
    Block("10", "Tables 1 and 2 by the released recipe, on the available part of STL-10", (
        Row("stl10", "dot", recipe="paper-code", epochs=80, seeds=(0,)),
        Row("stl10", "cos", recipe="paper-code", epochs=80, seeds=(0,)),
    )),
    Block("11", "Figures 3 and 5: features of two dimensions, to be drawn; nothing is compared", tuple(
        Row("cifar10", head, extra={"feature_dim": 2}, seeds=(0,), corrupted=0) for head in ("dot", "cos"))),
    Block("12", "Tables 1 and 2 on STL-10 and Tiny ImageNet, where the paper's gains are largest", tuple(
        Row(dataset, head, model=model, seeds=range(5), epochs=100) for dataset in ("stl10", "tiny_imagenet")
        for model in ("resnet18", "preact_resnet18", "mobilenet_v2") for head in ("dot", "cos"))),
)

NOT_RUN_HERE: tuple[tuple[str, str], ...] = (
    ("images/s and share of peak compared with the same network in PyTorch",
     "needs PyTorch in a separate process: `python benchmarks/peers.py --backend jax --device cuda --torch-python "
     "VENV/bin/python`, so far run on a CPU only"),
    ("seconds to 94 % on CIFAR-10", "each result has its `seconds`, and its test accuracy without (`accuracy`) and "
     "with the test-time augmentation of the speed records (`tta`, flip-shift)"),
    ("STL Gen and CIFAR-100 Gen (Table 5)", "the paper's sets were never published: `fixhead data build` gathers "
     "others from Open Images"),
)
"""Measurements that no cell provides, and why."""
