"""Where the first epoch from a folder of pictures spends its time: milliseconds of a processor an image, by stage.

    python benchmarks/folder_stages.py        # 10 rounds of 600 pictures, on one core

The pictures, and the readers, are those of `folders.py`. One pass over the files reads them, one also decodes them, one
also resizes them; a stage is the difference between two passes. TensorFlow's are pipelines of tf.data. The whole first
epoch is measured as well, and what its stages do not explain is everything else: finding files, caches, splits, pixel
statistics, batches. Processor time is that of all threads of the process, which has one core, so that other work on the
machine does not count. Passes and readers alternate.
"""
import argparse
import functools
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from folders import OURS, SIDE, SIZES, anti_aliased, keras_images, tf_data, write_folder
from report import RESULTS, measurement, out_option, write_report

FILE = RESULTS / "folder_stages.json"
READERS = {"ours": "`load_dataset`", "ours-reduced": "`load_dataset`, `decoding=\"reduced\"`",
           "keras": "`image_dataset_from_directory`", "tf.data": "tf.data, anti-aliased"}
STAGES = {"read": "read the file", "decode": "decode the JPEG, to RGB", "resize": "crop, and resize to 96 px",
          "rest": "everything else", "whole": "the whole first epoch"}
Pass = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=600)
    out_option(parser, FILE)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before TensorFlow counts cores
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["FIXHEAD_CACHE_DIR"] = f"{scratch}/cache"
        folder = Path(scratch, "pictures")
        write_folder(folder, options.pictures, SIZES)
        found = milliseconds(folder, options.rounds)
    config = {"pictures": options.pictures, "pixels": SIDE, "cores": 1}
    write_report(options.out, [
        measurement(name=f"folder_stages/{reader}/{stage}", metric=f"processor time an image, {STAGES[stage]}",
                    unit="ms", values=values, warmup="one round, not counted", config=config)
        for (reader, stage), values in found.items()], command="python benchmarks/folder_stages.py")


def milliseconds(folder: Path, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Returns milliseconds an image of each stage of each reader, by (reader, stage), one value a round."""
    files = sorted((folder / "train").rglob("*.jpg"))
    epochs = {**OURS, "keras": keras_images, "tf.data": tf_data}
    passes = {"ours": _our_passes(files), "ours-reduced": _our_passes(files, "reduced"), **_tensorflow_passes(files)}
    found: dict[tuple[str, str], list[float]] = {(reader, stage): [] for reader in READERS for stage in STAGES}
    for number in range(-1, rounds):
        for reader in list(READERS)[:: 1 if number % 2 else -1]:
            shutil.rmtree(os.environ["FIXHEAD_CACHE_DIR"], ignore_errors=True)
            whole = _seconds(lambda reader=reader: next(epochs[reader](folder)))
            until = [0.0, *map(_seconds, passes[reader]), whole]
            stages = [after - before for before, after in itertools.pairwise(until)]
            for stage, seconds in zip(STAGES, [*stages, whole], strict=True):
                found[reader, stage].append(1_000 * seconds / len(files))
        print({"/".join(key): round(values[-1], 3) for key, values in found.items()}, file=sys.stderr)
    return {key: values[1:] for key, values in found.items()}


def _our_passes(files: Sequence[Path], decoding: str = "full") -> list[Pass]:
    from keras_fixhead.data.pictures import PictureForm, fit_upright, upright_picture

    form = PictureForm(SIDE, SIDE, decoding=decoding)

    def decoded(file: Path) -> Any:
        return upright_picture(file.read_bytes(), "a picture", form)

    def over_all(function: Callable[[Path], Any]) -> Pass:
        return lambda: deque(map(function, files), maxlen=0)

    return [over_all(Path.read_bytes), over_all(decoded), over_all(lambda file: fit_upright(decoded(file), form))]


def _tensorflow_passes(files: Sequence[Path]) -> dict[str, list[Pass]]:
    """The operations of `keras.utils.image_dataset_from_directory`, and those of `folders.tf_data`."""
    import tensorflow as tf
    from keras.src import backend
    from keras.src.utils.image_utils import smart_resize

    def interpolated(image: Any) -> Any:
        return smart_resize(image, (SIDE, SIDE), "bicubic", data_format="channels_last", backend_module=backend)

    def pipelines(*functions: Callable[[Any], Any]) -> list[Pass]:
        data = tf.data.Dataset.from_tensor_slices([str(file) for file in files])
        longer = itertools.accumulate(functions, lambda before, function: before.map(function), initial=data)
        return [functools.partial(each.reduce, np.int64(0), lambda count, _: count + 1)
                for each in itertools.islice(longer, 1, None)]

    return {"keras": pipelines(tf.io.read_file, lambda content: tf.io.decode_image(
                content, channels=3, expand_animations=False), interpolated),
            "tf.data": pipelines(tf.io.read_file, lambda content: tf.io.decode_jpeg(content, channels=3),
                                 anti_aliased)}


def _seconds(work: Pass) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def block() -> list[str]:
    """Returns the lines for the page; what has not been measured says so."""
    if not FILE.exists():
        return ["Where the time goes has not been measured yet: `python benchmarks/folder_stages.py`."]
    report = json.loads(FILE.read_text())
    found = {each["name"].removeprefix("folder_stages/"): each for each in report["measurements"]}
    config = found["ours/whole"]["config"]
    rows = [f"| {title} | " + " | ".join(f"{found[f'{reader}/{stage}']['median']:.2f}" for reader in READERS) + " |"
            for stage, title in STAGES.items()]
    return [f"| processor time an image, ms | {' | '.join(READERS.values())} |", "|---|" + "---:|" * len(READERS),
            *rows, "", f"Medians of n = {found['ours/whole']['n']} alternating rounds of {config['pictures']} of these "
            f"pictures, on one core of {report['hardware']['cpu']}, by `{report['command']}`."]


if __name__ == "__main__":
    main()
