"""What augmentation and our callbacks cost a training step of quarter-width ResNet18.

    python benchmarks/pipeline.py

Heaviest augmentation (crop, flip, rotation, RandAugment, Cutout, RandomErasing, MixUp, CutMix) against crop and flip,
both through `model.fit` as the engine calls it; and `model.fit` with all callbacks of the engine against a bare loop of
`train_on_batch` on the same batches, made beforehand. The two alternate in this process, a few steps a round; ratios
are taken round by round, of wall time.
"""
import argparse
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from report import RESULTS, measurement, out_option, write_report

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import Split, load_dataset
from keras_fixhead.data.batches import TrainBatches, augmentation_of
from keras_fixhead.recipes import build_config
from keras_fixhead.training import _compiled_model
from keras_fixhead.training.backend import prepare_backend
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.estimate import StepTimer
from keras_fixhead.training.signals import StopRequests
from keras_fixhead.training.steps import StepGuard

STEPS = 8
HEAVY = {"rotation": 15.0, "randaugment": 2, "cutout": 8, "erasing": 0.5, "mixup": 0.2, "cutmix": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    out_option(parser, RESULTS / "pipeline.json")
    options = parser.parse_args()
    dataset = load_dataset("digits")
    shared = {"dataset": "digits", "recipe": "cpu", "limit_train": STEPS * 128, "flip": True}
    plain, heavy = (resolve(build_config({**shared, **more})) for more in ({}, HEAVY))
    prepare_backend(plain)
    train = dataset.train.take(np.arange(STEPS * 128))
    heavy_model, plain_model = (_compiled_model(config, dataset) for config in (heavy, plain))
    augmented = compare("augmentation", "crop and flip, in wall time of a step", {
        "with": fit(heavy_model, heavy, train), "without": fit(plain_model, plain, train)}, options.rounds)
    callbacks = compare("callbacks", "a bare loop of train_on_batch, in wall time of a step", {
        "with": fit(plain_model, plain, train), "without": bare(plain_model, plain, train)}, options.rounds)
    write_report(options.out, [*augmented, *callbacks], command="python benchmarks/pipeline.py")


def compare(name: str, against: str, variants: dict[str, Callable[[], Any]], rounds: int) -> list[dict[str, Any]]:
    """Seconds of a step of both variants, round by round in turn, and the ratio of each round."""
    for act in variants.values():
        act()
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    for number in range(rounds):
        for variant in (list(variants), list(variants)[::-1])[number % 2]:
            start = time.perf_counter()
            variants[variant]()
            seconds[variant].append((time.perf_counter() - start) / STEPS)
    ratios = [one / other for one, other in zip(seconds["with"], seconds["without"], strict=True)]
    config = {"model": "resnet18", "width": 0.25, "batch_size": 128, "pixels": 32, "steps_a_round": STEPS}
    made = measurement(name=f"pipeline/{name}/ratio", metric=f"with {name} divided by {against}", unit="1",
                       values=ratios, warmup="one round, not counted", config=config)
    print(f"{name}: {made['median']:.3f} (quartiles {made['quartiles'][0]:.3f} to {made['quartiles'][1]:.3f}, n = "
          f"{made['n']})", flush=True)
    return [*(measurement(name=f"pipeline/{name}/{variant}", metric="wall time of a step", unit="s", values=values,
                          warmup="one round, not counted", config=config) for variant, values in seconds.items()), made]


def fit(model: keras.Model, config: TrainConfig, train: Split) -> Callable[[], Any]:
    """An epoch as the engine trains it, with its callbacks, but without checkpoints."""
    stop = StopRequests()

    def act() -> Any:
        batches = TrainBatches(train, config.batch_size, augmentation_of(config), seed=0, epoch=0)
        guard = StepGuard(Progress(), lambda progress: None, stop, [], 60.0)
        return model.fit(batches, shuffle=False, verbose=0, callbacks=[StepTimer(config, STEPS), guard])

    return act


def bare(model: keras.Model, config: TrainConfig, train: Split) -> Callable[[], Any]:
    """The same steps on batches that are there already."""
    batches = TrainBatches(train, config.batch_size, augmentation_of(config), seed=0, epoch=0)
    ready = [batches[step] for step in range(STEPS)]

    def act() -> Any:
        model.reset_metrics()
        for images, labels in ready:
            model.train_on_batch(images, labels)

    return act


if __name__ == "__main__":
    main()
