"""`fixhead data pack`."""
from pathlib import Path

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.dependent import refuse_data_dir, refuse_typed
from fixhead_cli.output import command_line, data_dir_option, json_option, print_result
from keras_fixhead.data.pictures import FITS
from keras_fixhead.wording import count_text


@click.command("pack")
@click.argument("dataset", type=dataset_paths.DATASET)
@click.argument("out", type=paths.OutputFolder("a folder of packed data sets"))
@click.option("--part-mb", default=60.0, show_default=True, type=click.FloatRange(min=0, min_open=True),
              help="Maximum size of a file, in megabytes.")
@click.option("--name", help="Name for a packed folder of images [default: the folder's].")
@click.option("--image-size", metavar="PIXELS|WIDTHxHEIGHT", help="Size that a folder's pictures get.")
@click.option("--fit", type=click.Choice(FITS), help="How pictures are fitted to that size [default: crop].")
@click.option("--skip-broken", is_flag=True, help="Skip pictures of a folder that cannot be used.")
@data_dir_option
@json_option
def pack(dataset: str, out: Path, part_mb: float, name: str | None, image_size: str | None, fit: str | None,
         skip_broken: bool, data_dir: str | None, as_json: bool) -> None:
    """Write DATASET as plain files into OUT/NAME.packed, for machines without a network or TensorFlow.

    \b
    Example:
        fixhead data pack cifar100 packed
        fixhead data pack ./photographs packed --image-size 64
        fixhead train --dataset cifar100 --data-dir packed
    """
    from fixhead_cli.framework import load_reader
    from keras_fixhead.data import check_available
    from keras_fixhead.data.outside import is_image_folder
    from keras_fixhead.data.packing import pack_dataset
    from keras_fixhead.data.sources import is_folder

    refuse_data_dir(dataset)
    if not is_folder(dataset):
        refuse_typed("name", why=f"on {dataset}, which has its own")
    if not is_image_folder(dataset):
        refuse_typed("skip_broken", why=f"on {dataset}, which is not a folder of pictures")
    check_available(dataset, data_dir, image_size=image_size, fit=fit)
    load_reader(dataset, data_dir)
    folder, index = pack_dataset(dataset, out, data_dir=data_dir, image_size=image_size, fit=fit,
                                 skip_broken=skip_broken, name=name, part_mb=part_mb)
    use = ["--dataset", folder] if is_folder(dataset) else ["--dataset", dataset, "--data-dir", out]
    print_result({
        "path": str(folder.absolute()), "name": index.name, "train": index.splits["train"],
        "test": index.splits["test"], "bytes": index.size_bytes, "files": len(index.files),
        "digest": index.held_out.digest, "subset": index.subset,
    }, as_json=as_json, text=[
        f"{folder}: {index.splits['train']:,} training and {index.splits['test']:,} test images, "
        f"{index.size_bytes / 1e6:,.1f} MB in {count_text(len(index.files), 'file')}",
        *([f"This is {index.subset}."] if index.subset else []),
        *([f"Terms: {index.terms}."] if index.terms else []),
        "Next:", f"  {command_line('data', 'verify', folder)}", f"  {command_line('train', *use)}"])
