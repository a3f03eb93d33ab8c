"""Packed data sets: plain files, readable with NumPy and zlib, checked against their digests.

Images are stored in blocks of (3, N, H, W): green is subtracted from red and blue, then the left neighbour and then the
upper one from each pixel (modulo 256), and the block becomes a zlib stream. To decode:

    planes = np.frombuffer(zlib.decompress(block), np.uint8).reshape(3, -1, H, W)
    planes = np.add.accumulate(np.add.accumulate(planes, 2, np.uint8), 3, np.uint8)
    planes[::2] += planes[1]
    images = planes.transpose(1, 2, 3, 0)

Labels are little-endian int32, also a zlib stream.
"""
import contextlib
import hashlib
import os
import shlex
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.catalog import DATASETS, DatasetEntry
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.packed_index import (
    INDEX,
    PackedFile,
    PackedIndex,
    View,
    again,
    index_bytes,
    is_packed,
    read_index,
)
from keras_fixhead.data.whole import WholeSet
from keras_fixhead.errors import ArgumentError, DataError, RunError
from keras_fixhead.hardware import cpu_count
from keras_fixhead.json_files import write_bytes

BLOCK_BYTES = 4_000_000
"""Size of a block of images: large enough to compress well, small enough to distribute over threads."""

_STRATEGIES = (zlib.Z_HUFFMAN_ONLY, zlib.Z_FILTERED)  # photographs have no repeats, drawings do
_LEFTOVER_SECONDS = 3_600.0


def encode_images(images: NDArray[np.uint8], strategy: int) -> bytes:
    """Returns an encoded block of images.

    Args:
        images: uint8, shape (N, H, W, 3).
        strategy: a zlib strategy.
    """
    planes = images.transpose(3, 0, 1, 2).copy()  # (3, N, H, W)
    planes[::2] -= planes[1]
    left = planes.copy()
    left[..., 1:] -= planes[..., :-1]
    both = left.copy()
    both[..., 1:, :] -= left[..., :-1, :]
    packer = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    return packer.compress(both.data) + packer.flush()


def decode_images(block: bytes, out: NDArray[np.uint8]) -> None:
    """Decodes a block of images into an array of the images' shape.

    Raises:
        ValueError: if the block does not have that size.
    """
    count, height, width, channels = out.shape
    planes = np.frombuffer(_inflated(block, out.size), np.uint8).reshape(channels, count, height, width).copy()
    for row in range(1, height):  # five times as fast as `np.add.accumulate`, which adds one number at a time
        planes[:, :, row] += planes[:, :, row - 1]
    for column in range(1, width):
        planes[..., column] += planes[..., column - 1]
    planes[::2] += planes[1]
    for channel in range(channels):
        out[..., channel] = planes[channel]


def _inflated(block: bytes, size: int) -> bytes:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(block, size + 1)
    if len(content) != size or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"a block has {len(content)} bytes, not {size}")
    return content


def write_packed(target: Path, name: str, whole: WholeSet, *, part_bytes: int, coding: str = "gradient-zlib",
                 source: str | None = None) -> PackedIndex:
    """Writes a packed data set, under a temporary name until it is complete; returns its index.

    Args:
        target: the folder to create; it must not exist.
        name: name of the data set.
        whole: the data set.
        part_bytes: maximum size of a file; a single image that is larger gets a file of its own.
        coding: a name in `packed_index.CODINGS`.
        source: for a cached set, the state of the prepared files that it was read from.

    Raises:
        RunError: if it cannot be written.
        ArgumentError: (a ValueError) if the folder exists.
    """
    try:
        _remove_leftovers(target)
        aside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    except OSError as error:
        raise RunError(f"{target} cannot be written: {error.strerror}.") from None
    try:
        index = _write_files(aside, name, whole, part_bytes, coding, source)
        write_bytes(aside / INDEX, index_bytes(index))
        aside.chmod(0o755)  # mkdtemp sets 0700
        _rename(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return index


def _rename(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError as error:
        if not target.exists():
            raise RunError(f"{target} cannot be written: {error.strerror}.") from None
        raise already_packed(target) from None


def already_packed(target: Path) -> ArgumentError:
    """Returns the error for a packed set that already exists."""
    return ArgumentError(f"{target} already exists.",
                         hint=f"Check it: fixhead data verify {shlex.quote(str(target))}. To pack it again, remove it "
                         "first.")


def _remove_leftovers(target: Path) -> None:
    """Removes leftovers of killed packings of this set, but not of those that are still running."""
    for folder in target.parent.glob(f".{target.name}-*"):
        with contextlib.suppress(OSError):  # another process may have finished and renamed it
            newest = max(each.stat().st_mtime for each in (folder, *folder.iterdir()))
            if time.time() - newest > _LEFTOVER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _write_files(folder: Path, name: str, whole: WholeSet, part_bytes: int, coding: str,
                 source: str | None) -> PackedIndex:
    image_shape = whole.entry.image_shape
    block_images = max(1, min(BLOCK_BYTES, part_bytes * 9 // 10) // int(np.prod(image_shape)))
    ending = "raw" if coding == "none" else "zlib"
    files = []

    def write(split: str | None, array: str | None, file: str, count: int, blocks: list[bytes]) -> None:
        content = b"".join(blocks)
        write_bytes(folder / file, content)
        files.append(PackedFile(file, split, array, count, tuple(map(len, blocks)),
                                hashlib.sha256(content).hexdigest()))

    for split, part in whole.parts.items():
        for array, labels in _label_arrays(part.labels, whole.entry.groups, whole.label_names).items():
            content = labels.astype("<i4").tobytes()
            write(split, array, f"{split}-{array.replace('_', '-')}.{ending}", len(labels),
                  [content if coding == "none" else zlib.compress(content, 9)])
        for number, (count, blocks) in enumerate(_image_parts(part.images, block_images, part_bytes, coding)):
            write(split, "images", f"{split}-images-{number:03d}.{ending}", count, blocks)
    entry = whole.entry
    readme = _readme(name, whole, coding)
    write(None, None, "README.md", 1, [readme.encode()])
    return PackedIndex(
        name=name, image_shape=image_shape, splits={split: len(part) for split, part in whole.parts.items()},
        validation=entry.validation, label_names=tuple(whole.label_names), groups=dict(entry.groups),
        subset=whole.subset, held_out=view_of(whole, True), whole=view_of(whole, False), citation=entry.citation,
        terms=entry.terms, coding=coding, block_images=block_images, files=tuple(files), source=source,
        fit=entry.fit, own_validation=entry.own_validation)


def view_of(whole: WholeSet, hold_out: bool) -> View:
    """Returns the digest and pixel statistics of a data set with or without a validation part held out."""
    dataset = whole.dataset(hold_out)
    return View(dataset.digest(), tuple(dataset.mean.tolist()), tuple(dataset.std.tolist()))


def _label_arrays(labels: NDArray[np.int32], groups: Mapping[str, tuple[str, ...]],
                  label_names: Sequence[str]) -> dict[str, NDArray[np.int32]]:
    """Returns the labels and, if classes are grouped, the coarse labels: the number of each label's group."""
    if not groups:
        return {"labels": labels}
    group_of = {name: number for number, names in enumerate(groups.values()) for name in names}
    coarse = np.array([group_of[name] for name in label_names], np.int32)
    return {"labels": labels, "coarse_labels": coarse[labels]}


def _image_parts(images: NDArray[np.uint8], block_images: int, part_bytes: int,
                 coding: str) -> Iterator[tuple[int, list[bytes]]]:
    """Yields (number of images, encoded blocks) per file, none larger than `part_bytes` unless a single block is."""
    count, blocks = 0, list[bytes]()
    for images_in_block, block in _blocks(images, block_images, coding):
        if blocks and sum(map(len, blocks)) + len(block) > part_bytes:
            yield count, blocks
            count, blocks = 0, []
        count += images_in_block
        blocks.append(block)
    if blocks:
        yield count, blocks


def _blocks(images: NDArray[np.uint8], block_images: int, coding: str) -> Iterator[tuple[int, bytes]]:
    sample = images[:min(block_images, 1_000)]
    strategy = min(_STRATEGIES, key=lambda each: len(encode_images(sample, each))) if len(sample) else 0
    for start in range(0, len(images), block_images):
        block = images[start : start + block_images]
        yield len(block), block.tobytes() if coding == "none" else encode_images(block, strategy)


def _readme(name: str, whole: WholeSet, coding: str) -> str:
    known = name in DATASETS
    read = f"fixhead train --dataset {name} --data-dir FOLDER" if known else "fixhead train --dataset FOLDER"
    return "\n".join([
        f"# {name}", "",
        *([whole.entry.summary, ""] if known else []),  # otherwise it has a path of the machine that packed the set
        *([f"This is {whole.subset}.", ""] if whole.subset else []),
        f"{len(whole.parts['train']):,} training and {len(whole.parts['test']):,} test images of "
        f"{len(whole.label_names)} classes, packed by keras_fixhead (coding {coding}).", "",
        f"Read it with `{read}`, check it with `fixhead data verify FOLDER`, where FOLDER is this one.", "",
        f"Citation: {whole.entry.citation or 'none known'}", "", f"Terms: {whole.entry.terms or 'none known'}", ""])


def load_packed(entry: DatasetEntry, data_dir: str | None) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits 'train' and 'test' of a packed set, and its label names.

    Args:
        entry: from `sources.describe`, with the folder of the packed set.
        data_dir: not used.

    Raises:
        DataError: if files are missing, damaged, or do not match the index; it names each of them.
    """
    return read_packed(Path(str(entry.packed)))


def read_packed(folder: Path) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits and label names of a packed set, like `load_packed`."""
    index = read_index(folder)
    images = {split: np.empty((count, *index.image_shape), np.uint8) for split, count in index.splits.items()}
    labels = {split: np.empty(count, np.int32) for split, count in index.splits.items()}
    arrays: dict[tuple[str, str], NDArray[Any]] = {
        **{(split, "images"): array for split, array in images.items()},
        **{(split, "labels"): array for split, array in labels.items()},
        **{(split, "coarse_labels"): np.empty_like(array) for split, array in labels.items()}}
    with ThreadPoolExecutor(min(8, cpu_count())) as pool:  # zlib, hashlib and NumPy release the interpreter's lock
        work = [pool.submit(_read_file, folder, index, file, out) for file, out in _places(index, arrays)]
        problems = [problem for each in work if (problem := each.result()) is not None]
    if problems:
        names = ", ".join(sorted(name for name, _ in problems))
        raise DataError(f"{folder} is damaged: " + "; ".join(f"{name} {problem}" for name, problem in problems) + ".",
                        hint=again(names))
    return {split: Split(images[split], labels[split]) for split in index.splits}, index.label_names


def _places(index: PackedIndex,
            arrays: Mapping[tuple[str, str], NDArray[Any]]) -> Iterator[tuple[PackedFile, NDArray[Any]]]:
    """Yields each file and the part of an array that it fills."""
    filled = dict.fromkeys(arrays, 0)
    for file in index.files:
        if file.split is None or file.array is None:
            yield file, np.empty(0)
        else:
            key = file.split, file.array
            yield file, arrays[key][filled[key] : filled[key] + file.count]
            filled[key] += file.count


def _read_file(folder: Path, index: PackedIndex, file: PackedFile,
               out: NDArray[Any]) -> tuple[str, str] | None:
    """Fills an array from a file; returns (file name, problem), or None if there is no problem."""
    try:
        content = (folder / file.name).read_bytes()
    except FileNotFoundError:
        return file.name, "is missing"
    except OSError as error:
        return file.name, f"cannot be read ({error.strerror})"
    if (digest := hashlib.sha256(content).hexdigest()) != file.sha256:
        if twin := next((each.name for each in index.files if each.sha256 == digest), None):
            return file.name, f"is a copy of {twin}"
        if len(content) < file.size_bytes:
            return file.name, f"is cut off ({len(content):,} of {file.size_bytes:,} bytes)"
        return file.name, "is damaged (its sha256 does not match)"
    try:
        _decode(content, index, file, out)
    except (ValueError, zlib.error) as error:
        return file.name, f"does not match the index ({error})"
    return None


def _decode(content: bytes, index: PackedIndex, file: PackedFile, out: NDArray[Any]) -> None:
    if file.array is None:
        return
    if len(out) != file.count:
        raise ValueError(f"{file.count} {file.array} where {len(out)} are expected")
    view = memoryview(content)
    start = 0
    for number, size in enumerate(file.blocks):
        piece = view[start : start + size]
        start += size
        if file.array != "images":
            raw = bytes(piece) if index.coding == "none" else _inflated(bytes(piece), 4 * len(out))
            out[...] = np.frombuffer(raw, "<i4")
        else:
            images = out[number * index.block_images : (number + 1) * index.block_images]
            if index.coding == "none":
                images[...] = np.frombuffer(piece, np.uint8).reshape(images.shape)
            else:
                decode_images(bytes(piece), images)


def packed_under(path: Path) -> list[Path]:
    """Returns the packed sets at or below a path, sorted."""
    if is_packed(path):
        return [path]
    return sorted(Path(folder) / each for folder, below, _ in os.walk(path) for each in below
                  if not each.startswith(".") and is_packed(Path(folder) / each))
