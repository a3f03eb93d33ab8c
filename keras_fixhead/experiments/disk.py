"""Disk space of runs: measured from runs of the same shape, or computed from the numbers of parameters."""
import shutil
from collections.abc import Sequence
from pathlib import Path

from keras_fixhead.config import Resolved, TrainConfig
from keras_fixhead.runs import Run

PARAMETERS = {"resnet18": 11_178_432, "preact_resnet18": 11_178_432, "mobilenet_v2": 2_318_224, "fast_cnn": 1_971_384}
"""Numbers in the backbone at width 1, with running statistics (counted by a test)."""
SMALL_FILES = 600_000
"""Bytes of everything in a run directory except model and checkpoints: figures, most of all."""
_BYTES = 4  # of a float32


def disk_bytes(run: Run) -> int:
    """Returns the total size of a run directory's files; hard links count once."""
    files = {(info.st_dev, info.st_ino): info.st_size
             for info in (path.stat() for path in run.path.rglob("*") if path.is_file())}
    return sum(files.values())


def computed_bytes(resolved: Resolved) -> int | None:
    """Returns the bytes of a run directory from its number of parameters; None for a network that was not counted.

    It has the model, its newest and previous checkpoints, and the best one if that is kept. A checkpoint has the
    weights and, of the same size, each average or state that the optimizer keeps.
    """
    config = resolved.config
    if config.model not in PARAMETERS:
        return None
    weights = _BYTES * (PARAMETERS[config.model] * config.width**2 + resolved.dim * resolved.data.num_classes)
    checkpoints = 2 + (config.selection != "last")
    return round(weights * (1 + checkpoints * copies(config)) + SMALL_FILES)


def copies(config: TrainConfig) -> int:
    """Returns how many numbers a checkpoint has for each weight.

    Example:
        >>> copies(TrainConfig(optimizer="sgd")), copies(TrainConfig(optimizer="adamw"))
        (2, 3)
    """
    return (1 + (1 if config.optimizer == "sgd" else 2) + bool(config.ema) + bool(config.lookahead_every))


def free_bytes(folder: str | Path) -> int:
    """Returns the free space where a folder is, or would be made."""
    path = Path(folder).expanduser().absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def disk_text(needed: int | None, folder: str | Path, way_out: str, free: int | None = None) -> list[str]:
    """Returns what a plan needs on disk and what is free, and, if it does not fit, a second line that says so.

    Args:
        needed: bytes; None if they are unknown.
        folder: where.
        way_out: what to do if there is too little space.
        free: bytes; None to look.

    Example:
        >>> disk_text(5 * 10**9, "runs", "Delete some.", free=10**9)
        ['disk: about 5.0 GB; 1.0 GB are free in runs', 'The plan does not fit: 4.0 GB are missing. Delete some.']
    """
    free = free_bytes(folder) if free is None else free
    said = "not measured yet" if needed is None else f"about {size_text(needed)}"
    lines = [f"disk: {said}; {size_text(free)} are free in {folder}"]
    if needed is not None and needed > free:
        lines.append(f"The plan does not fit: {size_text(needed - free)} are missing. {way_out}")
    return lines


def size_text(size: float) -> str:
    """Returns a number of bytes as text.

    Example:
        >>> size_text(2_500_000_000), size_text(47_400_000)
        ('2.5 GB', '47 MB')
    """
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def total_bytes(sizes: Sequence[int | None], *, discarded: bool, at_once: int = 1) -> int | None:
    """Returns the bytes that runs need in all; None if the size of one is unknown.

    Args:
        sizes: bytes of each run.
        discarded: whether models and checkpoints are removed once a run is complete.
        at_once: number of runs at once.
    """
    known = sorted(each for each in sizes if each is not None)
    if len(known) < len(sizes):
        return None
    if not discarded:
        return sum(known)
    return sum(known[-at_once:]) + SMALL_FILES * max(0, len(known) - at_once)
