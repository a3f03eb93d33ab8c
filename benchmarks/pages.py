"""Writes the generated parts of the README and of the pages in docs/.

    python benchmarks/pages.py                       # from the tables in the code and the files in results/
    python benchmarks/pages.py --measure-data DIR    # measure mean and deviation of the data sets in DIR first
"""
import argparse
import json
import math
import statistics
from collections.abc import Sequence
from typing import Any

import site_blocks
from analysis_page import analysis_block
from faq_block import faq_block
from folder_stages import block as folder_stages_block
from folders import block as folders_block
from later_epochs import block as later_epochs_block
from reduced_decoding import block as reduced_decoding_block
from report import README, RESULTS, ROOT, write_block

from fixhead_cli.commands import COMMANDS
from keras_fixhead.catalog import MODELS
from keras_fixhead.config import TrainConfig
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.recipes import RECIPES, build_config
from keras_fixhead.reproduction.claims.verdict import HELD, REFUTED
from keras_fixhead.reproduction.pages.evidence import write_pages
from keras_fixhead.reproduction.studies import (
    FixedAgainstLearned,
    fixed_against_learned,
    fixed_against_learned_on_whole_sets,
    main_effect_table,
    read_study,
    study_table,
)
from keras_fixhead.runs.result import Result, read_result

DATA = RESULTS / "data.json"
FIRST_RUNS = RESULTS / "first_runs"
PEERS = RESULTS / "peers.json"
DATA_FORMATS = RESULTS / "data_formats.json"
DATA_LOAD = RESULTS / "data_load.json"
PIPELINE = RESULTS / "pipeline.json"
ARMS = {"dot-fixed": ("dot", True), "dot-learned": ("dot", False), "cos-fixed": ("cos", True),
        "cos-learned": ("cos", False)}

def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure-data", metavar="DIR", help="folder of prepared data sets")
    options = parser.parse_args()
    if options.measure_data:
        DATA.write_text(json.dumps(measure_data(options.measure_data), indent=1) + "\n")
    for page, name, lines in BLOCKS:
        write_block(name, lines(), page)
    write_pages(DOCS, RESULTS)


def measure_data(folder: str) -> dict[str, Any]:
    """Returns the sizes, and the mean and standard deviation of the training part, of the available data sets."""
    from keras_fixhead.data import load_dataset
    from keras_fixhead.errors import DataError

    found: dict[str, Any] = {"schema": 1, "unit": "shares of 255", "datasets": {}}
    for name in DATASETS:
        try:
            dataset = load_dataset(name, folder)
        except DataError:
            continue
        found["datasets"][name] = {
            "train": len(dataset.train), "validation": len(dataset.validation), "test": len(dataset.test),
            "mean": (dataset.mean / 255).round(4).tolist(), "std": (dataset.std / 255).round(4).tolist(),
            "subset": dataset.subset, "data_digest": dataset.digest()}
    return found


def effects_block() -> list[str]:
    """Returns the README's table: where fixing wins and where it loses, paired over seeds."""
    whole, narrow = fixed_against_learned_on_whole_sets(RESULTS), fixed_against_learned(RESULTS)
    lines = ["| fixing | data, network | fixed | learned | fixed − learned, points (95 % interval) |",
             "| --- | --- | --- | --- | --- |",
             *(_effect(each, "whole, `fast_cnn`") for each in whole),
             *(_effect(each, "part, narrow ResNet18") for each in narrow)]
    config, other = (read_study(RESULTS / f"{name}.json").config for name in ("main_effect", "margins"))
    assert all(config[field] == other[field] for field in ("width", "limit_train", "epochs"))
    text = (f"Mean test accuracy with {_seeds([*whole, *narrow])}, paired by seed. ")
    if whole:
        views = [f"{_signed(each.with_views.mean)} on {_data(each)}" for each in whole
                 if each.head == "dot" and each.with_views]
        text += ("`fast_cnn`, recipe `fast`, is not one of the paper's networks (`docs/evidence.md`)"
                 f"{'; dot products with flips and shifts: ' * bool(views)}{', '.join(views)}. ")
    text += (f"ResNet18: width {config['width']:g}, {config['limit_train']:,} images, {config['epochs']} epochs. The "
             "paper's networks at full size are not measured.")
    return [*lines, "", text]


def _effect(each: FixedAgainstLearned, network: str) -> str:
    low, high = each.difference.interval or (math.nan, math.nan)
    verdict = {HELD: "wins", REFUTED: "loses"}.get(each.state, "undecided")
    data = _data(each)
    means = " | ".join(f"{statistics.fmean(arm.values()):.1f} %" for arm in (each.fixed, each.learned))
    logits = "" if each.head == "cos" else "dot, "
    return (f"| {logits}S = {each.scale:g}: {verdict} | {data}, {network} | {means} | "
            f"**{_signed(each.difference.mean)}** ({_signed(low)} to {_signed(high)}) |")


def _data(each: FixedAgainstLearned) -> str:
    return each.dataset.upper().replace("CIFAR", "CIFAR-")


def _seeds(found: Sequence[FixedAgainstLearned]) -> str:
    """The kinds of logits, each with its number of seeds."""
    numbers = {each.head: each.difference.n for each in found}
    assert all(each.difference.n == numbers[each.head] for each in found)
    kinds = {"cos": "cosine logits", "dot": "dot products"}
    return " or ".join(f"{kinds[head]} (n = {n} seeds)" for head, n in sorted(numbers.items()))


def _signed(value: float | None) -> str:
    return "not measured" if value is None else f"{value:+.1f}".replace("-", "−")


def commands_block() -> list[str]:
    """Returns one line per command."""
    return ["| command | |", "| --- | --- |", *(f"| `fixhead {name}` | {line} |" for name, line in COMMANDS.items())]


def recipes_block() -> list[str]:
    """Returns one section per recipe: its source, expected result and cost, and every hyperparameter."""
    lines = []
    fields = recipe_fields()
    for name, recipe in RECIPES.items():
        configs = {arm: build_config({"recipe": name, "head": head, "fixed": fixed}).as_dict()
                   for arm, (head, fixed) in ARMS.items()}
        lines += ["", f"## {name}", "", f"{recipe.summary[0].upper()}{recipe.summary[1:]}.", "",
                  f"- Source: {recipe.source}.", f"- Expected: {recipe.expect}.", f"- Cost: {recipe.cost}.", ""]
        shared = [f"`{field}` {shown(configs['cos-fixed'][field])}" for field in fields
                  if len({repr(config[field]) for config in configs.values()}) == 1
                  and (field in recipe.values or not _left_out(field, configs["cos-fixed"][field]))]
        lines.append(f"Every arm: {', '.join(shared)}.")
        varied = [field for field in fields if len({repr(config[field]) for config in configs.values()}) > 1]
        if varied:
            lines += ["", "| arm | " + " | ".join(f"`{field}`" for field in varied) + " |",
                      "| --- |" + " --- |" * len(varied)]
            lines += [f"| {arm} | " + " | ".join(shown(config[field]) for field in varied) + " |"
                      for arm, config in configs.items()]
    usual = ", ".join(f"{name} {'signed' if entry.signed_features else 'not signed'}" for name, entry in MODELS.items())
    return [*lines, "", "Fields that are not listed have their defaults: `fixhead train --help`. "
            f"`signed_features` in every recipe is the network's usual form: {usual}.", ""]


def _left_out(name: str, value: Any) -> bool:
    """Whether a recipe that does not set a field leaves it out: one that was added later, at its default."""
    field = TrainConfig.field(name)
    return bool(field.metadata["newer"] and value == field.default)


def recipe_fields() -> list[str]:
    """Returns the fields in a recipe's table: the hyperparameters of training, and all fields that a recipe sets."""
    some = {name for recipe in RECIPES.values() for values in (recipe.values, *recipe.arms.values()) for name in values}
    return [name for name in TrainConfig.names() if name in some or name in TrainConfig.names("optimisation")]


def shown(value: Any) -> str:
    """Returns a value as it is shown in a table."""
    return {None: "default", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else (
        f"{value:g}" if isinstance(value, float) else str(value))


def data_block() -> list[str]:
    """Returns one line per data set: the sizes of the whole set, and what was measured."""
    measured = json.loads(DATA.read_text())["datasets"]
    lines = ["", "| data set | train, validation, test | classes | pixels | mean | standard deviation | available |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, entry in DATASETS.items():
        each = measured.get(name)
        mean, std = (" ".join(f"{value:.4f}" for value in each[key]) if each and each["train"] else "not measured"
                     for key in ("mean", "std"))
        here = "no: tested with synthetic files in its layout" if each is None else (
            "whole" if each["subset"] is None else
            f"a part: {each['train'] + each['validation']:,} and {each['test']:,} images")
        lines.append(f"| {name} | {entry.train:,}, {entry.validation:,}, {entry.test:,} | {entry.num_classes} | "
                     f"{entry.image_shape[0]} | {mean} | {std} | {here} |")
    return [*lines, ""]


def first_runs_block() -> list[str]:
    """Returns one line for each pair of a fixed and a learned run."""
    results = [read_result(file) for file in sorted(FIRST_RUNS.glob("*.json"))]
    pairs: dict[tuple[str, str, int], dict[bool, Result]] = {}
    for each in results:
        pairs.setdefault((each.config.dataset, each.config.model, each.seed), {})[each.config.fixed] = each
    lines = ["", "| data | network | fixed | learned | difference | cosine to own / nearest wrong class, fixed | the "
             "same, learned | largest cosine between learned class vectors |", "| --- |" + " --- |" * 7]
    for (dataset, model, _), arms in pairs.items():
        accuracy = {fixed: 100 * arms[fixed].accuracy() for fixed in (True, False)}
        cosines = [" / ".join(f"{arms[fixed].number('evaluation', 'test', name):.2f}"
                              for name in ("own_cosine", "nearest_wrong_cosine")) for fixed in (True, False)]
        part = " (part)" if arms[True].content["subset"] else ""
        lines.append(f"| {dataset}{part} | {model} | {accuracy[True]:.1f} % | {accuracy[False]:.1f} % | "
                     f"{accuracy[True] - accuracy[False]:+.1f} | {cosines[0]} | {cosines[1]} | "
                     f"{arms[False].number('class_vectors_max_cosine'):.2f} |")
    config = results[0].config
    subsets = sorted({each.content["subset"] for each in results if each.content["subset"]})
    lines += ["", f"Test accuracy, cosine logits, S = {config.scale:g}, recipe {config.recipe}: width "
              f"{config.width:g}, up to {config.limit_train:,} training images, {config.epochs} epochs, last "
              f"epoch. **One seed each (seed {config.seed}): an anecdote, not evidence**; CIFAR-10 with ResNet18 "
              "has three seeds in [results](results.md). Command: `fixhead sweep --recipe cpu --head cos --dataset "
              "NAME --grid fixed=yes,no [--grid model=resnet18,preact_resnet18,mobilenet_v2] --export-results "
              "results/first_runs`. All numbers and curves: `results/first_runs/`."]
    lines += [f"- {subset[0].upper()}{subset[1:]}." for subset in subsets]
    return [*lines, ""]


def peers_block() -> list[str]:
    """Returns one line for each network, width and precision that was measured."""
    report = json.loads(PEERS.read_text())
    by_name = {each["name"]: each for each in report["measurements"]}
    lines = ["", "| network | width | precision | PyTorch's time divided by ours: median (quartiles) | share of the "
             "product rate | fastest PyTorch | n |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, each in by_name.items():
        if not name.endswith("/ratio"):
            continue
        config, share = each["config"], by_name[name.replace("/ratio", "/share")]
        lines.append(f"| {config['model']} | {config['width']:g} | {config['precision']} | **{each['median']:.2f}** "
                     f"({each['quartiles'][0]:.2f} to {each['quartiles'][1]:.2f}) | {100 * share['median']:.0f} % | "
                     f"{config['torch']} | {each['n']} |")
    return [*lines, "", f"Measured on {report['hardware']['cpu']}, {report['hardware']['cores']} cores, TensorFlow "
            f"{report['versions']['tensorflow']} against PyTorch 2.13, wall time, by `{report['command']}`.", ""]


def pipeline_block() -> list[str]:
    """Returns one line for augmentation, and one for callbacks."""
    report = json.loads(PIPELINE.read_text())
    lines = ["", "| a step with | divided by a step with | median (quartiles) | 95 % interval of the median | n |",
             "| --- | --- | --- | --- | --- |"]
    for each in report["measurements"]:
        if each["name"].endswith("/ratio"):
            what, _, against = each["metric"].removeprefix("with ").partition(" divided by ")
            low, high = median_interval(each["values"])
            quartiles = f"{each['quartiles'][0]:.3f} to {each['quartiles'][1]:.3f}"
            lines.append(f"| {what} | {against.partition(',')[0]} | {each['median']:.3f} ({quartiles}) | {low:.3f} to "
                         f"{high:.3f} | {each['n']} |")
    return [*lines, "", "Quarter-width ResNet18, batch 128, 32 px, interleaved in one process, wall time, by "
            f"`{report['command']}`.", ""]


def serve_block() -> list[str]:
    """Returns the options of `fixhead serve`, from its help."""
    import click

    from fixhead_cli.commands.serve import command

    lines = ["", "| option | default | |", "| --- | --- | --- |"]
    for option in command.params:
        if isinstance(option, click.Option):
            help_text, _, default = (option.help or "").partition("  [default: ")
            if option.show_default:
                default = str(option.default).lower() if isinstance(option.default, bool) else f"{option.default}"
            names = " / ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
            value = "" if option.is_flag else f" {option.metavar or 'N'}"
            cells = (f"{names}{value}", default.rstrip("]"), help_text)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def loading_block() -> list[str]:
    """Returns one line for each way of loading CIFAR-10."""
    report = json.loads(DATA_LOAD.read_text())
    found = {each["name"].split("/", 1)[1]: each for each in report["measurements"]}
    lines = ["", "| CIFAR-10 is | MB | processor seconds, median (quartiles) | wall seconds, median (quartiles) | n |",
             "| --- | --- | --- | --- | --- |"]
    for name, text in (("prepared", "prepared by TensorFlow Datasets, including its import"),
                       ("kept", "in the cache"), ("packed", "packed")):
        times = [f"{each['median']:.2f} ({each['quartiles'][0]:.2f} to {each['quartiles'][1]:.2f})"
                 for each in (found[f"{name}/processor"], found[f"{name}/wall"])]
        one = found[f"{name}/wall"]
        lines.append(f"| {text} | {one['config']['bytes'] / 1e6:.0f} | {times[0]} | {times[1]} | {one['n']} |")
    machine, load = report["hardware"], found["kept/wall"]["config"]["load_average"]
    return [*lines, "", f"`{report['command']}` on {machine['cores']} cores ({machine['cpu']}) that other programs "
            f"used as well (load average {load}): wall time is how long it took there, processor time what it costs.",
            ""]


def formats_block() -> list[str]:
    """Returns one line per lossless form."""
    report = json.loads(DATA_FORMATS.read_text())
    lines = ["", "| form | share of the raw size | processor seconds to decode, median (quartiles) | n |",
             "| --- | --- | --- | --- |"]
    for each in report["measurements"]:
        lines.append(f"| {each['name'].split('/', 1)[1]} | {each['config']['share_of_raw']:.3f} | {each['median']:.3f} "
                     f"({each['quartiles'][0]:.3f} to {each['quartiles'][1]:.3f}) | {each['n']} |")
    return [*lines, "", f"10,000 test images of CIFAR-10, one thread, by `{report['command']}`.", ""]


def median_interval(values: list[float]) -> tuple[float, float]:
    """Returns the distribution-free 95 % interval of a median, from order statistics."""
    from scipy.stats import binom

    below = int(binom.ppf(0.025, len(values), 0.5))
    ordered = sorted(values)
    return ordered[max(0, below - 1)], ordered[min(len(values) - 1, len(values) - below)]


DOCS = ROOT / "docs"
BLOCKS = (
    (README, "effects", effects_block),
    (DOCS / "README.md", "effects", effects_block),
    (DOCS / "results.md", "main effect", lambda: main_effect_table(read_study(RESULTS / "main_effect.json"))),
    (DOCS / "head.md", "signed_features", lambda: study_table(read_study(RESULTS / "signed_features.json"))),
    (DOCS / "margins.md", "margins", lambda: study_table(read_study(RESULTS / "margins.json"))),
    (DOCS / "commands.md", "commands", commands_block),
    (DOCS / "recipes.md", "recipes", recipes_block),
    (DOCS / "data.md", "data sets", data_block),
    (DOCS / "data.md", "loading", loading_block),
    (DOCS / "data.md", "reduced decoding", reduced_decoding_block),
    (DOCS / "data.md", "folders", folders_block),
    (DOCS / "data.md", "folder stages", folder_stages_block),
    (DOCS / "data.md", "later epochs", later_epochs_block),
    (DOCS / "data.md", "formats", formats_block),
    (DOCS / "training.md", "first runs", first_runs_block),
    (DOCS / "training.md", "peers", peers_block),
    (DOCS / "training.md", "pipeline", pipeline_block),
    (DOCS / "server.md", "options of serve", serve_block),
    (DOCS / "analysis.md", "analyses", analysis_block),
    (DOCS / "worth-it.md", "loses", site_blocks.loses_block),
    (DOCS / "robustness.md", "over REST", site_blocks.robustness_rest_block),
    (DOCS / "many_classes.md", "time of very many classes", site_blocks.many_classes_time_block),
    (DOCS / "many_classes.md", "many words", site_blocks.many_words_block),
    (DOCS / "robustness.md", "speed", site_blocks.corruption_speed_block),
    (DOCS / "worth-it.md", "merging", site_blocks.merging_block),
    (DOCS / "faq.md", "faq", faq_block),
    (DOCS / "benchmarks.md", "train step", site_blocks.train_step_block),
    (DOCS / "benchmarks.md", "peers", peers_block),
    (DOCS / "benchmarks.md", "pipeline", pipeline_block),
    (DOCS / "benchmarks.md", "augmentation", site_blocks.augmentation_block),
    (DOCS / "benchmarks.md", "loading", loading_block),
    (DOCS / "benchmarks.md", "formats", formats_block),
    (DOCS / "benchmarks.md", "many classes", site_blocks.many_classes_block),
    (DOCS / "benchmarks.md", "many classes, time", site_blocks.many_classes_time_block),
    (DOCS / "benchmarks.md", "server", site_blocks.server_block),
    (DOCS / "benchmarks.md", "soak", site_blocks.soak_block),
    (DOCS / "benchmarks.md", "files", site_blocks.files_block),
)
"""Each generated part of a page: the page, its name there, and the function that returns its lines."""


if __name__ == "__main__":
    main()
