"""`fixhead data`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli.commands.train import config_options
from fixhead_cli.output import command_line, data_dir_option, json_option, print_result, table


@click.group("data")
def command() -> None:
    """Look at data sets, pack them into plain files, check those.

    \b
    Example:
        fixhead data show cifar10
        fixhead data pack cifar10 packed
        fixhead data verify packed
    """


@command.command("show")
@click.argument("dataset_name", metavar="DATASET")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Picture to write [default: DATASET.png].")
@click.option("--images", default=24, show_default=True, type=click.IntRange(1, 1_000), help="Images on the sheet.")
@click.option("--epoch", default=1, show_default=True, type=click.IntRange(1), help="Epoch whose images are shown.")
@config_options
@json_option
def show(dataset_name: str, out: Path | None, images: int, epoch: int, as_json: bool, **fields: Any) -> None:
    """Write a contact sheet of training images, augmented as `fixhead train` would with the same options.

    \b
    Example:
        fixhead data show cifar10
        fixhead data show cifar10 --randaugment 2 --cutmix 1 --out sheet.png
        fixhead data show ./photographs --image-size 64
    """
    from keras_fixhead.config import resolve
    from keras_fixhead.recipes import build_config

    explicit = {name: value for name, value in fields.items() if value is not None}
    config = resolve(build_config({**explicit, "dataset": dataset_name})).config

    from fixhead_cli.framework import load_keras, load_reader
    from keras_fixhead.data import check_available

    check_available(config.dataset, config.data_dir, image_size=config.image_size)
    load_keras()
    load_reader(config.dataset, config.data_dir)
    from keras_fixhead.evaluation import run_dataset
    from keras_fixhead.figures import plot_images
    from keras_fixhead.training.batches import TrainBatches, augmentation_of

    dataset = run_dataset(config)
    batch, labels = TrainBatches(dataset.train, images, augmentation_of(config), seed=config.seed, epoch=epoch - 1)[0]
    names = dataset.label_names
    texts = [names[int(label)] for label in labels] if labels.ndim == 1 else [
        f"{share:.0%} {names[int(label)]}" + (f"\n{1 - share:.0%} {names[int(other)]}" if share < 1 else "")
        for label, other, share in labels]
    name = Path(config.dataset).name
    path = out or Path(f"{name}.png")
    plot_images(batch, texts, path, title=f"{name}: training images, epoch {epoch}, seed {config.seed}")
    print_result({
        "figure": str(path.absolute()), "dataset": config.dataset, "classes": dataset.num_classes,
        "train": len(dataset.train), "validation": len(dataset.validation), "test": len(dataset.test),
        "image_shape": list(dataset.train.images.shape[1:]), "mean": dataset.mean.tolist(), "std": dataset.std.tolist(),
        "label_names": list(names), "subset": dataset.subset,
    }, as_json=as_json, text=[
        f"{name}: {len(dataset.train):,} training, {len(dataset.validation):,} validation and "
        f"{len(dataset.test):,} test images of {dataset.num_classes} classes, "
        f"{'x'.join(map(str, dataset.train.images.shape[1:]))}",
        f"training pixels, as shares of 255: mean {_three(dataset.mean)}, standard deviation {_three(dataset.std)}",
        *([f"This is {dataset.subset}."] if dataset.subset else []),
        f"Figure: {path}",
    ])


def _three(values: Any) -> str:
    return " ".join(f"{value / 255:.4f}" for value in values)


@command.command("pack")
@click.argument("dataset")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--part-mb", default=60.0, show_default=True, type=click.FloatRange(min=0, min_open=True),
              help="Size of the largest file, in megabytes.")
@click.option("--name", help="Name of a packed folder of images [default: the folder's].")
@click.option("--image-size", type=click.IntRange(8, 1_024), help="Side of the squares that a folder's pictures are "
              "made into.")
@data_dir_option
@json_option
def pack(dataset: str, out: Path, part_mb: float, name: str | None, image_size: int | None, data_dir: str | None,
         as_json: bool) -> None:
    """Write DATASET as plain files into OUT/NAME.packed, for machines without a network or TensorFlow.

    \b
    Example:
        fixhead data pack cifar100 packed
        fixhead data pack ./photographs packed --image-size 64
        fixhead train --dataset cifar100 --data-dir packed
    """
    from fixhead_cli.framework import load_reader
    from keras_fixhead.data import check_available
    from keras_fixhead.data.packing import pack_dataset
    from keras_fixhead.data.sources import is_folder

    check_available(dataset, data_dir, image_size=image_size)
    load_reader(dataset, data_dir)
    folder, index = pack_dataset(dataset, out, data_dir=data_dir, image_size=image_size, name=name, part_mb=part_mb)
    use = ["--dataset", folder] if is_folder(dataset) else ["--dataset", dataset, "--data-dir", out]
    print_result({
        "path": str(folder.absolute()), "name": index.name, "train": index.splits["train"],
        "test": index.splits["test"], "bytes": index.size_bytes, "files": len(index.files),
        "digest": index.held_out.digest, "subset": index.subset,
    }, as_json=as_json, text=[
        f"{folder}: {index.splits['train']:,} training and {index.splits['test']:,} test images, "
        f"{index.size_bytes / 1e6:,.1f} MB in {len(index.files)} files",
        *([f"This is {index.subset}."] if index.subset else []),
        *([f"Terms: {index.terms}."] if index.terms else []),
        "Next:", f"  {command_line('data', 'verify', folder)}", f"  {command_line('train', *use)}"])


@command.command("verify")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def verify(path: Path, as_json: bool) -> None:
    """Check each packed data set at or below PATH: every byte, and the digest of what it holds.

    \b
    Example:
        fixhead data verify packed
        fixhead data verify packed --json
    """
    from keras_fixhead.data.packing import verify_packed
    from keras_fixhead.errors import DataError

    found = verify_packed(path)
    rows = [[each.path, each.name or "?", *("?" if value is None else f"{value:,}" for value in (
        each.train, each.test, each.files)), "?" if each.bytes is None else f"{each.bytes / 1e6:,.1f}",
        (each.digest or "?")[:12], "yes" if each.ok else "NO"] for each in found]
    damaged = [each for each in found if not each.ok]
    print_result({"ok": not damaged, "sets": [each.as_dict() for each in found]}, as_json=as_json, text=table(
        ["packed set", "name", "train", "test", "files", "MB", "digest", "whole"], rows))
    if damaged:
        raise DataError(f"{len(damaged)} of {len(found)} packed sets cannot be used. "
                        + " ".join(str(each.problem) for each in damaged))


@command.command("cache")
@click.option("--clear", is_flag=True, help="Remove the data sets that are kept.")
@json_option
def cache(clear: bool, as_json: bool) -> None:
    """List, or clear, the data sets that are kept for quicker starts.

    \b
    Example:
        fixhead data cache
        fixhead data cache --clear
    """
    from keras_fixhead.data import cache as kept

    sets = {str(folder): sum(file.stat().st_size for file in folder.iterdir()) for folder in kept.sets()}
    if clear:
        kept.clear()
    print_result({"folder": str(kept.folder_of_sets()), "on": kept.is_on(), "cleared": clear, "sets": sets},
                 as_json=as_json, text=[
        f"{kept.folder_of_sets()}: {len(sets)} data sets, {sum(sets.values()) / 1e6:,.1f} MB"
        f"{'; cleared' if clear else ''}{'' if kept.is_on() else f' (switched off by {kept.SWITCH})'}",
        *[f"  {size / 1e6:,.1f} MB  {Path(folder).name}" for folder, size in sets.items()]])
