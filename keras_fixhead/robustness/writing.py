"""Writes corrupted images of a data set in the layout of CIFAR-10-C."""
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_fixhead.data.dataset import Split
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.json_files import read_json, write_bytes, write_json
from keras_fixhead.robustness.corrupting import native_suite, variants
from keras_fixhead.robustness.draws import checked_seed
from keras_fixhead.robustness.published import LABELS, MADE
from keras_fixhead.robustness.record import data_digest
from keras_fixhead.robustness.suites import SEVERITIES, Suite
from keras_fixhead.runs.directory import SCHEMA, make_folder


def write_corrupted(split: Split, folder: Path, *, suite: str = "cifar-c", seed: int = 0,
                    corruptions: Sequence[str] | None = None, threads: int = 1,
                    progress: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Writes `NAME.npy` for each corruption, (5 N, H, W, 3) with one block per severity, and `labels.npy`, (5 N,).

    Files that are complete are kept, so an interrupted call continues. `made.json` says how they were made, and that
    they are not the published files.

    Args:
        split: images and labels.
        folder: created if it is missing.
        suite: a name in `SUITES`.
        seed: seed of the corruptions.
        corruptions: which of the suite's; None for all.
        threads: number of chunks that are corrupted in parallel.
        progress: called with a line of text for each file.

    Returns:
        the paths of the arrays of images.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite or corruption, or a folder with other corrupted images.
        RunError: if a file cannot be written.
    """
    made, seed = native_suite(suite), checked_seed(seed)
    names = list(dict.fromkeys(name for name, _ in made.keys(corruptions)))
    make_folder(folder)
    _describe(folder, made, seed, split)
    _write_array(folder / LABELS, np.tile(split.labels, len(SEVERITIES)).astype(np.int32))
    paths = []
    for name in names:
        path = folder / f"{name}.npy"
        if not path.exists():
            _write_blocks(path, split, made, name, seed, threads)
        progress(f"{name}: {path}")
        paths.append(path)
    return paths


def _describe(folder: Path, suite: Suite, seed: int, split: Split) -> None:
    content = {
        "suite": suite.name, "seed": seed, "n": len(split), "data": data_digest(split.images, split.labels),
        "numpy": np.__version__,
        "note": "Made by keras_fixhead, not the published files; frost is from generated textures.",
    }
    path = folder / MADE
    if path.exists():
        before = read_json(path, schema=SCHEMA)
        if any(before.get(key) != content[key] for key in ("suite", "seed", "n", "data")):
            raise ArgumentError(f"{folder} has corrupted images of other data, another suite or another seed.",
                                hint="Give a new folder.")
        return
    if any(folder.glob("*.npy")):
        raise ArgumentError(f"{folder} has arrays that were not made by this command.", hint="Give a new folder.")
    write_json(path, content, schema=SCHEMA)


def _write_array(path: Path, values: np.ndarray) -> None:
    import io

    file = io.BytesIO()
    np.save(file, values)
    write_bytes(path, file.getvalue())


def _write_blocks(path: Path, split: Split, suite: Suite, name: str, seed: int, threads: int) -> None:
    """Streams the blocks to a file aside, which is renamed when it is complete."""
    aside = path.with_name(f".{path.name}-{os.getpid()}")
    count = len(split)
    try:
        blocks = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8,
                                           shape=(len(SEVERITIES) * count, *split.images.shape[1:]))
        done = 0
        for *_, chunk in variants(split.images, suite, suite.keys([name]), seed=seed, threads=threads):
            blocks[done : done + len(chunk)] = chunk
            done += len(chunk)
        blocks.flush()
        del blocks
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        aside.unlink(missing_ok=True)
