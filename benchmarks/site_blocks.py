"""Generated parts of two pages of the site: when fixing is worth it, and all benchmarks."""
import importlib.util
import json
import math
import statistics
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from report import RESULTS

from keras_fixhead.reproduction.claims.verdict import HELD, REFUTED
from keras_fixhead.reproduction.studies import (
    FixedAgainstLearned,
    fixed_against_learned,
    fixed_against_learned_on_whole_sets,
    read_study,
)
from keras_fixhead.vectors import ceiling


def loses_block() -> list[str]:
    """Returns the sentence about the scale at which fixing loses."""
    lines = []
    narrow, whole = fixed_against_learned(RESULTS), fixed_against_learned_on_whole_sets(RESULTS)
    for each in sorted([*narrow, *whole], key=lambda arms: arms.difference.mean):
        low, high = each.difference.interval or (math.nan, math.nan)
        word = {HELD: "win", REFUTED: "lose"}.get(each.state, "differ, undecided, by")
        data = each.dataset.upper().replace("CIFAR", "CIFAR-")
        fixed, learned = (f"{statistics.fmean(arm.values()):.1f} %" for arm in (each.fixed, each.learned))
        network = " with `fast_cnn` and all training images" if each in whole else " with a small ResNet18"
        logits = " with dot products" if each.head == "dot" else ""
        lines.append(f"- **At S = {each.scale:g}{logits} fixed class vectors {word} {abs(each.difference.mean):.1f} "
                     f"points** on {data}{network}: {fixed} against {learned} (95 % interval of the difference "
                     f"{_signed(low)} to {_signed(high)}, n = {each.difference.n} seeds, paired).{_views(each)}")
    config = read_study(RESULTS / "margins.json").config
    smallest, *_, largest = sorted({each.scale for each in [*narrow, *whole] if each.head == "cos"})
    return [*lines, "", f"Other logits are cosines. The small ResNet18 has width {config['width']:g}, "
            f"{config['limit_train']:,} training images, {config['epochs']} epochs, recipe `cpu`. **The paper's "
            f"networks at full size have not been measured**, and no S of cosines between {smallest:g} and "
            f"{largest:g}: what follows is what these runs and the construction support, not a law. Files: "
            f"{'`results/evidence/`, ' * bool(whole)}`results/main_effect.json`, `results/margins.json`."]


def _views(each: FixedAgainstLearned) -> str:
    """The difference with flips and shifts, which the speed records use, where the plain one is small."""
    if each.with_views is None or each.head != "dot":
        return ""
    low, high = each.with_views.interval or (math.nan, math.nan)
    return (f" With flips and shifts of the test images the difference is {_signed(each.with_views.mean)} "
            f"({_signed(low)} to {_signed(high)}).")


def robustness_rest_block() -> list[str]:
    """Returns one line per run measured under all corruptions in process and over REST."""
    report = json.loads((RESULTS / "robustness_rest.json").read_text())
    runs: dict[str, dict[str, Any]] = {}
    for each in report["measurements"]:
        runs.setdefault(each["config"]["run"], {"config": each["config"]})[each["metric"]] = each["values"][0]
    ways = ("in process", "over REST")
    timed = all(f"throughput {way}, corruptions included" in found for found in runs.values() for way in ways)
    head = ["run", "corruptions and severities", "images of each", "predicted classes that differ",
            *(f"mean accuracy {way}" for way in ways), *(f"images/s {way}" for way in ways if timed)]
    rows = [[found["config"]["what"], str(found["config"]["variants"]), f"{found['config']['images']:,}",
             f"{found['different predicted classes']:,.0f}",
             *(f"{100 * found[f'mean accuracy {way}']:.2f} %" for way in ways),
             *(f"{found[f'throughput {way}, corruptions included']:,.0f}" for way in ways if timed)]
            for found in runs.values()]
    speed = "Images per second include the time of making the corrupted images." if timed else (
        f"Images per second are not given: other programs used the {report['hardware']['cores']} cores as well.")
    return ["", *(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)), "",
            f"`{report['command']}`, n = 1 call for each run. Uncorrupted images are compared as well; the mean is "
            f"that over the main corruptions without frost. {speed}", ""]


def corruption_speed_block() -> list[str]:
    """Returns how fast images are corrupted, next to two other libraries, and the time of all of CIFAR-10-C."""
    report = _read("corruptions")
    ratios: dict[tuple[int, str], dict[str, float]] = {}
    for each in report["measurements"]:
        name, _, other = each["name"].partition("/native over ")
        if other:
            key = each["config"]["pixels"], other
            ratios.setdefault(key, {})[name.split("/")[1]] = each["median"]
    lines = ["| pixels | compared with | geometric mean | smallest | largest |", "|---:|---|---:|---:|---:|"]
    for (pixels, other), found in ratios.items():
        mean = math.exp(statistics.fmean(map(math.log, found.values())))
        low, high = (choose(found, key=lambda name: found[name]) for choose in (min, max))
        lines.append(f"| {pixels} | {other} | {mean:.1f} | {found[low]:.2f} ({low}) | {found[high]:.1f} ({high}) |")
    stream = next(each for each in report["measurements"] if each["name"] == "corruptions/stream/cifar-c")
    config = stream["config"]
    rounds = next(each["n"] for each in report["measurements"] if each["unit"] == "1")
    return [*lines, "", f"Images per second divided by the other library's, median of n = {rounds} alternating rounds "
            f"of {len(found)} corruptions (frost apart; the others' elastic transform has no affine map, ours has) at "
            f"ImageNet-C's strength 3. All {stream['n']} corruptions "
            f"and severities of CIFAR-10-C for {config['images']:,} images take {config['total_seconds'] / 60:.1f} "
            f"minutes with {config['threads']} threads, at most {config['peak_mb']:,.0f} MB "
            f"({config['peak_mb_before']:,.0f} MB before). {report['hardware']['cpu']}, "
            f"{report['hardware']['cores']} cores; by `{report['command']}`."]


def merging_block() -> list[str]:
    """Returns what learned class vectors do at both scales."""
    main, margins = (read_study(RESULTS / f"{name}.json") for name in ("main_effect", "margins"))
    rows = [("S = 1, no margin", main, "cos-fixed", "cos-learned"),
            *((f"S = {margins.config['scale']:g}, {'no margin' if name == 'none' else name}", margins,
               f"{name}, fixed", f"{name}, learned") for name in ("none", "cosface", "arcface"))]
    lines = ["| | fixed | learned | fixed − learned, points (95 % interval) | largest cosine between class vectors: "
             "fixed, learned |", "| --- | --- | --- | --- | --- |"]
    for what, study, fixed, learned in rows:
        found = study.difference(fixed, learned)
        low, high = found.interval or (math.nan, math.nan)
        means = [f"{statistics.fmean(study.accuracy(arm).values()):.1f} %" for arm in (fixed, learned)]
        largest = [f"{statistics.fmean(run['class_vectors_max_cosine'] for run in study.runs(arm)):.2f}"
                   for arm in (fixed, learned)]
        lines.append(f"| {what} | {means[0]} | {means[1]} | **{_signed(found.mean)}** ({_signed(low)} to "
                     f"{_signed(high)}) | {', '.join(largest)} |")
    return [*lines, "", f"n = {len(main.seeds)} seeds. The first row is on CIFAR-10, the others on CIFAR-100. At S = 1 "
            f"no probability can exceed {ceiling(10, 1.0)[0]:.2f} for ten classes and {ceiling(100, 1.0)[0]:.2f} for a "
            "hundred, with either kind of class vectors."]


def files_block() -> list[str]:
    """Returns one line per file of measurements: what it was measured with."""
    lines = ["| file | command | date | machine | measurements |", "| --- | --- | --- | --- | --- |"]
    for file in sorted(RESULTS.glob("*.json")):
        report = json.loads(file.read_text())
        if "measurements" in report:
            machine = report["hardware"]
            lines.append(f"| `results/{file.name}` | `{report['command']}` | {report['date']} | {machine['cores']} "
                         f"cores, {machine['cpu']} | {len(report['measurements'])} |")
    return lines


def augmentation_block() -> list[str]:
    """Returns one line per measurement of augmentation."""
    report = _read("augmentation")
    lines = ["| augmentation on the host | images/s: median (quartiles) | n |", "| --- | --- | --- |"]
    lines += [f"| {each['name'].split('/')[1]} | {each['median']:,.0f} ({each['quartiles'][0]:,.0f} to "
              f"{each['quartiles'][1]:,.0f}) | {each['n']} |" for each in report["measurements"]]
    return lines


def train_step_block() -> list[str]:
    """Returns the table of the training step."""
    return _script("train_step").block(_read("train_step"))


def many_classes_block() -> list[str]:
    """Returns the table of memory for very many classes."""
    return _script("many_classes").block(_read("many_classes_memory"))


def many_classes_time_block() -> list[str]:
    """Returns the table of times for very many classes."""
    return _script("many_classes_page").block(_read("many_classes"))


def many_words_block() -> list[str]:
    """Returns the table of the example with one class per word."""
    return _script("many_words").block(_read("many_words"))


def server_block() -> list[str]:
    """Returns the tables of the server's cost."""
    script = _script("serving")
    return script.block(json.loads(script.FILE.read_text()))


def soak_block() -> list[str]:
    """Returns what ten minutes of load with faults left."""
    script = _script("soak_page")
    return script.block(json.loads(script.FILE.read_text()))


def _read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def _script(name: str) -> ModuleType:
    """Loads a script by its path: the serving kit has a folder of the same name."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    script = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
