"""Hints of the command line that name a command: printed in their situation, and the command works there."""
import contextlib
import re
import shutil

import pytest
from hints import check_way_out, follow, hint_of, leads_out, refused
from PIL import Image

from fixhead_cli import framework
from keras_fixhead import hardware

# what fails, and the command of its hint
COMMANDS = [
    ("show runs/none", "List your runs: fixhead list runs"),
    ("compare runs/none", "List your runs: fixhead list runs"),
    ("train --init-from runs/none --dry-run", "List your runs: fixhead list runs"),
    ("train --init-from EMPTY --dry-run", "List your runs: fixhead list runs"),
    ("data show ./photographs", "See the names: fixhead list datasets"),
    ("robustness RUN --suite ./none", "See the names: fixhead list corruptions"),
    ("list runs a", "Show one: fixhead show RUN"),
    ("list models --runs-dir RUNS", "List runs: fixhead list runs --runs-dir DIR"),
    ("report none", "See what would be run: fixhead reproduce all --dry-run"),
]


@leads_out(*{hint for _, hint in COMMANDS})
@pytest.mark.parametrize("line, hint", COMMANDS, ids=[line for line, _ in COMMANDS])
def test_the_command_of_a_hint_works_where_it_is_printed(line, hint, fixhead, tmp_path, monkeypatch, digits_run):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    run = digits_run.path
    names = {"RUN": run, "EMPTY": tmp_path / "empty", "RUNS": run.parent}
    said = hint_of(fixhead(*re.sub(r"\b[A-Z]+\b", lambda found: str(names[found[0]]), line).split()))

    assert said == hint
    assert follow(fixhead, said, RUN=run, DIR=run.parent).out


@leads_out("Write one: fixhead train --dry-run > config.json")
def test_a_dry_run_writes_a_configuration_file(fixhead, tmp_path):
    file = tmp_path / "config.json"
    hint = hint_of(fixhead("train", "--config", file, "--dry-run"))
    command, name = hint.removeprefix("Write one: fixhead ").split(" > ")
    (tmp_path / name).write_text(fixhead(*command.split()).out)

    assert fixhead("train", "--config", file, "--dry-run").code == 0


@leads_out("Did you mean ...?")
def test_a_suggested_path_is_one_that_works(fixhead, tmp_path, monkeypatch, digits_run):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(digits_run.path, tmp_path / "first-run", ignore=shutil.ignore_patterns("checkpoints"))
    hint = hint_of(fixhead("show", "first-rnu"))

    assert fixhead("show", re.fullmatch(r"Did you mean (.*)\?", hint)[1]).code == 0


@leads_out("Fix what is listed, and check it again.")
def test_a_folder_passes_once_what_is_listed_is_fixed(fixhead, tmp_path):
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number * 40, len(name), 9)).save(tmp_path / "set" / name / f"{number}.png")
    (tmp_path / "set" / "a" / "broken.png").write_bytes(b"")
    answer = fixhead("data", "check", tmp_path / "set")
    assert answer.code == 1 and answer.err.endswith("Fix what is listed, and check it again.\n")
    listed = re.search(r"\S+broken\.png", answer.out)[0]

    next((tmp_path / "set").rglob(listed.split("/")[-1])).unlink()
    assert fixhead("data", "check", tmp_path / "set").code == 0


@leads_out("Files of Keras have 'notop' or 'no_top' in their names.")
def test_a_file_of_weights_without_the_classifier_is_taken(fixhead, tmp_path):
    model = ("train", "--dataset", "digits", "--model", "keras_applications/ResNet50", "--dry-run", "--weights")
    (file := tmp_path / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5").write_bytes(b"weights")

    assert hint_of(fixhead(*model, tmp_path / "none.h5")).startswith(("Files of Keras", "Did you mean"))
    assert hint_of(fixhead(*model, tmp_path)) == "Files of Keras have 'notop' or 'no_top' in their names."
    assert fixhead(*model, file).code == 0


@leads_out("Set KERAS_BACKEND to tensorflow, jax or torch.",
           "Install it (pip install tensorflow), or set KERAS_BACKEND to an installed one: fixhead doctor",
           "Install it: pip install tensorflow")
@pytest.mark.parametrize("load, error, hint", [
    ("load_keras", ValueError("Unable to import backend : pytorch"), "Set KERAS_BACKEND to tensorflow, jax or torch."),
    ("load_keras", ImportError("No module named 'torch'"), "Install it (pip install tensorflow), or set KERAS_BACKEND "
     "to an installed one: fixhead doctor"),
    ("load_tensorflow", ImportError("No module named 'tensorflow'"), "Install it: pip install tensorflow"),
])
def test_a_backend_that_is_named_and_installed_is_loaded(load, error, hint, fixhead, monkeypatch):
    """Keras reads KERAS_BACKEND only once in a process, so what it raises for a wrong one is raised here."""
    @contextlib.contextmanager
    def failing(*names):
        raise error
        yield

    with monkeypatch.context() as patched, refused(hint):
        patched.setattr(framework.lean_import, "without", failing)
        getattr(framework, load)()
    getattr(framework, load)()  # in the environment of the tests, which has both
    if "doctor" in hint:
        assert follow(fixhead, hint).out


@leads_out("Make one: fixhead robustness RUN ...")
def test_the_hint_for_a_baseline_makes_one_that_fits(fixhead, tmp_path, digits_run):
    run = shutil.copytree(digits_run.path, tmp_path / "run")
    (other := tmp_path / "other").mkdir()
    asked = ("robustness", run, "--corruption", "jpeg_compression", "--severities", "1-2", "--limit", 9, "--baseline")
    hint = hint_of(fixhead(*asked, other))

    follow(fixhead, f"{hint} --quiet", RUN=run)
    assert fixhead(*asked, run).code == 0


@leads_out("Leave out --jobs. With several GPUs, start one command for each: CUDA_VISIBLE_DEVICES=1 fixhead ... "
           "--seeds 3-5", "Use --jobs ....")
def test_several_runs_at_once_are_for_machines_without_a_gpu_and_with_enough_cores(fixhead, tmp_path, monkeypatch):
    many = f"sweep --dataset digits --seeds 0-3 --runs-dir {tmp_path} --dry-run"
    monkeypatch.setattr(hardware, "cpu_count", lambda: 3)
    monkeypatch.setattr(hardware, "gpus", lambda: ())
    check_way_out(fixhead, f"{many} --jobs 4", "Use --jobs 3.", f"{many} --jobs 3")
    monkeypatch.setattr(hardware, "gpus", lambda: (("H200", 9.0), ("H200", 9.0)))
    check_way_out(fixhead, f"{many} --jobs 2", "start one command for each: CUDA_VISIBLE_DEVICES=1 fixhead ... "
                  "--seeds 3-5", f"sweep --dataset digits --seeds 3-5 --runs-dir {tmp_path} --dry-run")
    assert fixhead(*many.split()).code == 0


@leads_out("Measure them one after the other, each with a folder of its own: --out DIR")
def test_models_whose_results_would_have_one_name(fixhead, digits_run, tmp_path):
    copy = shutil.copytree(digits_run.path, tmp_path / digits_run.path.name)
    asked = ("robustness", "--limit", 12, "--severities", 1, "--quiet")
    refused = fixhead(*asked, digits_run.path, copy, "--out", tmp_path / "out")

    assert f"Two of the models would write {tmp_path / 'out' / copy.name}-paper-n12-severity1.json" in refused.err
    assert refused.code == 2 and not (tmp_path / "out").exists()
    for number, run in enumerate((digits_run.path, copy)):
        assert fixhead(*asked, run, "--out", tmp_path / f"out{number}").code == 0
