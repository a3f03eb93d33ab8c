"""`fixhead data show`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.config_options import config_options
from fixhead_cli.output import json_option, print_result
from keras_fixhead.config import TrainConfig

SHOWN = {*TrainConfig.names("data", "augmentation"), "data_dir", "seed", "recipe"} - {"dataset"}
"""The fields that change the images, apart from the argument."""


@click.command("show")
@click.argument("dataset", type=dataset_paths.DATASET)
@click.option("--out", type=paths.PNG_FILE, default=None, help="File for the contact sheet [default: DATASET.png].")
@click.option("--images", default=24, show_default=True, type=click.IntRange(1, 1_000),
              help="Number of images on the sheet.")
@click.option("--epoch", default=1, show_default=True, type=click.IntRange(1), help="Epoch whose images are shown.")
@config_options(*SHOWN)
@json_option
def show(dataset: str, out: Path | None, images: int, epoch: int, as_json: bool, **fields: Any) -> None:
    """Write a contact sheet of training images, augmented as `fixhead train` would with the same options.

    \b
    Example:
        fixhead data show cifar10
        fixhead data show cifar10 --randaugment 2 --cutmix 1 --out sheet.png
        fixhead data show ./photographs --image-size 64
    """
    from fixhead_cli.framework import load_reader
    from keras_fixhead.config import refuse_without_effect, resolve
    from keras_fixhead.data import Augmentation, check_available, epoch_order, make_batch, run_dataset
    from keras_fixhead.data.sources import check_pictures
    from keras_fixhead.figures import label_texts, plot_images
    from keras_fixhead.recipes import build_config

    check_pictures(dataset)
    explicit = {name: value for name, value in fields.items() if value is not None}
    resolved = resolve(build_config({**explicit, "dataset": dataset}))
    refuse_without_effect(explicit, [resolved])
    config = resolved.config
    check_available(**config.data_fields)
    load_reader(config.dataset, config.data_dir)
    data = run_dataset(**config.data_fields)
    order = epoch_order(len(data.train), seed=config.seed, epoch=epoch - 1)
    batch, labels = make_batch(data.train, order[:images], Augmentation(**config.values("augmentation")),
                               seed=config.seed, epoch=epoch - 1)
    name = Path(config.dataset).name
    path = out or Path(f"{name}.png")
    plot_images(batch, label_texts(labels, data.label_names), path,
                title=f"{name}: training images, epoch {epoch}, seed {config.seed}")
    print_result({
        "figure": str(path.absolute()), "dataset": config.dataset, "classes": data.num_classes,
        "train": len(data.train), "validation": len(data.validation), "test": len(data.test),
        "image_shape": list(data.image_shape), "mean": data.mean.tolist(), "std": data.std.tolist(),
        "label_names": list(data.label_names), "subset": data.subset,
    }, as_json=as_json, text=[
        f"{name}: {len(data.train):,} training, {len(data.validation):,} validation and {len(data.test):,} test images "
        f"of {data.num_classes} classes, {'x'.join(map(str, data.image_shape))}",
        f"pixels are normalized with mean {_three(data.mean)} and standard deviation {_three(data.std)}, as shares of "
        "255",
        *([f"This is {data.subset}."] if data.subset else []),
        f"Figure: {path}",
    ])


def _three(values: Any) -> str:
    return " ".join(f"{value / 255:.4f}" for value in values)
