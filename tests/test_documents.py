"""The documentation is correct: commands, examples, generated tables, links, versions."""
import importlib
import importlib.util
import json
import os
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

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests" / "cli")]
pages = importlib.import_module("pages")
with_block = importlib.import_module("report").with_block
leaves = importlib.import_module("command_tree").leaves

PAGES = {name: (ROOT / name).read_text() for name in (
    "README.md", "docs/commands.md", "docs/python.md", "docs/results.md", "docs/head.md", "docs/class-vectors.md",
    "docs/robustness.md", "docs/analysis.md", "docs/many_classes.md", "docs/margins.md", "docs/adding-classes.md",
    "docs/retrieval.md", "docs/reproducible-runs.md", "docs/without-docker.md", "docs/worth-it.md",
    "docs/pictures.md")}


def blocks(language, page="README.md"):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("words", ["fixhead demo", "pytest"])
def test_each_of_the_two_commands_is_one_line_in_its_own_block(words):
    (block,) = [block for block in blocks("sh") if block.rstrip().endswith(words)]

    assert len(block.strip().splitlines()) == 1


EXAMPLES = [(page, example) for page in PAGES for example in blocks("python", page)]

# Runs each example of a JSON list in a namespace and a folder of its own; writes their errors into a file.
RUN_EXAMPLES = """
import json, os, sys, tempfile, traceback
import keras

errors = []
for example in json.load(sys.stdin):
    os.chdir(tempfile.mkdtemp())
    error = ""
    try:
        exec(compile(example, "example", "exec"), {"__name__": "__main__"})
    except BaseException:
        error = traceback.format_exc()
    errors.append(error)
    keras.config.set_dtype_policy("float32")
    keras.backend.clear_session()
with open(sys.argv[1], "w") as file:
    json.dump(errors, file)
"""


@pytest.fixture(scope="module")
def example_errors(tmp_path_factory):
    """Returns the error of each Python example, all run in one process because loading Keras takes seconds."""
    folder = tmp_path_factory.mktemp("examples")
    done = subprocess.run([sys.executable, "-c", RUN_EXAMPLES, str(folder / "errors.json")], text=True,
                          input=json.dumps([example for _, example in EXAMPLES]), capture_output=True,
                          env={**os.environ, "TMPDIR": str(folder)})
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "errors.json").read_text())


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=[page for page, _ in EXAMPLES])
def test_every_python_example_runs(number, example_errors):
    assert len(example_errors) == len(EXAMPLES)
    assert example_errors[number] == ""


@pytest.mark.parametrize("page", [page for page in PAGES if blocks("sh", page)])
def test_every_command_and_option_that_a_page_shows_exists(fixhead, page):
    lines = [line for block in blocks("sh", page) for line in block.splitlines() if line.startswith("fixhead ")]
    for line in lines:
        words = line.partition(" #")[0].split()
        assert words[1] in COMMANDS
        known = fixhead(*words[1 : 3 if words[1] in ("data", "check") else 2], "--help").out
        for option in (word for word in words if word.startswith("--")):
            assert option in known, line


def test_every_command_is_on_the_command_page():
    shown = "".join(blocks("sh", "docs/commands.md"))

    for words, _ in leaves():
        assert f"fixhead {' '.join(words)}" in shown


def test_the_readme_is_short():
    """It has a table, two commands, ten lines of Python, five of shell and further links: no more than a page."""
    (python,) = blocks("python")
    shell = [block for block in blocks("sh") if block.startswith("fixhead ")]

    assert len(python.splitlines()) <= 10
    assert [len(block.splitlines()) for block in shell] == [5]
    assert len(README.split()) <= 700


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()

    for page in (ROOT / "docs").glob("*.md"):
        assert f"]({page.name})" in index or page.name == "README.md"


def test_every_link_from_the_readme_and_the_index_works():
    for page in ("README.md", "docs/README.md", "docs/commands.md", "docs/python.md", "docs/results.md",
                 "docs/analysis.md"):
        file = ROOT / page
        for target in re.findall(r"\]\(([^):]+)\)", file.read_text()):
            assert (file.parent / target.partition("#")[0]).exists(), f"{page}: {target}"


def test_the_training_step_table_matches_its_file():
    import train_step

    report, page = json.loads((ROOT / "results" / "train_step.json").read_text()), PAGES["docs/results.md"]

    assert with_block(page, train_step.BLOCK, train_step.block(report)) == page


@pytest.mark.parametrize("name", ["signed_features", "margins"])
def test_the_tables_on_the_heads_page_have_three_seeds(name):
    for comparison in read_study(ROOT / "results" / f"{name}.json").content["comparisons"]:
        assert comparison["n"] == 3


@pytest.mark.filterwarnings("error::keras_fixhead.errors.FixheadWarning")
def test_the_table_of_kinds_matches_the_code():
    from kinds import BLOCK, block
    assert with_block(PAGES["docs/class-vectors.md"], BLOCK, block()) == PAGES["docs/class-vectors.md"]


@pytest.mark.parametrize("page, name, lines", [pytest.param(*each, id=each[1]) for each in pages.BLOCKS])
def test_the_generated_parts_of_the_pages_are_up_to_date(page, name, lines):
    text = page.read_text()

    assert with_block(text, name, lines()) == text


@pytest.mark.parametrize("name", ["serving", "soak_page"])
def test_the_server_page_matches_the_measurements(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    script = importlib.util.module_from_spec(spec)  # loaded by path: the serving kit has a folder of the same name
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    text = (ROOT / "docs" / "server.md").read_text()

    assert with_block(text, script.BLOCK, script.block(json.loads(script.FILE.read_text()))) == text


def test_the_memory_of_very_many_classes_matches_the_measurement():
    from many_classes import BLOCK, FILE, block

    page = PAGES["docs/many_classes.md"]
    assert with_block(page, BLOCK, block(json.loads(FILE.read_text()))) == page


def test_exported_results_are_complete_pairs_and_contain_no_path():
    files = sorted((ROOT / "results" / "first_runs").glob("*.json"))
    configs = [json.loads(file.read_text())["config"] for file in files]
    pairs = {(config["dataset"], config["model"]) for config in configs}

    assert len(files) == 2 * len(pairs)
    assert pairs >= {("cifar10", model) for model in ("resnet18", "preact_resnet18", "mobilenet_v2")} | {
        (name, "resnet18") for name in ("cifar100", "stl10", "tiny_imagenet", "digits")}
    for file in files:
        assert not re.search(r'"/(?!s)[a-z]+/', file.read_text()), file


def test_every_head_option_is_documented():
    import inspect

    from keras_fixhead.head import HypersphereHead

    own = set(inspect.signature(HypersphereHead).parameters) - {
        "num_classes", "logits", "vectors_digest", "vectors_shape", "kwargs"}
    assert all(f"`{name}`" in PAGES["docs/head.md"] for name in own)


@pytest.mark.parametrize("recipe, split, name, epochs", [
    ("fast", "test", "cos-{}-S1.0", "9.9"), ("fast", "test", "dot-{}-S0.2", "9.9"),
    ("fast-90", "validation", "dot-{}-S0.2", "3")])
def test_the_expected_results_of_the_fast_recipes_match_the_evidence(recipe, split, name, epochs):
    accuracies = {}
    for arm in ("fixed", "learned"):
        files = (ROOT / "results" / "evidence").glob(f"cifar10-fast_cnn-{name.format(arm)}-e{epochs}-s*.json")
        found = [json.loads(file.read_text()) for file in files]
        accuracies[arm] = {each["seed"]: 100 * each["accuracy"][split] for each in found}
    seeds = accuracies["fixed"].keys() & accuracies["learned"].keys()
    fixed, learned = (statistics.fmean(values[seed] for seed in seeds) for values in accuracies.values())
    number = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
    assert f"{number}: fixed {fixed:.1f} %, learned {learned:.1f} %" in RECIPES[recipe].expect.replace("S = 1, ", "")


def test_the_expected_result_of_the_recipe_matches_the_measurement():
    report = json.loads((ROOT / "results" / "main_effect.json").read_text())
    means = {arm: 100 * statistics.fmean(run["accuracy"]["test"] for run in report["runs"] if run["arm"] == arm)
             for arm in ("cos-fixed", "cos-learned")}

    assert f"fixed {means['cos-fixed']:.1f} %, learned {means['cos-learned']:.1f} %" in RECIPES["cpu"].expect


def test_the_changelog_starts_with_this_version():
    (newest, *_) = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)

    assert newest == __version__
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_command_is_shorter_than_60_lines():
    """CONTRIBUTING.md says so."""
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "cli" / "commands").rglob("*.py")}

    assert len(lengths) > 20 and {name: lines for name, lines in lengths.items() if lines >= 60} == {}


def test_no_module_is_longer_than_400_lines():
    """CONTRIBUTING.md says so."""
    folders = ("keras_fixhead", "cli", "serving", "tests", "benchmarks", "website")
    lengths = {path: len(path.read_text().splitlines()) for folder in folders for path in (ROOT / folder).rglob("*.py")}

    assert len(lengths) > 400 and {path: lines for path, lines in lengths.items() if lines > 400} == {}
