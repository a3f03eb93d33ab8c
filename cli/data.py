"""`fixhead data`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli.output import json_option, print_result
from fixhead_cli.train import config_options


@click.group("data")
def command() -> None:
    """Look at a data set as training sees it.

    \b
    Example:
        fixhead data show cifar10
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
    config = resolve(build_config({**explicit, "dataset": dataset_name}))

    from fixhead_cli.framework import load_keras, load_reader
    from keras_fixhead.data import check_available

    check_available(config.dataset, config.data_dir, image_size=config.image_size)
    load_keras()
    load_reader(config.dataset)
    from keras_fixhead.data.batches import TrainBatches, augmentation_of
    from keras_fixhead.evaluation import run_dataset
    from keras_fixhead.figures import plot_images

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
