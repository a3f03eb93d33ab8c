"""The small studies in results/ as the README and the pages read them."""
import json
from pathlib import Path

import pytest

from keras_fixhead.errors import RunError
from keras_fixhead.reproduction.studies import fixed_against_learned, read_study

RESULTS = Path(__file__).parents[2] / "results"


def test_fixing_wins_at_scale_1_and_loses_at_scale_30_as_the_files_say():
    one, thirty = fixed_against_learned(RESULTS)
    stored = json.loads((RESULTS / "main_effect.json").read_text())
    (plain,) = [each for each in json.loads((RESULTS / "margins.json").read_text())["comparisons"]
                if each["arm"] == "none, fixed"]

    assert (one.dataset, one.scale, thirty.dataset, thirty.scale) == ("cifar10", 1.0, "cifar100", 30.0)
    assert one.difference.mean > 0 > thirty.difference.mean
    for found, values in ((one.difference, stored), (thirty.difference, plain)):
        assert found.n == values["n"] == 3 and found.mean == pytest.approx(values["mean"])
        assert found.interval == pytest.approx(values["interval_95"]) and found.std == pytest.approx(values["std"])


def test_a_file_that_is_not_a_study_is_named(tmp_path):
    (tmp_path / "other.json").write_text('{"schema": 1}')
    with pytest.raises(RunError, match=r"other\.json is not the file of a study"):
        read_study(tmp_path / "other.json")
