"""Augmented images per second for each kind of augmentation: on the host and, with JAX, on the device as well.

    python benchmarks/augmentation.py                          # on the host only
    KERAS_BACKEND=jax python benchmarks/augmentation.py        # on JAX's first device as well

One thread makes batches as in training, including gathering and random draws; each round ends when the device is done.
The output of `fixhead train --augment-on host` and `device` shows whether augmentation limits training.
"""
import argparse
import itertools
import time
from typing import Any

import keras
import numpy as np
from report import RESULTS, measurement, out_option, write_report

from keras_fixhead.data import Augmentation, Split
from keras_fixhead.measurement import current_device
from keras_fixhead.training.batches import TrainBatches

MOVED: dict[str, Any] = {"crop_padding": 4, "flip": True}
MORE: dict[str, dict[str, Any]] = {
    "Cutout": {"cutout": 8}, "RandomErasing": {"erasing": 0.5}, "rotation": {"rotation": 15.0},
    "RandAugment (2)": {"randaugment": 2}, "MixUp": {"mixup": 0.2}, "CutMix": {"cutmix": 1.0},
}
KINDS = {"crop and flip": MOVED} | {f"crop, flip, {name}": MOVED | more for name, more in MORE.items()} | {
    "all of them": MOVED | {name: value for more in MORE.values() for name, value in more.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batches", type=int, default=8, help="batches per round")
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--pixels", type=int, default=32)
    out_option(parser, RESULTS / "augmentation.json")
    options = parser.parse_args()
    count = options.batches * options.batch_size
    draw = np.random.default_rng(0)
    split = Split(draw.integers(0, 256, (count, options.pixels, options.pixels, 3), dtype=np.uint8),
                  draw.integers(0, 10, count, dtype=np.int32))
    made = []
    for name, what in KINDS.items():
        rates = images_per_second(split, Augmentation(**what), options.batch_size, options.rounds)
        config = {"batch_size": options.batch_size, "pixels": options.pixels, "device": current_device()}
        for place, values in rates.items():
            each = measurement(name=f"augmentation/{name}/{place}", metric=f"images made on the {place}, wall time",
                               unit="images/s", values=values, warmup="one round, not counted", config=config)
            low, high = each["quartiles"]
            print(f"{name} on the {place}: {each['median']:,.0f} images/s (quartiles {low:,.0f} to {high:,.0f}, n = "
                  f"{each['n']})", flush=True)
            made.append(each)
    write_report(options.out, made, command="python benchmarks/augmentation.py")


def images_per_second(split: Split, augmentation: Augmentation, batch_size: int, rounds: int) -> dict[str, list[float]]:
    """Images per second of each round and place; the places alternate, and the first round is not counted."""
    places = {"host": False} | ({"device": True} if keras.backend.backend() == "jax" else {})
    rates: dict[str, list[float]] = {place: [] for place in places}
    for epoch, (place, on_device) in itertools.product(range(rounds + 1), places.items()):
        batches = TrainBatches(split, batch_size, augmentation, seed=0, epoch=epoch, on_device=on_device)
        start = time.perf_counter()
        images = [batches[step][0] for step in range(len(batches))]
        if on_device:
            images[-1].block_until_ready()  # the device executes in order
        if epoch:
            rates[place].append(len(split) / (time.perf_counter() - start))
    return rates


if __name__ == "__main__":
    main()
