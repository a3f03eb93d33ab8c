"""What the documents say is true: commands, examples, generated tables, versions."""
import importlib.util
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from fixhead_cli.commands import COMMANDS
from keras_fixhead._version import __version__
from keras_fixhead.recipes import RECIPES
from keras_fixhead.reproduction.studies import read_study
from keras_fixhead.reproduction.study_tables import main_effect_table, study_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
sys.path.insert(0, str(ROOT / "benchmarks"))


PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "docs/head.md", "docs/class-vectors.md")}


def blocks(language, page="README.md"):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("words", ["fixhead demo", "pytest"])
def test_each_of_the_two_commands_is_one_line_of_its_own_block(words):
    (block,) = [block for block in blocks("sh") if block.rstrip().endswith(words)]

    assert len(block.strip().splitlines()) == 1


@pytest.mark.parametrize("example", [block for page in PAGES for block in blocks("python", page)])
def test_every_python_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_every_command_and_option_in_the_readme_exists(fixhead):
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("fixhead ")]
    for line in lines:
        words = line.partition(" #")[0].split()
        assert words[1] in COMMANDS
        known = fixhead(*words[1 : 3 if words[1] == "data" else 2], "--help").out
        for option in (word for word in words if word.startswith("--")):
            assert option in known, line


def test_every_command_is_shown_in_the_readme():
    for name in COMMANDS:
        assert f"fixhead {name}" in README or name == "doctor"


def test_the_tables_of_the_readme_are_what_their_files_give():
    import train_step
    from report import with_block

    report = json.loads((ROOT / "results" / "train_step.json").read_text())
    effect = read_study(ROOT / "results" / "main_effect.json")

    assert with_block(README, train_step.BLOCK, train_step.block(report)) == README
    assert with_block(README, "main effect", main_effect_table(effect)) == README


@pytest.mark.parametrize("name", ["signed_features", "margins"])
def test_the_tables_of_the_heads_page_are_what_their_files_give(name):
    from report import with_block

    study = read_study(ROOT / "results" / f"{name}.json")

    assert with_block(PAGES["docs/head.md"], name, study_table(study)) == PAGES["docs/head.md"]
    for comparison in study.content["comparisons"]:
        assert comparison["n"] == 3


@pytest.mark.filterwarnings("error::keras_fixhead.errors.FixheadWarning")
def test_the_table_of_kinds_is_what_the_code_gives():
    from kinds import BLOCK, block
    from report import with_block

    assert with_block(PAGES["docs/class-vectors.md"], BLOCK, block()) == PAGES["docs/class-vectors.md"]


@pytest.mark.parametrize("page, name, function", [
    ("recipes.md", "recipes", "recipes_block"), ("data.md", "data sets", "data_block"),
    ("training.md", "first runs", "first_runs_block"), ("training.md", "peers", "peers_block"),
    ("training.md", "pipeline", "pipeline_block"), ("data.md", "loading", "loading_block"),
    ("data.md", "formats", "formats_block"),
])
def test_the_generated_parts_of_the_pages_are_what_code_and_results_give(page, name, function):
    import pages
    from report import with_block

    text = (ROOT / "docs" / page).read_text()
    assert with_block(text, name, getattr(pages, function)()) == text


@pytest.mark.parametrize("name", ["serving", "soak"])
def test_what_the_servers_page_says_of_its_cost_is_what_was_measured(name):
    from report import with_block

    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    script = importlib.util.module_from_spec(spec)  # by its path: the folder of the serving kit has the same name
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    text = (ROOT / "docs" / "server.md").read_text()

    assert with_block(text, script.BLOCK, script.block(json.loads(script.FILE.read_text()))) == text


def test_exported_results_are_of_complete_pairs_and_name_no_path():
    files = sorted((ROOT / "results" / "first_runs").glob("*.json"))
    configs = [json.loads(file.read_text())["config"] for file in files]
    pairs = {(config["dataset"], config["model"]) for config in configs}

    assert len(files) == 2 * len(pairs)
    assert pairs >= {("cifar10", model) for model in ("resnet18", "preact_resnet18", "mobilenet_v2")} | {
        (name, "resnet18") for name in ("cifar100", "stl10", "tiny_imagenet", "digits")}
    for file in files:
        assert not re.search(r'"/(?!s)[a-z]+/', file.read_text()), file


def test_every_option_of_the_head_is_in_its_page():
    import inspect

    from keras_fixhead.head import HypersphereHead

    own = set(inspect.signature(HypersphereHead).parameters) - {
        "num_classes", "logits", "vectors_digest", "vectors_shape", "kwargs"}
    assert all(f"`{name}`" in PAGES["docs/head.md"] for name in own)


def test_the_recipe_expects_what_was_measured():
    report = json.loads((ROOT / "results" / "main_effect.json").read_text())
    means = {arm: 100 * statistics.fmean(run["accuracy"]["test"] for run in report["runs"] if run["arm"] == arm)
             for arm in ("cos-fixed", "cos-learned")}

    assert f"fixed {means['cos-fixed']:.1f} %, learned {means['cos-learned']:.1f} %" in RECIPES["cpu"].expect


def test_the_changelog_begins_with_this_version():
    (newest, *_) = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)

    assert newest == __version__
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
