"""What a later epoch from a folder of pictures costs, in processor time an image, and what copying alone takes.

    python benchmarks/later_epochs.py        # 10 rounds of 2,000 pictures, on one core

The readers, pictures and batches are those of `folders.py`, after their first epoch. `copying` is what is left of our
epochs without our code: NumPy copies the same pixels in random order into batches, `images[order]`. Processor time is
that of all threads of the process, which has one core, so that other work on the machine does not count. Readers
alternate.
"""
import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from folders import BATCH, SIDE, SIZES, keras_batches, keras_images, ours, tf_data, write_folder
from report import RESULTS, measurement, out_option, write_report

FILE = RESULTS / "later_epochs.json"
TITLES = {"ours": "`load_dataset`, images shuffled", "copying": "copying the same images, by NumPy alone",
          "keras": "`image_dataset_from_directory`, the same whole batches again, not copied",
          "keras-images": "`image_dataset_from_directory`, images shuffled", "tf.data": "tf.data, images shuffled"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=2_000)
    out_option(parser, FILE)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before TensorFlow counts cores
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["FIXHEAD_CACHE_DIR"] = f"{scratch}/cache"
        folder = Path(scratch, "pictures")
        write_folder(folder, options.pictures, SIZES, distinct=200)
        found = microseconds(folder, options.rounds)
    config = {"pictures": options.pictures, "pixels": SIDE, "batch_size": BATCH, "cores": 1}
    write_report(options.out, [
        measurement(name=f"later_epochs/{name}", metric=f"processor time an image in later epochs, {TITLES[name]}",
                    unit="us", values=values, warmup="the first epoch of each round, not counted", config=config)
        for name, values in found.items()], command="python benchmarks/later_epochs.py")


def microseconds(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Returns microseconds an image in later epochs, by reader, one value a round."""
    readers: dict[str, Callable[[Path], Any]] = {
        "ours": ours, "copying": copying, "keras": keras_batches, "keras-images": keras_images, "tf.data": tf_data}
    found: dict[str, list[float]] = {name: [] for name in TITLES}
    for number in range(rounds):
        for name in list(readers)[:: 1 if number % 2 else -1]:
            epochs = readers[name](folder)
            next(epochs)
            started = time.process_time()
            images = sum(epochs)
            found[name].append(1e6 * (time.process_time() - started) / images)
        print({name: round(values[-1], 2) for name, values in found.items()}, file=sys.stderr)
    return found


def copying(folder: Path) -> Any:
    """Yields the number of images of three epochs, when they have been copied into batches in random order."""
    from keras_fixhead.data import load_dataset

    images = load_dataset(str(folder), image_size=SIDE).train.images
    for epoch in range(3):
        order = np.random.default_rng(epoch).permutation(len(images))
        yield sum(len(images[order[start : start + BATCH]]) for start in range(0, len(images), BATCH))


def block() -> list[str]:
    """Returns the lines for the page."""
    report = json.loads(FILE.read_text())
    found = {each["name"].removeprefix("later_epochs/"): each for each in report["measurements"]}
    config, size = found["ours"]["config"], 3 * SIDE**2
    rows = [f"| {title} | {found[name]['median']:.1f} ({found[name]['quartiles'][0]:.1f} to "
            f"{found[name]['quartiles'][1]:.1f}) |" for name, title in TITLES.items()]
    return ["| later epochs | processor time an image, µs |", "|---|---:|", *rows, "",
            f"Median (quartiles) of n = {found['ours']['n']} alternating rounds of {config['pictures']:,} of these "
            f"pictures, on one core of {report['hardware']['cpu']}, by `{report['command']}`. Copying reads and writes "
            f"{size / found['copying']['median'] / 1e3:.1f} GB of pixels per second."]


if __name__ == "__main__":
    main()
