"""Parity of a server with a run: the comparison by hand, and the command with a real run and server."""
import json
import subprocess
import sys

import httpx
import numpy as np
import pytest
from container_files import CONFIG
from hypothesis import given
from hypothesis import strategies as st

from fixhead_serving.checks import parity
from fixhead_serving.checks.parity import compare, compare_on
from keras_fixhead.errors import ArgumentError, RequestError, ServingError
from keras_fixhead.robustness import SEVERITIES, SUITES, corrupt

NAMES = ["cat", "dog", "owl"]
EXPECTED = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.3, 0.3, 0.4]], np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("uint8")


def answer(probabilities=EXPECTED, classes=None, labels=None):
    classes = np.array(probabilities).argmax(axis=1) if classes is None else np.array(classes)
    labels = np.array(NAMES)[classes] if labels is None else np.array(labels)
    return {"probabilities": np.array(probabilities), "class_index": classes, "label": labels}


def test_equal_answers_have_no_differences():
    found = compare(EXPECTED, answer(), NAMES, 1e-4)

    assert found.equal
    assert (found.n, found.max_difference, found.ties) == (3, 0.0, 0)


@pytest.mark.parametrize("shift, beyond", [(5e-5, 0), (2e-4, 1)])
def test_a_probability_may_differ_by_the_tolerance_and_no_more(shift, beyond):
    changed = EXPECTED.copy()
    changed[1] += [shift, 0, -shift]
    found = compare(EXPECTED, answer(changed), NAMES, 1e-4)

    assert found.beyond_tolerance == beyond
    assert found.equal is (beyond == 0)
    assert found.max_difference == pytest.approx(shift, rel=1e-2)


def test_another_class_is_a_difference_even_if_the_probabilities_agree():
    found = compare(EXPECTED, answer(classes=[0, 2, 2]), NAMES, 1e-4)

    assert (found.other_class, found.other_label, found.beyond_tolerance) == (1, 0, 0)
    assert not found.equal


def test_a_tie_within_the_tolerance_is_counted_but_not_a_difference():
    """If two probabilities differ by less than rounding errors, neither class is wrong."""
    tied = np.array([[0.40002, 0.4, 0.19998]], np.float32)

    found = compare(tied, answer(tied, classes=[1]), NAMES, 1e-4)
    assert found.equal and (found.ties, found.other_class) == (1, 0)
    assert not compare(tied, answer(tied, classes=[1]), NAMES, 1e-5).equal
    assert not compare(tied, answer(tied, classes=[2]), NAMES, 1e-4).equal


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_a_difference(value):
    changed = EXPECTED.copy()
    changed[0, 2] = value
    found = compare(EXPECTED, answer(changed, classes=[0, 1, 2]), NAMES, 1e-4)

    assert found.beyond_tolerance == 1 and found.max_difference is None
    assert not found.equal


@pytest.mark.parametrize("classes, labels", [
    ([0, 1, 2], ["cat", "dog", "dog"]), ([0, 1, 3], ["cat", "dog", "owl"]), ([0, 1, -1], ["cat", "dog", "owl"])])
def test_a_label_that_is_not_the_name_of_its_class_is_a_difference(classes, labels):
    found = compare(EXPECTED, answer(classes=classes, labels=labels), NAMES, 1e-4)

    assert found.other_label == 1
    assert not found.equal


@pytest.mark.parametrize("change, words", [
    ({"probabilities": np.ones((3, 4))}, r"'probabilities' is of shape \(3, 4\); the run's is of shape \(3, 3\)"),
    ({"class_index": np.ones((2,))}, r"'class_index' is of shape \(2,\)"),
])
def test_an_answer_with_another_shape_cannot_be_compared(change, words):
    with pytest.raises(ServingError, match=words):
        compare(EXPECTED, {**answer(), **change}, NAMES, 1e-4)


def test_an_answer_without_an_output_cannot_be_compared():
    incomplete = {key: value for key, value in answer().items() if key != "label"}

    with pytest.raises(ServingError, match=r"'label' is missing.*exported from the run"):
        compare(EXPECTED, incomplete, NAMES, 1e-4)


@given(st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=5),
       st.floats(-1e-3, 1e-3))
def test_counts_add_up_over_single_images(rows, shift):
    expected = np.array(rows, np.float32)
    given_answer = answer((expected.astype("float64") + shift * np.arange(3)).astype("float32"))
    whole = compare(expected, given_answer, NAMES, 1e-4)
    single = [compare(expected[[i]], {key: value[[i]] for key, value in given_answer.items()}, NAMES, 1e-4)
              for i in range(len(rows))]

    for count in ("n", "other_class", "ties", "other_label", "beyond_tolerance"):
        assert getattr(whole, count) == sum(getattr(each, count) for each in single)
    assert whole.max_difference == max(each.max_difference for each in single)


def by_brightness(images):
    """A stand-in for a model: probabilities from the mean pixel."""
    mean = images.mean(axis=(1, 2, 3)) / 255
    return np.stack([mean, 0.9 - mean, np.full_like(mean, 0.1)], axis=1).astype("float32")


def serving(model):
    return lambda images: answer(model(images))


def test_every_request_form_gets_the_clean_images_and_the_first_every_corruption():
    seen = []

    def asked(images):
        seen.append(images)
        return answer(by_brightness(images))

    found = list(compare_on(IMAGES, by_brightness, {"a": asked, "b": serving(by_brightness)}, NAMES, 1e-4, seed=3))

    corrupted = [(f"{name} {severity}", "a") for name in SUITES["paper"] for severity in SEVERITIES]
    assert [(each["images"], each["signature"]) for each in found] == [("clean", "a"), ("clean", "b"), *corrupted]
    assert all(each["equal"] for each in found)
    np.testing.assert_array_equal(seen[1], corrupt(IMAGES, next(iter(SUITES["paper"])), 1, "paper", seed=3))


def test_a_server_of_another_model_differs():
    found = list(compare_on(IMAGES, by_brightness, {"a": serving(lambda images: by_brightness(images)[:, ::-1])},
                            NAMES, 1e-4))

    assert not any(each["equal"] for each in found)


REPORT = {"run": "r", "url": "u", "n": 3, "scale": 1.0, "tolerance": 1e-4}
SET = {"images": "clean", "signature": "serving_bytes", "n": 3, "other_class": 0, "ties": 0, "other_label": 0,
       "beyond_tolerance": 0, "max_difference": 1e-8, "equal": True}
WORSE = {**SET, "other_class": 1, "beyond_tolerance": 2, "max_difference": None, "equal": False}


@pytest.fixture
def check(fixhead, digits_run, monkeypatch):
    """Returns a function that calls the command with a report or an error as the result of the comparison."""
    def call(result, *options):
        def check_parity(run, url, *, progress, **others):
            if isinstance(result, Exception):
                raise result
            for each in result["comparisons"]:
                progress(parity.line(each))
            return result

        monkeypatch.setattr(parity, "check_call", lambda url, suite: None)
        monkeypatch.setattr(parity, "check_parity", check_parity)
        return fixhead("check", "parity", digits_run.path, "http://127.0.0.1:1/v1/models/m", *options)

    return call


@pytest.mark.parametrize("sets, code, words", [
    ([SET, SET], 0, "The answers agree: 2 sets of 3 images, same classes, probabilities within 0.0001."),
    ([SET, WORSE], 1, "The answers DIFFER in 1 of 2 sets of 3 images."),
])
def test_a_difference_sets_the_exit_code(sets, code, words, check):
    report = {**REPORT, "comparisons": sets, "equal": code == 0}
    answer = check(report)

    assert (answer.code, answer.out) == (code, f"{words}\n")
    assert len(answer.err.splitlines()) == 2
    answer = check(report, "--json", "--quiet")
    assert (answer.code, answer.err) == (code, "") and answer.json["comparisons"] == sets


def test_the_output_line_says_what_differs():
    assert parity.line(SET) == "equal: clean, serving_bytes, n=3, largest difference 1.0e-08"
    assert parity.line(WORSE) == ("DIFFERENT: clean, serving_bytes, n=3, largest difference not a number; "
                                  "1 of another class, 2 beyond the tolerance")


@pytest.mark.parametrize("error, code", [
    (ArgumentError("no such suite."), 2), (ServingError("no server."), 1), (RequestError("404", status=404), 1)])
def test_an_error_during_the_check_is_one_line_and_not_an_agreement(error, code, check):
    answer = check(error)

    assert (answer.code, answer.out, answer.err) == (code, "", f"Error: {error}\n")


@pytest.mark.parametrize("options, words", [({"limit": 0}, "limit must be at least 1"), ({"suite": "papers"}, "paper")])
def test_invalid_arguments_are_found_before_anything_is_loaded(options, words, tmp_path):
    with pytest.raises(ArgumentError, match=words):
        parity.check_parity(str(tmp_path), "http://127.0.0.1:1/v1/models/m", **options)


# ---- with a real run and a real server

@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on digits that differ in their seed."""
    folder = tmp_path_factory.mktemp("runs")
    return [json.loads(subprocess.run(
        [sys.executable, "-m", "fixhead_cli", "train", "--dataset", "digits", "--recipe", "smoke", "--seed", str(seed),
         "--runs-dir", str(folder), "--quiet", "--json"], check=True, capture_output=True, text=True).stdout)["run"]
        for seed in (0, 1)]


def is_healthy(url, model):
    """Returns the result of the container's health check for a server on a real socket."""
    port = str(httpx.URL(url).port)
    return subprocess.run(["timeout", "3", "bash", CONFIG / "healthcheck.bash", model, port]).returncode == 0


@pytest.mark.slow
def test_a_served_run_agrees_with_itself_and_differs_from_another(runs, tmp_path, fixhead):
    from fixhead_serving.export import export_run
    from fixhead_serving.local import local_server

    export_run(runs[0], tmp_path / "digits")
    with local_server(tmp_path / "digits") as url:
        assert is_healthy(url, "digits") and not is_healthy(url, "another")
        own = fixhead("check", "parity", runs[0], url, "--limit", 40, "--json")
        other = fixhead("check", "parity", runs[1], url, "--limit", 40, "--json")

    assert (own.code, other.code) == (0, 1)
    assert own.json["n"] == 40 and len(own.json["comparisons"]) == 2 + 3 * 5
    assert max(each["max_difference"] for each in own.json["comparisons"]) < 1e-5
    assert not any(each["equal"] for each in other.json["comparisons"])
    assert not is_healthy(url, "digits")
    gone = fixhead("check", "parity", runs[0], url, "--limit", 40)
    assert gone.code == 1 and "No model server answers" in gone.err
