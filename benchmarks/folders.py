"""Images per second from a folder of pictures: our loader, Keras' and tf.data; and the memory of a large folder.

    python benchmarks/folders.py                     # speeds: 10 rounds on 2,000 small pictures and 200 larger ones
    python benchmarks/folders.py --memory 100000     # memory of the loader in two epochs, and of a training

Speeds. Every reader gets the same folder of JPEG files of photographs' proportions, in the page cache: small ones of
0.1 megapixels, and then larger ones of 2 megapixels. It gives shuffled batches of 128 images of 96x96 pixels, the
centre of each picture. `ours` decodes files in full, and `ours-reduced` with `decoding="reduced"`. `keras` is
`keras.utils.image_dataset_from_directory` with `cache().shuffle().prefetch()`, as its guides have it: it keeps whole
batches of float32, so the same images meet in a batch in every epoch. `keras-images` is the same function without
batches, followed by `cache().shuffle().batch().prefetch()`: images are shuffled, as ours are. `tf.data` maps a decoding
function in parallel, with anti-aliasing as ours, caches single images as uint8, shuffles, batches and prefetches; the
function of Keras has no anti-aliasing. The first epoch is from nothing: our cache on disk is emptied, and the data sets
are built again. Another run begins with what is then on disk. Readers alternate, in changing order. Images are read,
and not trained on.

Memory. A process reads the folder and goes through two epochs of batches. What it holds for itself (anonymous memory)
is reported apart from the pages of the mapped file of pixels, which the system may take back at any time. Then
`fixhead train` trains a small network for an epoch, on a hundredth of the pictures and on all of them, and its largest
own memory is compared; the network is that of `TRAIN`, since it is the memory of the data that is asked for.
"""
import argparse
import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from report import RESULTS, measurement, out_option, write_report

SIDE, BATCH, CLASSES = 96, 128, 10
DISTINCT = 1_000  # files of the large folder; the others are further names of them
Sizes = tuple[tuple[int, int], ...]
SIZES: Sizes = ((400, 300), (300, 400), (480, 320), (360, 360))
LARGE: Sizes = tuple((4 * width, 4 * height) for width, height in SIZES)
EPOCHS = 3  # of a round: the first, and two later ones
TITLES = {"ours": "`load_dataset`", "ours-reduced": "`load_dataset`, `decoding=\"reduced\"`",
          "keras": "`image_dataset_from_directory`, batches cached, images not shuffled again",
          "keras-images": "`image_dataset_from_directory`, images cached and shuffled",
          "tf.data": "tf.data, anti-aliased, images cached and shuffled"}
KINDS = {"first": "first epoch", "later": "later epochs", "again": "first epoch of another run"}
READER = """
import sys, threading, time
from keras_fixhead.data import load_dataset
from keras_fixhead.training.batches import TrainBatches
peak = {"RssAnon": 0, "RssFile": 0}
def watch():
    while True:
        for line in open("/proc/self/status"):
            name = line.partition(":")[0]
            if name in peak:
                peak[name] = max(peak[name], int(line.split()[1]) / 1024)
        time.sleep(0.02)
threading.Thread(target=watch, daemon=True).start()
def told(name):
    time.sleep(0.1)
    print(name, *peak.values(), flush=True)
    peak.update(RssAnon=0, RssFile=0)
told("start")
data = load_dataset(sys.argv[1], image_size=int(sys.argv[2]))
told("read")
for epoch in range(2):
    batches = TrainBatches(data.train, int(sys.argv[3]), seed=0, epoch=epoch)
    count = sum(len(batches[step][0]) for step in range(len(batches)))
    told(f"epoch{epoch + 1}")
print("images", count, data.train.images.nbytes / 2**20)
"""
TRAIN = ("--image-size", str(SIDE), "--model", "fast_cnn", "--width", "0.125", "--epochs", "1", "--batch-size", "128",
         "--head", "cos", "--fixed", "--quiet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=2_000, help="small pictures; a tenth of it is larger ones")
    parser.add_argument("--memory", type=int, metavar="N", help="measure the memory of N pictures instead")
    out_option(parser, RESULTS / "folders.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["FIXHEAD_CACHE_DIR"] = f"{scratch}/cache"
        if options.memory:
            is_default = options.out == RESULTS / "folders.json"
            out = options.out.with_name("folders_memory.json") if is_default else options.out
            write_report(out, memory(Path(scratch), options.memory),
                         command=f"python benchmarks/folders.py --memory {options.memory}")
        else:
            found = [*speeds(Path(scratch, "small"), options.pictures, options.rounds),
                     *speeds(Path(scratch, "large"), options.pictures // 10, options.rounds, LARGE, "large/")]
            write_report(options.out, found, command="python benchmarks/folders.py")


def speeds(folder: Path, pictures: int, rounds: int, sizes: Sizes = SIZES, prefix: str = "") -> list[dict[str, Any]]:
    """Returns images per second of each reader in the first and the later epochs, and our share of each round."""
    write_folder(folder, pictures, sizes)
    readers: dict[str, Callable[[Path], Iterator[int]]] = {
        **OURS, "keras": keras_batches, "keras-images": keras_images, "tf.data": tf_data}
    for reader in readers.values():
        list(reader(folder))
    found: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in KINDS} for name in readers}
    for number in range(rounds):
        shutil.rmtree(os.environ["FIXHEAD_CACHE_DIR"], ignore_errors=True)  # each of ours has pixels of its own there
        for name in list(readers)[:: 1 if number % 2 else -1]:
            seconds, images = [], []
            started = time.perf_counter()
            for count in readers[name](folder):
                seconds.append(time.perf_counter() - started)
                images.append(count)
                started = time.perf_counter()
            found[name]["first"].append(images[0] / seconds[0])
            found[name]["later"].append(sum(images[1:]) / sum(seconds[1:]))
            started = time.perf_counter()
            found[name]["again"].append(next(readers[name](folder)) / (time.perf_counter() - started))
        print({name: [round(each[-1]) for each in values.values()] for name, values in found.items()}, file=sys.stderr)
    config = {"pictures": pictures, "sizes": sizes, "pixels": SIDE, "batch_size": BATCH, "later_epochs": EPOCHS - 1,
              "load_average": round(os.getloadavg()[1], 1)}
    warmup = "one round, not counted"
    return [*(measurement(name=f"folders/{prefix}{name}/{kind}", metric=f"images per second, {KINDS[kind]}", unit="1/s",
                          values=values, warmup=warmup, config=config)
              for name, each in found.items() for kind, values in each.items()),
            *(measurement(name=f"folders/{prefix}{_of(own)}{name}/{kind}/ratio", unit="1",
                          metric=f"{own} divided by {name}, {KINDS[kind]}", values=[mine / theirs for mine, theirs in
                                            zip(found[own][kind], found[name][kind], strict=True)],
                          warmup=warmup, config=config)
              for own in OURS for name in readers if name not in OURS for kind in KINDS)]


def ours(folder: Path, decoding: str = "full") -> Iterator[int]:
    """Yields the number of images of each epoch, when it is over."""
    from keras_fixhead.data import load_dataset
    from keras_fixhead.training.batches import TrainBatches

    train = load_dataset(str(folder), image_size=SIDE, decoding=decoding).train
    for epoch in range(EPOCHS):
        batches = TrainBatches(train, BATCH, seed=0, epoch=epoch, partial_batch=True)
        yield sum(len(batches[step][0]) for step in range(len(batches)))


OURS = {"ours": ours, "ours-reduced": functools.partial(ours, decoding="reduced")}


def keras_batches(folder: Path) -> Iterator[int]:
    """The same by Keras, in whole batches."""
    import tensorflow as tf

    yield from _epochs(_from_directory(folder, BATCH).cache().shuffle(100).prefetch(tf.data.AUTOTUNE))


def keras_images(folder: Path) -> Iterator[int]:
    """The same by Keras, image by image."""
    import tensorflow as tf

    data = _from_directory(folder, None).cache().shuffle(100 * BATCH)
    yield from _epochs(data.batch(BATCH).prefetch(tf.data.AUTOTUNE))


def _from_directory(folder: Path, batch_size: int | None) -> Any:
    import keras

    return keras.utils.image_dataset_from_directory(
        str(folder / "train"), image_size=(SIDE, SIDE), batch_size=batch_size, crop_to_aspect_ratio=True, seed=0,
        verbose=0, interpolation="bicubic")


def tf_data(folder: Path) -> Iterator[int]:
    """The same by tf.data, written by hand."""
    import tensorflow as tf

    def image(path: Any, label: Any) -> tuple[Any, Any]:
        return anti_aliased(tf.io.decode_jpeg(tf.io.read_file(path), channels=3)), label

    files = sorted((folder / "train").rglob("*.jpg"))
    labels = [int(file.parent.name) for file in files]
    data = tf.data.Dataset.from_tensor_slices(([str(file) for file in files], labels))
    data = data.map(image, num_parallel_calls=tf.data.AUTOTUNE).cache()
    yield from _epochs(data.shuffle(len(files), seed=0).batch(BATCH).prefetch(tf.data.AUTOTUNE))


def anti_aliased(pixels: Any) -> Any:
    """Returns the centre of a picture, resized by TensorFlow with anti-aliasing, in uint8."""
    import tensorflow as tf

    side = tf.minimum(tf.shape(pixels)[0], tf.shape(pixels)[1])
    pixels = tf.image.resize_with_crop_or_pad(pixels, side, side)
    pixels = tf.image.resize(pixels, (SIDE, SIDE), "bicubic", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)


def _epochs(data: Any) -> Iterator[int]:
    for _ in range(EPOCHS):
        yield sum(len(labels) for _, labels in data)


def memory(scratch: Path, pictures: int) -> list[dict[str, Any]]:
    """Returns the largest memory of a process before, while it reads a folder, in two epochs, and of a training."""
    folder = scratch / "pictures"
    write_folder(folder, pictures, ((128, 96),), distinct=DISTINCT)
    done = subprocess.run([sys.executable, "-c", READER, str(folder), str(SIDE), str(BATCH)], capture_output=True,
                          text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    (_, count, pixels), phases = lines[-1], lines[:-1]
    config = {"pictures": pictures, "distinct": DISTINCT, "pixels": SIDE, "batch_size": BATCH,
              "images_an_epoch": int(count), "pixels_mib": round(float(pixels))}
    few = scratch / "few"
    write_folder(few, pictures // 100, ((128, 96),))
    trained = [(phase, kind, value) for phase, each in (("train few", few), ("train", folder))
               for kind, value in training_memory(each, scratch / "runs").items()]
    return [{"name": f"folders/memory/{phase}/{kind}", "metric": f"largest {kind} memory, {phase}", "unit": "MiB",
             "values": [round(float(value), 1)], "n": 1, "config": config}
            for phase, kind, value in (*((phase, kind, value) for phase, own, mapped in phases
                                         for kind, value in (("own", own), ("mapped", mapped))), *trained)]


def training_memory(folder: Path, runs: Path) -> dict[str, float]:
    """Returns the largest own and mapped memory of `fixhead train` on a folder, in MiB."""
    peak = {"RssAnon": 0.0, "RssFile": 0.0}
    command = [sys.executable, "-m", "fixhead_cli", "train", "--dataset", str(folder), "--runs-dir", str(runs), *TRAIN]
    with subprocess.Popen(command) as training:
        while training.poll() is None:
            with contextlib.suppress(OSError):  # it has just ended
                for line in Path(f"/proc/{training.pid}/status").read_text().splitlines():
                    name, _, value = line.partition(":")
                    if name in peak:
                        peak[name] = max(peak[name], int(value.split()[0]) / 1024)
            time.sleep(0.02)
    if training.returncode:
        raise SystemExit(f"fixhead train ended with {training.returncode}.")
    return {"own": peak["RssAnon"], "mapped": peak["RssFile"]}


def write_folder(folder: Path, pictures: int, sizes: Sizes, distinct: int | None = None) -> None:
    """Writes a folder of JPEG files with smooth random content, `train` and a small `test`.

    Args:
        folder: its path.
        pictures: number of files in `train`.
        sizes: their widths and heights, in turn.
        distinct: number of different ones; the others are further names of them (None: all).
    """
    draw = np.random.default_rng(0)
    for label in range(CLASSES):
        for part in ("train", "test"):
            (folder / part / str(label)).mkdir(parents=True)
    for number in range(pictures):
        file = folder / "train" / str(number % CLASSES) / f"{number:07}.jpg"
        if distinct is not None and number >= distinct:
            first = number % distinct
            os.link(folder / "train" / str(first % CLASSES) / f"{first:07}.jpg", file)
            continue
        coarse = Image.fromarray(draw.integers(0, 256, (24, 32, 3)).astype(np.uint8))
        picture = coarse.resize(sizes[number % len(sizes)], Image.Resampling.BICUBIC)
        noise = draw.normal(0, 8, (picture.height, picture.width, 1))
        Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)).save(file, quality=90)
    for label in range(CLASSES):
        os.link(folder / "train" / str(label) / f"{label:07}.jpg", folder / "test" / str(label) / "0.jpg")
    os.sync()  # the system would write them while readers are timed


def block() -> list[str]:
    """Returns the lines for the page; what has not been measured says so."""
    file = RESULTS / "folders.json"
    lines = []
    if file.exists():
        report = json.loads(file.read_text())
        found = {each["name"].removeprefix("folders/"): each for each in report["measurements"]}
        config, larger = (found[f"{prefix}ours/first"]["config"] for prefix in ("", "large/"))
        lines += [*_table(found, "", KINDS), "",
                  f"Images per second, and ratios of ours to others in the same round: median (quartiles) of n = "
                  f"{found['ours/first']['n']} alternating rounds, {config['pictures']:,} JPEG files of 0.1 "
                  f"megapixels, {config['pixels']} px, batches of {config['batch_size']}, {report['hardware']['cpu']}, "
                  f"{report['hardware']['cores']} cores, load average {config['load_average']:g}, by "
                  f"`{report['command']}`.", "",
                  f"The same for {larger['pictures']:,} files of 2 megapixels:", "",
                  *_table(found, "large/", {"first": KINDS["first"]})]
    else:
        lines += ["Speeds have not been measured yet: `python benchmarks/folders.py`."]
    if (file := RESULTS / "folders_memory.json").exists():
        report = json.loads(file.read_text())
        found = {each["name"].removeprefix("folders/memory/"): each for each in report["measurements"]}
        config, value = found["read/own"]["config"], {name: each["values"][0] for name, each in found.items()}
        own = {name.removesuffix("/own"): f"{each:,.0f} MiB" for name, each in value.items()}
        lines += ["", f"Memory for {config['pictures']:,} pictures at {config['pixels']} px "
                  f"({config['pixels_mib']:,} MiB of pixels; {config['distinct']:,} different files, each under "
                  f"several names), of the loader alone: {own['start']} before, at most {own['read']} while they are "
                  f"decoded, {own['epoch1']} in the first epoch of batches and {own['epoch2']} in the second. Of "
                  f"`fixhead train` with a small network: at most {own['train']}, and {own['train few']} with a "
                  f"hundredth of the pictures (n = 1 each). Pages of the mapped file, which the system takes back when "
                  f"it needs them, are not in these numbers: at most {value['train/mapped']:,.0f} MiB. By "
                  f"`{report['command']}`."]
    return lines


def _table(found: dict[str, Any], prefix: str, kinds: dict[str, str]) -> list[str]:
    """Returns the lines of a table of readers, and of ours divided by others."""
    lines = [f"| reader | {' | '.join(kinds.values())} |", "|---|" + "---:|" * len(kinds)]
    for name, title in TITLES.items():
        cells = [_spread(found[f"{prefix}{name}/{kind}"], ",.0f") for kind in kinds]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for own, name in itertools.product(OURS, (name for name in TITLES if name not in OURS)):
        cells = [_spread(found[f"{prefix}{_of(own)}{name}/{kind}/ratio"], ".2f") for kind in kinds]
        lines.append(f"| {TITLES[own]} / {TITLES[name]} | {' | '.join(cells)} |")
    return lines


def _of(own: str) -> str:
    """How the names of a reader's ratios begin; those of `ours` are from before there was another one of ours."""
    return "" if own == "ours" else f"{own}/"


def _spread(found: dict[str, Any], form: str) -> str:
    low, high = found["quartiles"]
    return f"{found['median']:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
