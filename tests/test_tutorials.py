"""Every tutorial runs, with few steps."""
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.py")), ids=lambda script: script.stem)
def test_a_tutorial_runs(script, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUTORIAL_SMOKE", "1")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    runpy.run_path(str(script))

    assert capfd.readouterr().out.strip()


def test_the_tutorial_says_that_it_was_never_run_until_there_are_results():
    results = list((FOLDER.parents[1] / "results" / "gpu").glob("cifar*-cos-*.json"))

    assert ("**never run here**" in (FOLDER / "table2_on_a_gpu.py").read_text()) == (not results)
