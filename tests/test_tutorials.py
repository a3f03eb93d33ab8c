"""Every tutorial runs, with few steps."""
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
LONG = {"folder_to_server", "margins_and_scale"}  # two more processes that load TensorFlow; many compilations
SCRIPTS = [pytest.param(script, id=script.stem, marks=pytest.mark.long if script.stem in LONG else pytest.mark.slow)
           for script in sorted(FOLDER.glob("*.py"))]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_tutorial_runs(script, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUTORIAL_SMOKE", "1")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    runpy.run_path(str(script))

    assert capfd.readouterr().out.strip()


def test_the_tutorial_says_that_it_was_never_run_until_there_are_results():
    results = list((FOLDER.parents[1] / "results" / "gpu").glob("cifar*-cos-*.json"))

    assert ("**never run here**" in (FOLDER / "table2_on_a_gpu.py").read_text()) == (not results)
