"""`fixhead data build`."""
from pathlib import Path

import click

from fixhead_cli import paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import command_line, data_dir_option, json_option, print_result, quiet_option
from keras_fixhead.data.open_images import GATHERED, GatheringPlan
from keras_fixhead.data.open_images.tables import SPLITS


@click.command("build")
@click.argument("gathered", metavar="stl_gen|cifar100_gen", type=click.Choice(GATHERED))
@click.argument("open_images", type=paths.InputFolder("a folder with CSV files and pictures of Open Images V4"))
@click.argument("out", type=paths.OUT_DIR)
@click.option("--per-class", type=click.IntRange(min=2), metavar="N",
              help="Images of each class  [default: 200 for stl_gen, 80 for cifar100_gen].")
@click.option("--split", "splits", multiple=True, type=click.Choice(SPLITS), default=GatheringPlan.splits,
              show_default=True, help="Split of Open Images; may be repeated.")
@click.option("--leave-out", multiple=True, metavar="CLASS", help="A class to leave out; may be repeated.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=GatheringPlan.seed, show_default=True,
              help="Seed of the order in which boxes are taken.")
@click.option("--manifest", type=paths.InputFile("a manifest.json that this command wrote"), metavar="FILE",
              help="Rebuild the set of this manifest, byte for byte.")
@data_dir_option
@quiet_option
@json_option
def build(gathered: str, open_images: Path, out: Path, per_class: int | None, splits: tuple[str, ...],
          leave_out: tuple[str, ...], seed: int, manifest: Path | None, data_dir: str | None, quiet: bool,
          as_json: bool) -> None:
    """Gather a test set from a folder of Open Images V4, in place of the paper's unpublished one of that name.

    OUT gets a folder of images per class and manifest.json, from which it can be rebuilt. They are not the paper's
    images, and every number measured on them says so.

    \b
    Example:
        fixhead data build cifar100_gen ./open-images cifar100-gen --data-dir packed
        fixhead evaluate RUN --dataset ./cifar100-gen
        fixhead data build cifar100_gen ./open-images again --manifest cifar100-gen/manifest.json
    """
    from fixhead_cli.building import built_content, built_text, training_set
    from keras_fixhead.data.open_images import build_set, rebuild_set

    def progress(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    if manifest is not None:
        refuse_typed("per_class", "splits", "leave_out", "seed", "data_dir",
                     why="with --manifest, which says how the set was made")
        content = rebuild_set(gathered, open_images, out, manifest, progress=progress)
    else:
        plan = GatheringPlan(per_class, tuple(dict.fromkeys(splits)), leave_out, seed)
        content = build_set(gathered, open_images, out, plan, lambda: training_set(gathered, data_dir),
                            progress=progress)
    print_result(built_content(content, out), as_json=as_json, text=[
        *built_text(content, out), "Next:", f"  {command_line('evaluate', 'RUN', '--dataset', out.absolute())}"])
