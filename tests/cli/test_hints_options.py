"""Hints about options: a call that prints one, and the call that it leads to."""
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hints import check_way_out, hint_of, leads_out
from PIL import Image

from fixhead_cli import demonstration
from keras_fixhead.data import load_dataset

SWEEP = "sweep --dataset digits --recipe smoke --runs-dir RUNS --dry-run"
# what fails, its hint, and what works
OPTIONS = [
    ("data check PICTURES --each 3", "Add --sheet FILE.png, or leave out --each.",
     "data check PICTURES --each 3 --sheet SHEET"),
    ("data check PICTURES --each 3", "Add --sheet FILE.png, or leave out --each.", "data check PICTURES"),
    ("data show digits --fit pad --out SHEET", "Leave out --fit.", "data show digits --out SHEET"),
    ("train --resume RUN --config CONFIG --dry-run", "Leave out --config, or start a new run.", "train --resume RUN"),
    ("train --resume RUN --config CONFIG --dry-run", "Leave out --config, or start a new run.",
     "train --config CONFIG --dry-run"),
    ("reproduce table1 --address a:1 --dry-run", "Add --engine ray, or leave out --address.",
     "reproduce table1 --address a:1 --engine ray --dry-run"),
    ("reproduce table1 --address a:1 --dry-run", "Add --engine ray, or leave out --address.",
     "reproduce table1 --dry-run"),
    ("reproduce table1 --dataset digits --dry-run", "Add --rehearse, or leave out --dataset.",
     "reproduce table1 --dataset digits --rehearse --dry-run"),
    ("reproduce table1 --dataset digits --dry-run", "Add --rehearse, or leave out --dataset.",
     "reproduce table1 --dry-run"),
    ("evaluate RUN --class-map MAP", "Add --dataset NAME|FOLDER.",
     "evaluate RUN --class-map MAP --skip-broken --dataset PICTURES"),
    ("predict RUN PICTURES --labels LABELS", "Leave --labels out.", "predict RUN PICTURES"),
]


@pytest.fixture
def places(tmp_path, digits_run):
    """Paths by the words that stand for them in the table."""
    test = load_dataset("digits").test
    for name in ("3", "7"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in np.flatnonzero(test.labels == int(name))[:3]:
            Image.fromarray(test.images[number]).save(tmp_path / "pictures" / name / f"{number}.png")
    (tmp_path / "map.json").write_text(json.dumps({"3": "3"}))
    (tmp_path / "labels.txt").write_text("a\nb")
    (tmp_path / "config.json").write_text(json.dumps({"dataset": "digits"}))
    return {"RUN": digits_run.path, "RUNS": tmp_path / "runs", "PICTURES": tmp_path / "pictures",
            "SHEET": tmp_path / "sheet.png", "MAP": tmp_path / "map.json", "LABELS": tmp_path / "labels.txt",
            "CONFIG": tmp_path / "config.json"}


@leads_out("Leave out ....", "Add --dataset FOLDER.", *{hint for _, hint, _ in OPTIONS} - {"Leave out --fit."})
@pytest.mark.parametrize("wrong, hint, right", OPTIONS)
def test_a_call_works_after_its_hint(wrong, hint, right, fixhead, places):
    def filled(line):
        return re.sub(r"(?<!\S)[A-Z]+(?!\S)", lambda found: str(places[found[0]]), line)

    check_way_out(fixhead, filled(wrong), hint, filled(right))
    if "--skip-broken" in right:
        assert hint_of(fixhead(*filled("evaluate RUN --skip-broken").split())) == "Add --dataset FOLDER."


@leads_out("The seeds of these blocks are ....", "--then 'robustness --limit 1000'")
def test_values_that_hints_name_are_accepted(fixhead, tmp_path):
    plan = ("reproduce", "table1", "--dry-run", "--seeds")
    seed = re.search(r"are (\d+)", hint_of(fixhead(*plan, "77")))[1]
    assert fixhead(*plan, seed).code == 0

    check_way_out(fixhead, f"{SWEEP} --then rm".replace("RUNS", str(tmp_path)), "--then 'robustness --limit 1000'",
                  f"{SWEEP} --then 'robustness --limit 1000'".replace("RUNS", str(tmp_path)))


@leads_out("Fix the cause, then repeat the command with --retry-failed.")
def test_a_failed_run_of_a_sweep_is_repeated(fixhead, tmp_path, monkeypatch):
    from fixhead_cli import sweeping
    from keras_fixhead.errors import RunError
    from keras_fixhead.runs import create_run

    def train(resolved, resume, quiet, broken):
        run = resume or create_run(resolved)
        if broken:
            raise RunError("The disk is full.")
        run.write("result", {"accuracy": {"test": 0.5}, "evaluation": {}, "label_names": ["a"], "environment": {}})
        run.write_status("complete", epoch=1)
        return run

    command = ("sweep", "--dataset", "digits", "--recipe", "smoke", "--runs-dir", tmp_path)
    monkeypatch.setattr(sweeping, "train_by_command", lambda *given, quiet: train(*given, quiet, broken=True))
    answer = fixhead(*command)
    assert answer.code == 1 and answer.err.endswith("repeat the command with --retry-failed.\n")
    monkeypatch.setattr(sweeping, "train_by_command", lambda *given, quiet: train(*given, quiet, broken=False))
    assert fixhead(*command, "--retry-failed").code == 0


@leads_out("Give another --out.", "See ...")
def test_a_demo_has_a_folder_and_a_summary(fixhead, tmp_path, monkeypatch):
    for suffix in ("", *(f"-{count}" for count in range(2, 1000))):
        (tmp_path / f"demo{suffix}" / "full").mkdir(parents=True)
    assert hint_of(fixhead("demo", "--out", tmp_path / "demo")) == "Give another --out."
    assert demonstration.fresh_folder(tmp_path / "other").is_dir()

    def demonstrate(folder, seed, started):
        demonstration.write_json(folder / "summary.json", {"served": {"answers_equal": False}}, schema=1)
        return {"served": {"answers_equal": False}}

    monkeypatch.setattr(demonstration, "demonstrate", demonstrate)
    monkeypatch.setattr(demonstration, "summary_text", lambda summary, folder: ["text"])
    answer = fixhead("demo", "--out", tmp_path / "third", "--quiet")
    file = answer.err.splitlines()[-1].removeprefix("See ")
    assert answer.code == 1 and json.loads(Path(file).read_text())["served"]["answers_equal"] is False
