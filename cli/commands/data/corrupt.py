"""`fixhead data corrupt`."""
from pathlib import Path

import click

from fixhead_cli import dataset_paths, paths
from fixhead_cli.corruption_options import corruption_seed_option
from fixhead_cli.dependent import refuse_data_dir
from fixhead_cli.output import command_line, data_dir_option, json_option, print_result, quiet_option
from keras_fixhead.wording import count_text


@click.command("corrupt")
@click.argument("dataset", type=dataset_paths.DATASET)
@click.argument("out", type=paths.OUT_DIR)
@click.option("--suite", default="cifar-c", show_default=True, metavar="NAME",
              help="Corruptions and their strengths.")
@click.option("--corruption", "corruptions", multiple=True, metavar="NAME",
              help="A corruption of the suite; may be repeated  [default: all].")
@corruption_seed_option
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="Use the first N test images; `fixhead robustness` needs all of them.")
@data_dir_option
@quiet_option
@json_option
def corrupt(dataset: str, out: Path, suite: str, corruptions: tuple[str, ...], seed: int, limit: int | None,
            data_dir: str | None, quiet: bool, as_json: bool) -> None:
    """Write the test images of DATASET under each corruption into OUT, in the layout of CIFAR-10-C.

    OUT gets NAME.npy with one block of images per severity, and labels.npy, in the order of the test images here,
    which is not that of the published files. An interrupted call continues when the command is repeated.

    \b
    Example:
        fixhead data corrupt cifar10 cifar10-made --suite cifar-c
        fixhead robustness RUN --suite ./cifar10-made
    """
    from fixhead_cli.framework import load_reader
    from keras_fixhead import hardware
    from keras_fixhead.data import Split, check_available, load_dataset
    from keras_fixhead.data.sources import check_pictures
    from keras_fixhead.robustness.corrupting import native_suite
    from keras_fixhead.robustness.writing import write_corrupted

    refuse_data_dir(dataset)
    check_pictures(dataset)
    native_suite(suite).keys(corruptions)
    check_available(dataset, data_dir)
    load_reader(dataset, data_dir)
    test = load_dataset(dataset, data_dir).test
    split = Split(test.images[:limit], test.labels[:limit])
    written = write_corrupted(
        split, out, suite=suite, seed=seed, corruptions=corruptions or None, threads=hardware.cpu_count(),
        progress=(lambda line: None) if quiet else lambda line: click.echo(line, err=True))
    print_result({"path": str(out.absolute()), "suite": suite, "seed": seed, "n": len(split),
                  "files": [path.name for path in written]}, as_json=as_json, text=[
        f"{out}: {count_text(len(written), 'file')} of {5 * len(split):,} images, made here, not the published ones",
        *(["Next:", f"  {command_line('robustness', 'RUN', '--suite', out.absolute())}"] if len(split) == len(test) else
          [f"To measure models on them, write all {len(test):,} test images: leave out --limit."])])
