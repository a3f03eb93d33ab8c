"""`fixhead analyze` passes its options on and prints a table or JSON."""
import json
from types import SimpleNamespace

import pytest

import keras_fixhead.run_analysis

NUMBERS = {"accuracy": {"accuracy": 0.5}, "compactness": {"own": 0.25}, "class_vectors": {"max_cosine": 0.125},
           "confusion": {"unordered_correlation": None}, "calibration": {"ece": 0.0625}}


@pytest.fixture
def analyzed(monkeypatch, tmp_path):
    calls = []

    def analyze_runs(runs, folder, *, data_dir, unknown, prepare):
        calls.append(([run.path for run in runs], folder, data_dir, unknown))
        run = SimpleNamespace(arm="cos-fixed", config=SimpleNamespace(seed=3), numbers=NUMBERS)
        return SimpleNamespace(folder=tmp_path, page=tmp_path / "index.html", runs=[run], numbers={"runs": []},
                               pictures=[SimpleNamespace(name="cosines")])

    monkeypatch.setattr(keras_fixhead.run_analysis, "analyze_runs", analyze_runs)
    return calls


def test_options_reach_the_library_and_a_table_is_printed(fixhead, digits_run, analyzed, tmp_path):
    answer = fixhead("analyze", digits_run.path, "--out", tmp_path / "out", "--unknown", "cifar100", "--quiet")

    assert answer.code == 0 and analyzed == [([digits_run.path], tmp_path / "out", None, "cifar100")]
    head, row, last = answer.out.splitlines()
    assert head.split() == ["arm", "seed", "accuracy", "own", "cosine", "largest", "cosine", "confusion", "vs",
                            "similarity", "ECE"]
    assert row.split() == ["cos-fixed", "3", "50.00", "%", "0.250", "0.125", "—", "0.062"]
    assert last == f"page: {tmp_path / 'index.html'}"


def test_json_has_folder_page_figures_and_numbers(fixhead, digits_run, analyzed, tmp_path):
    answer = fixhead("analyze", digits_run.path, "--json")

    assert json.loads(answer.out) == {"folder": str(tmp_path), "page": str(tmp_path / "index.html"),
                                      "figures": ["cosines"], "runs": []}
    assert analyzed[0][1] is None
