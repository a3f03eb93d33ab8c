"""The cost of augmentation and of our callbacks in a training step of quarter-width ResNet18.

    python benchmarks/pipeline.py

Compares heavy augmentation with crop and flip, both through `model.fit` as the engine calls it; and `model.fit` with
all of the engine's callbacks with a bare loop of `train_on_batch` on the same batches. The two variants of a comparison
alternate in this process, several steps per round; ratios of wall time are taken round by round.
"""
import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from report import RESULTS, measurement, out_option, write_report

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import Augmentation, Split, load_dataset
from keras_fixhead.recipes import build_config
from keras_fixhead.training.backend import start_backend
from keras_fixhead.training.batches import TrainBatches
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.compiled import compiled_model
from keras_fixhead.training.estimate import StepTimer
from keras_fixhead.training.signals import StopRequests
from keras_fixhead.training.steps import StepGuard

STEPS = 48
HEAVY = {"randaugment": 2, "mixup": 0.2}
EVERYTHING = {**HEAVY, "rotation": 15.0, "cutout": 8, "erasing": 0.5, "cutmix": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    out_option(parser, RESULTS / "pipeline.json")
    options = parser.parse_args()
    digits = load_dataset("digits")
    draw = np.random.default_rng(0)
    train = Split(draw.integers(0, 256, (STEPS * 128, 32, 32, 3), dtype=np.uint8),
                  draw.integers(0, 10, STEPS * 128, dtype=np.int32))
    dataset = dataclasses.replace(digits, train=train)
    shared = {"dataset": "digits", "recipe": "cpu", "flip": True}
    configs = {name: resolve(build_config({**shared, **more})).config for name, more in
               (("plain", {}), ("heavy", HEAVY), ("everything", EVERYTHING))}
    start_backend(configs["plain"])
    models = {name: compiled_model(config, dataset) for name, config in configs.items()}
    steps = {name: fit(models[name], configs[name], train) for name in configs}
    against = "crop and flip, in wall time of a step"
    made = [
        *compare("crop, flip, RandAugment (2) and MixUp", against, steps["heavy"], steps["plain"], options.rounds),
        *compare("crop, flip, rotation, RandAugment (2), Cutout, RandomErasing, MixUp and CutMix", against,
                 steps["everything"], steps["plain"], options.rounds),
        *compare("fit and all callbacks", "a bare loop of train_on_batch, in wall time of a step", steps["plain"],
                 bare(models["plain"], configs["plain"], train), options.rounds)]
    write_report(options.out, made, command="python benchmarks/pipeline.py")


def compare(name: str, against: str, one: Callable[[], Any], other: Callable[[], Any],
            rounds: int) -> list[dict[str, Any]]:
    """Seconds per step of both variants, which alternate round by round, and the ratio of each round."""
    variants = {"with": one, "without": other}
    for act in variants.values():
        act()
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in range(rounds):
        for variant in (list(variants), list(variants)[::-1])[number % 2]:
            start = time.perf_counter()
            variants[variant]()
            seconds[variant].append((time.perf_counter() - start) / STEPS)
    ratios = [mine / theirs for mine, theirs in zip(seconds["with"], seconds["without"], strict=True)]
    config = {"model": "resnet18", "width": 0.25, "batch_size": 128, "pixels": 32, "steps_a_round": STEPS}
    warmup = "one round, not counted"
    made = measurement(name=f"pipeline/{name}/ratio", metric=f"with {name} divided by {against}", unit="1",
                       values=ratios, warmup=warmup, config=config)
    print(f"{name}: {made['median']:.3f} (quartiles {made['quartiles'][0]:.3f} to {made['quartiles'][1]:.3f}, n = "
          f"{made['n']})", flush=True)
    return [*(measurement(name=f"pipeline/{name}/{variant}", metric="wall time of a step", unit="s", values=values,
                          warmup=warmup, config=config) for variant, values in seconds.items()), made]


def fit(model: keras.Model, config: TrainConfig, train: Split) -> Callable[[], Any]:
    """An epoch as the engine trains it, with its callbacks but without checkpoints."""
    stop = StopRequests()

    def act() -> Any:
        batches = TrainBatches(train, config.batch_size, Augmentation(**config.values("augmentation")), seed=0, epoch=0)
        guard = StepGuard(Progress(), lambda progress: None, stop, [], 60.0)
        return model.fit(batches, shuffle=False, verbose=0, callbacks=[StepTimer(config, STEPS), guard])

    return act


def bare(model: keras.Model, config: TrainConfig, train: Split) -> Callable[[], Any]:
    """The same steps without `fit`."""
    batches = TrainBatches(train, config.batch_size, Augmentation(**config.values("augmentation")), seed=0, epoch=0)

    def act() -> Any:
        model.reset_metrics()
        for step in range(STEPS):
            model.train_on_batch(*batches[step])

    return act


if __name__ == "__main__":
    main()
