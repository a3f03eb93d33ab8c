"""Which measurements may divide the errors of another."""
import json

import pytest

from fixhead_cli.baselines import Divided, fitting_baseline, read_measurements
from keras_fixhead.errors import ArgumentError, RunError

DIVIDED = Divided("paper", "native", 0, 12, "digits", "aa", (1, 2), ["fog"])
CONTENT = {"schema": 1, "suite": "paper", "engine": "native", "seed": 0, "n": 12, "dataset": "digits", "images": "aa",
           "severities": [1, 2], "clean": 0.75, "accuracy": {"fog": [0.5, 0.25], "snow": [1.0, 1.0]},
           "mean": {"fog": 0.375, "snow": 1.0}}


def found(path):
    return fitting_baseline(read_measurements(path, "--suite paper"), DIVIDED)


@pytest.fixture
def write(tmp_path):
    def write(name, **changes):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({key: value for key, value in {**CONTENT, **changes}.items() if value is not None}))
        return path

    return write


def test_its_errors_are_read(write):
    baseline = found(write("b.json"))

    assert (baseline.name, baseline.clean_error) == ("b.json", 0.25)
    assert baseline.errors == {"fog": 0.625, "snow": 0.0}  # snow is not in the mean


@pytest.mark.parametrize("changes, message", [
    ({"suite": "cifar-c"}, "has the suite 'cifar-c', not 'paper'."),
    ({"engine": "imgaug"}, "has the engine 'imgaug', not 'native'."),
    ({"seed": 3}, "has the seed 3, not 0."),
    ({"severities": [1, 2, 3, 4, 5]}, "has the severities 1, 2, 3, 4, 5, not 1, 2."),
    ({"accuracy": {"snow": [0.5, 0.5]}}, "does not have the corruption 'fog', which is in the mean."),
    ({"mean": {"fog": 1.0}}, "has an error of 0 for fog: nothing can be divided by it."),
    ({"n": 1_300}, "was measured on 1,300 images, not 12."),
    ({"images": "bb"}, "was measured on other images."),
    ({"images": None, "dataset": "cifar10"}, "was measured on cifar10, not digits."),
])
def test_what_was_measured_in_another_way_is_refused_in_one_line(write, changes, message):
    path = write("b.json", **changes)
    with pytest.raises(ArgumentError) as caught:
        found(path)

    assert caught.value.what == f"{path} {message}"
    assert caught.value.hint == "Make one: fixhead robustness RUN --suite paper"


def test_a_measurement_of_an_earlier_version_is_compared_by_what_it_has(write):
    assert found(write("b.json", images=None, engine=None, seed=None, dataset=None)).errors["fog"] == 0.625


def test_a_run_gives_the_measurement_that_fits(write, tmp_path):
    with pytest.raises(RunError, match=r"no measurement of accuracy under corruptions\. Make one: fixhead robustness"):
        found(tmp_path)
    write("robustness/a.json", suite="cifar-c")
    write("robustness/b.json", n=7)
    with pytest.raises(ArgumentError, match=r"b\.json was measured on 7 images, not 12"):
        found(tmp_path)
    write("robustness/paper-s3.json", seed=3, mean={"fog": 0.5})
    write("robustness/paper.json")
    assert found(tmp_path).name == tmp_path.name and found(tmp_path).errors == {"fog": 0.625, "snow": 0.0}
