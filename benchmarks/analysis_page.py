"""What analyses of real runs say, for docs/analysis.md: from the numbers.json that `fixhead analyze` wrote.

    fixhead analyze RUN ... [--unknown DATASET] --out DIR && python benchmarks/analysis_page.py DIR NAME

keeps DIR/numbers.json as results/analysis/NAME.json, and the figures that the page shows; benchmarks/pages.py, which
needs neither runs nor data, writes the page from these files.

    python benchmarks/analysis_page.py --answers

answers the claims again, from the kept numbers, if a rule has changed since. It needs the configurations of the runs,
so it leaves out analyses of runs without a result in results/evidence.
"""
import argparse
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from report import RESULTS, ROOT

from keras_fixhead.config import TrainConfig
from keras_fixhead.reproduction.results import read_results
from keras_fixhead.run_analysis.answered_claims import answer_claims
from keras_fixhead.run_analysis.measured import LEFT_OUT, unknown_text

FOLDER = RESULTS / "analysis"
PAGE = ROOT / "docs" / "analysis.md"
FIGURES = {"cosine-to-own": "cosines between features and the class vector of their own class",
           "confusion-similarity-{learned}": "errors between two classes against the cosine of their class vectors"}
"""Name of a figure of an analysis -> what it shows; {learned} is the learned arm."""
LEFT_OUT_FIGURES = {"held-out": "retrieval among images of classes that were not trained",
                    "verification-held_out": "verification among images of classes that were not trained"}
"""The same for runs that left out classes: they were trained to see what the features of other classes are good for."""
NUMBERS = {
    "accuracy.accuracy": ("test accuracy", ".3f"),
    "class_vectors.max_cosine": ("largest cosine between two class vectors", ".3f"),
    "confusion.ordered_correlation": ("correlation of errors with cosines of class vectors", ".3f"),
    "confusion.errors_inside_groups": ("share of errors between look-alike classes", ".3f"),
    "compactness.own": ("cosine to the class vector of the own class", ".3f"),
    "compactness.nearest_wrong": ("cosine to the nearest other class vector", ".3f"),
    "separability.nearest_mean_accuracy": ("share of images nearest to the mean of their class", ".3f"),
    "separability.smallest_inter_class_angle": ("smallest angle between class means, degrees", ".1f"),
    "calibration.ece": ("calibration error", ".3f"),
    "calibration.ece_after": ("calibration error at a fitted temperature", ".3f"),
    "open_set.auroc_max_cosine": ("unknown classes by the largest cosine, AUROC", ".3f"),
    "open_set.auroc_nearest_neighbours": ("unknown classes by nearest neighbours, AUROC", ".3f"),
    "retrieval.recall_at_1": ("retrieval among test images, recall at 1", ".3f"),
    "held_out.recall_at_1": ("retrieval among images of unknown classes, recall at 1", ".3f"),
    "held_out.nearest_10": ("10-NN accuracy among images of unknown classes", ".3f"),
    "held_out.map_at_r": ("retrieval among images of unknown classes, MAP@R", ".3f"),
    "held_out.auroc": ("verification among images of unknown classes, AUROC", ".3f"),
}
"""Number of an analysis -> what it is, and its format."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("analysis", type=Path, nargs="?", help="what `fixhead analyze --out` wrote")
    parser.add_argument("name", nargs="?", help="name of the file in results/analysis, without its ending")
    parser.add_argument("--answers", action="store_true", help="answer the claims of all kept analyses again")
    options = parser.parse_args()
    if options.answers:
        configs = {each.content["config_digest"]: each.config for each in read_results(RESULTS / "evidence")}
        for file in sorted(FOLDER.glob("*.json")):
            print(file.name, "answered again" if answer_again(file, configs) else "left: a run has no result here")
    elif options.name is None:
        parser.error("Give the folder of an analysis and a name for it, or --answers.")
    else:
        keep(options.analysis, options.name)


def keep(analysis: Path, name: str) -> None:
    """Keeps the numbers of an analysis, and the figures that the page shows."""
    numbers = json.loads((analysis / "numbers.json").read_text())
    # the folders of a machine mean nothing to a reader
    numbers["command"] = re.sub(r"(?<= )\S*/(?=\S)", "", numbers["command"])
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(numbers, indent=1) + "\n")
    for figure in figures(numbers):
        shutil.copyfile(analysis / f"{figure}.png", PAGE.parent / f"analysis-{name}-{figure}.png")


def answer_again(file: Path, configs: Mapping[str, TrainConfig]) -> bool:
    """Answers the claims of a kept analysis by today's rules; returns whether the configurations of all runs are known.

    Args:
        file: a file of results/analysis.
        configs: digest of a configuration -> the configuration.
    """
    numbers = json.loads(file.read_text())
    if not all(each["config_digest"] in configs for each in numbers["runs"]):
        return False
    runs: Any = [SimpleNamespace(**{**each, "config": configs[each["config_digest"]]}) for each in numbers["runs"]]
    numbers["claims"] = [each.as_dict() for each in answer_claims(runs)]
    file.write_text(json.dumps(numbers, indent=1) + "\n")
    return True


def figures(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Returns the names of the figures that the page shows of an analysis, and what they show."""
    learned = numbers["differences"][0]["learned"]
    chosen = LEFT_OUT_FIGURES if _left_out(numbers) else FIGURES
    return {name.format(learned=learned): text for name, text in chosen.items()}


def analysis_block() -> list[str]:
    """Returns the lines of the page about all analyses that are kept."""
    return ["", *(line for file in sorted(FOLDER.glob("*.json")) for line in _lines(file))]


def _left_out(numbers: Mapping[str, Any]) -> bool:
    """Whether its unknown classes are those that the runs themselves left out."""
    first = numbers["runs"][0]
    return first["unknown"] is not None and first["unknown"]["data"] == LEFT_OUT.format(first["dataset"])


def _lines(file: Path) -> Iterator[str]:
    numbers = json.loads(file.read_text())
    runs = numbers["runs"]
    first = runs[0]
    logits = "cosines" if first["arm"].startswith("cos") else "dot products"
    left_out = f" without {first['unknown']['classes']} of its classes" if _left_out(numbers) else ""
    arms = ", ".join(f"{name} (n = {arm['n']})" for name, arm in numbers["arms"].items())
    yield (f"### {first['dataset']}{left_out}, {logits} at S = {first['scale']:g}, {first['model']}, recipe "
           f"`{first['recipe']}`")
    yield ""
    unknown = unknown_text(each["unknown"] for each in runs)
    yield (f"Arms: {arms}; n is the number of seeds." + f" Unknown classes: {unknown}." * bool(unknown)
           + f" Numbers: `results/analysis/{file.name}`, by `{_short(numbers['command'])}`.")
    yield ""
    if not left_out:  # the paper's claims are about all classes
        yield from _claims(numbers["claims"])
    for pair in numbers["differences"]:
        yield from _pair(numbers, pair)
    for name, text in figures(numbers).items():
        yield f"![{text[0].upper()}{text[1:]}](analysis-{file.stem}-{name}.png)"
        yield ""


def _claims(answers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A table of the paper's claims that the runs answer."""
    yield "| claim | measured | n | in these runs | verdict |"
    yield "| --- | --- | --- | --- | --- |"
    for each in answers:
        held = "" if each["held"] is None else "held" if each["held"] else "not held"
        yield f"| `{each['claim']}` | {each['measured']} | {each['n']} | {held} | {each['verdict']} |"
    yield ""


def _pair(numbers: Mapping[str, Any], pair: Mapping[str, Any]) -> Iterator[str]:
    """A table of the numbers of two arms, and of their difference."""
    spread = " [95 % interval]" if numbers["arms"][pair["fixed"]]["n"] > 1 else ""
    yield f"| number | {pair['fixed']} | {pair['learned']} | difference{spread} |"
    yield "| --- | --- | --- | --- |"
    for key, (text, form) in NUMBERS.items():
        section, name = key.split(".")
        found = pair["numbers"].get(section, {}).get(name)
        if not found or not found["n"]:
            continue
        means = [format(numbers["arms"][pair[arm]]["numbers"][section][name]["mean"], form)
                 for arm in ("fixed", "learned")]
        interval = found["interval_95"]
        ends = "" if interval is None else f" [{interval[0]:+{form}}, {interval[1]:+{form}}]"
        yield f"| {text} | {' | '.join(means)} | {found['mean']:+{form}}{ends} |"
    yield ""


def _short(command: str) -> str:
    """A command with several runs, shortened."""
    words = command.split()
    runs = [word for word in words[2:] if not word.startswith("-")]
    options = re.findall(r"--unknown \S+", command)
    count = len([word for word in runs if re.match(r"\d{8}-\d{6}-", word)])
    return " ".join([*words[:2], f"RUN... ({count})" if count > 1 else "RUN", *options])


if __name__ == "__main__":
    main()
