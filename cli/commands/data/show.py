"""`fixhead data show`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.config_options import config_options
from fixhead_cli.dependent import refuse_typed
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
    from fixhead_cli.shown_data import shown_content, shown_text
    from keras_fixhead.config import refuse_without_effect, resolve
    from keras_fixhead.data import Augmentation, check_available, epoch_order, make_batch, run_dataset
    from keras_fixhead.data.sources import check_pictures, is_folder
    from keras_fixhead.figures import label_texts, plot_images
    from keras_fixhead.recipes import build_config

    check_pictures(dataset)
    if not is_folder(dataset):
        refuse_typed("fit", why=f"on the images of {dataset}, which all have the same size")
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
    print_result(shown_content(config, data, path), as_json=as_json, text=shown_text(name, data, path))
