"""Gathers a test set from a folder of Open Images: chooses boxes, cuts them out, and writes images and a manifest."""
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead._version import __version__
from keras_fixhead.data.dataset import Dataset
from keras_fixhead.data.open_images import tables
from keras_fixhead.data.open_images.class_maps import GatheredSet, gathered_set
from keras_fixhead.data.open_images.crops import POLICY, bmp_bytes, chosen_boxes, crop_of, in_order, total
from keras_fixhead.data.open_images.manifest import Entry, set_digest
from keras_fixhead.data.open_images.tables import Box
from keras_fixhead.data.open_images.writing import new_folder, write_image, write_manifest
from keras_fixhead.data.perceptual_hash import distances, mirrored_hashes, perceptual_hashes
from keras_fixhead.errors import ArgumentError, DataError

NEAR_BITS = 8
"""Images are near-duplicates if at most this many of the 63 bits of their perceptual hashes differ.

Between CIFAR-100's test and training images, pairs at 6 bits or fewer have the same label (19 of the first 1,000 test
images, measured), pairs at 8 bits in half of the cases, and pairs at 10 bits hardly more often than unrelated ones.
"""
_MISSING = "the picture is not in the folder"


@dataclass(frozen=True)
class GatheringPlan:
    """What is asked for.

    Attributes:
        per_class: number of images of each class; None for the set's own.
        splits: splits of Open Images; 'validation' and 'test' have the most complete labels.
        leave_out: classes to leave out, for which there are too few pictures.
        seed: seed of the order in which boxes are taken.
    """

    per_class: int | None = None
    splits: tuple[str, ...] = ("validation", "test")
    leave_out: tuple[str, ...] = ()
    seed: int = 0

    def checked(self, wanted: GatheredSet) -> "GatheringPlan":
        """Returns the plan with the number of images filled in.

        Raises:
            ArgumentError: (a ValueError) for a class that the set does not have, or fewer than two images or classes.
        """
        if unknown := [name for name in self.leave_out if name not in wanted.classes]:
            raise ArgumentError(f"{wanted.name} has no class {unknown[0]!r} to leave out.",
                                hint=f"Its classes: {', '.join(wanted.classes)}.")
        if len(wanted.classes) - len(set(self.leave_out)) < 2:
            raise ArgumentError("At least 2 classes must remain.", hint="Leave fewer out.")
        if self.per_class is not None and self.per_class < 2:
            raise ArgumentError(f"per_class must be at least 2, got {self.per_class}.")
        return GatheringPlan(self.per_class or wanted.per_class, self.splits, self.leave_out, self.seed)


def build_set(name: str, folder: Path, out: Path, plan: GatheringPlan, load_training: Callable[[], Dataset], *,
              progress: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Writes a test set gathered from Open Images, with its manifest, and returns the manifest's content.

    Args:
        name: 'stl_gen' or 'cifar100_gen'.
        folder: a folder with the CSV files and pictures of Open Images V4 (see `tables`).
        out: the folder to write; it must not exist.
        plan: what is asked for.
        load_training: called, when the boxes are known, for the data set whose near-duplicates are left out, with all
            of its training images.
        progress: called with a line of text for each class.

    Raises:
        ArgumentError: (a ValueError) for a folder that exists, or a plan that cannot be.
        DataError: if files are missing or unreadable, or there are too few pictures of a class.
        RunError: if a file cannot be written.

    Reference: the paper's Section 4.2 and Table 5 use unpublished sets of these names. The files are described in
    Kuznetsova et al. (2020), The Open Images Dataset V4, IJCV.
    """
    wanted = gathered_set(name)
    plan = plan.checked(wanted)
    found, sources, left_out = _boxes(folder, wanted, plan)
    training = load_training()
    progress(f"{sum(map(len, found.values())):,} boxes of {len(found)} classes; {len(training.train):,} training "
             f"images of {wanted.trained} to compare with")
    pictures = {split: tables.find_pictures(folder, split) for split in plan.splits}
    with new_folder(out) as aside:
        gatherer = _Gatherer(wanted, plan, pictures, perceptual_hashes(training.train.images))
        entries = []
        for label in found:
            entries += gatherer.gather(label, found[label], aside)
            progress(f"{label}: {gatherer.counts[label]} images")
        _check_counts(wanted, plan, gatherer.counts, folder)
        entries.sort(key=lambda entry: (entry.label, entry.image))
        content = {
            "set": wanted.name, "note": _note(wanted, plan), "source": "Open Images V4, annotations CC BY 4.0, "
            "pictures listed as CC BY 2.0", "made_with": f"keras_fixhead {__version__}", "trained": wanted.trained,
            "side": wanted.side, "per_class": plan.per_class, "seed": plan.seed, "splits": list(plan.splits),
            "policy": [*POLICY, _near_policy(wanted)],
            "classes": {label: dict(wanted.classes[label]) for label in found},
            "near": {label: how for label, how in wanted.near.items() if label in found},
            "without_counterpart": {"only a wider class": dict(wanted.wider),
                                                               "no boxes": list(wanted.none)},
            "left_out_classes": sorted(plan.leave_out), "left_out": total([left_out, gatherer.left_out]),
            "missing_pictures": sorted(gatherer.missing), "sources": sources,
            "training_set": {"digest": training.digest(), "images": len(training.train), "subset": training.subset},
            "digest": set_digest(entries), "images": [entry.as_dict() for entry in entries]}
        write_manifest(aside, content)
    return content


class _Gatherer:
    """Takes crops class by class, and remembers what has been taken and left out."""

    def __init__(self, wanted: GatheredSet, plan: GatheringPlan, pictures: dict[str, Path | None],
                 training: NDArray[np.uint64]) -> None:
        self.wanted, self.plan, self.pictures = wanted, plan, pictures
        self.seen = training  # hashes of the training images, then of the crops that have been taken
        self.counts: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        self.missing: set[str] = set()
        self._training = len(training)

    def gather(self, label: str, boxes: Sequence[Box], out: Path) -> list[Entry]:
        """Writes the images of a class and returns their entries."""
        entries: list[Entry] = []
        for box, content in self._contents(in_order(boxes, self.plan.seed)):
            made = crop_of(content, box, self.wanted.side)
            if isinstance(made, str):
                self._leave_out(made)
                continue
            square, image = made
            if duplicate := self._duplicate(image):
                self._leave_out(duplicate)
                continue
            file = bmp_bytes(image)
            entry = Entry(label, box.split, box.image, (box.left, box.right, box.top, box.bottom),
                          (square.left, square.top, square.side), hashlib.sha256(content).hexdigest(),
                          hashlib.sha256(file).hexdigest())
            write_image(out / entry.path, file)
            entries.append(entry)
            if len(entries) == self.plan.per_class:
                break
        self.counts[label] = len(entries)
        return entries

    def _contents(self, boxes: Sequence[Box]) -> Iterator[tuple[Box, bytes]]:
        for box in boxes:
            place = self.pictures[box.split]
            try:
                content = b"" if place is None else (place / f"{box.image}.jpg").read_bytes()
            except OSError:
                content = b""
            if content:
                yield box, content
            else:
                self._leave_out(_MISSING)
                self.missing.add(box.image)

    def _duplicate(self, image: NDArray[np.uint8]) -> str:
        """Why an image is a near-duplicate; '' if it is not, and then it is remembered."""
        own = perceptual_hashes(image[None])
        away = distances(np.concatenate([own, mirrored_hashes(image[None])]), self.seen).min(axis=0, initial=64)
        if (away[: self._training] <= NEAR_BITS).any():
            return "near-duplicate of a training image"
        if (away[self._training :] <= NEAR_BITS).any():
            return "near-duplicate of an image of this set"
        self.seen = np.concatenate([self.seen, own])
        return ""

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def _boxes(folder: Path, wanted: GatheredSet, plan: GatheringPlan,
           ) -> tuple[dict[str, list[Box]], dict[str, str], dict[str, int]]:
    """The boxes that may be cut out, by class; the SHA-256 of the files read; how many boxes were left out, and why."""
    files: list[Path] = []

    def found(split: str, *names: str) -> Path | None:
        path = tables.find_table(folder, split, names)
        files.extend([] if path is None or path in files else [path])
        return path

    names = found(plan.splits[0], tables.NAMES)
    if names is not None:
        tables.check_names(names, wanted.classes)
    boxes, absent, rotated = [], set(), set()
    for split in plan.splits:
        path = found(split, tables.BOXES)
        if path is None:
            there = [each for each in tables.SPLITS if tables.find_table(folder, each, [tables.BOXES])]
            others = f"; or use what is there: {' '.join(f'--split {each}' for each in there)}" if there else ""
            raise DataError(f"{folder} has no {tables.BOXES.format(split=split)}.",
                            hint="Expected the CSV files of Open Images V4 there, or in annotations, and the pictures "
                            f"in {split}{others}.")
        if tables.find_pictures(folder, split) is None:
            raise DataError(f"{folder} has no folder of the pictures of {split}.",
                            hint=f"Expected {folder / split}/IMAGE_ID.jpg, or images/{split}/IMAGE_ID.jpg.")
        boxes += tables.read_boxes(path, split, wanted.class_of)
        if (labels := found(split, *tables.LABELS)) is not None:
            absent |= tables.read_absent(labels, wanted.class_of)
        if (turned := found(split, *tables.ROTATIONS)) is not None:
            rotated |= tables.read_rotated(turned)
    by_class, left_out = chosen_boxes(boxes, absent, rotated)
    used = {label: by_class.get(label, []) for label in wanted.classes if label not in plan.leave_out}
    return used, {path.name: _file_digest(path) for path in files}, left_out


def _check_counts(wanted: GatheredSet, plan: GatheringPlan, counts: dict[str, int], folder: Path) -> None:
    few = {label: count for label, count in counts.items() if count < (plan.per_class or 0)}
    if few:
        least = min(few.values())
        named = ", ".join(f"{label} ({count})" for label, count in sorted(few.items(), key=lambda each: each[1]))
        fewer = f"--per-class {least}, " if least >= 2 else ""
        raise DataError(f"{folder} has fewer than {plan.per_class} usable images of {len(few)} of the "
                        f"{len(counts)} classes of {wanted.name}: {named}.",
                        hint=f"Add pictures or --split train; or take fewer: {fewer}--leave-out CLASS.")


def _note(wanted: GatheredSet, plan: GatheringPlan) -> str:
    classes = len(wanted.classes) - len(set(plan.leave_out))
    return (f"{wanted.name} was gathered from Open Images V4 by the rules in its manifest: not the paper's images. "
            f"{plan.per_class} images of each of {classes} classes; the paper has {wanted.paper}.")


def _near_policy(wanted: GatheredSet) -> str:
    return (f"An image is left out if its perceptual hash, or its mirror image's, differs in at most {NEAR_BITS} of 63 "
            f"bits from that of a training image of {wanted.trained} or of an image taken before.")


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
