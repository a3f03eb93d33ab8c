"""`show` reports what was measured, not what was configured."""
import pytest

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.runs import create_run

MEASURED = {"n": 360, "accuracy": 0.5, "accuracy_low": 0.45, "accuracy_high": 0.55, "own_cosine": 0.8,
            "nearest_wrong_cosine": 0.3}


@pytest.fixture
def make_run(tmp_path):
    """Returns a function that makes a run directory with these files."""
    def make(files=None, **values):
        run = create_run(resolve(TrainConfig(**{"precision": "float32", "runs_dir": str(tmp_path)} | values)))
        for name, content in (files or {}).items():
            run.write(name, content)
        return run

    return make


def result(**more):
    return {"accuracy": {"test": 0.5}, "evaluation": {"test": MEASURED}, "label_names": ["a", "b"]} | more


def line(answer, name):
    (found,) = [each for each in answer.out.splitlines() if each.startswith(f"{name}: ")]
    return found


def test_a_finished_run_shows_how_many_training_images_it_had(fixhead, make_run):
    run = make_run({"result": result(train_images=108)}, limit_train=2_000)
    answer = fixhead("show", run.path)

    assert line(answer, "data") == "data: digits, 108 training images"
    assert "2,000" not in answer.out and "2000" not in answer.out
    assert fixhead("show", run.path, "--json").json["train_images"] == 108


def test_a_partial_data_set_is_shown_as_partial(fixhead, make_run):
    run = make_run({"result": result(train_images=90, subset="a subset of digits: 100 of 1,437 training images")})

    assert line(fixhead("show", run.path), "data") == (
        "data: digits, 90 training images, a subset of digits: 100 of 1,437 training images")


def test_an_unfinished_run_shows_how_many_training_images_it_has(fixhead, make_run):
    run = make_run({"environment": {"train_images": 108}}, limit_train=2_000)

    assert line(fixhead("show", run.path), "data") == "data: digits, 108 training images"


@pytest.mark.parametrize("limit, said", [(2_000, "at most 2,000"), (None, "all")])
def test_a_run_that_has_not_started_shows_the_requested_number(fixhead, make_run, limit, said):
    run = make_run(limit_train=limit)

    assert line(fixhead("show", run.path), "data") == f"data: digits, {said} training images requested"
    assert fixhead("show", run.path, "--json").json["train_images"] is None


@pytest.mark.parametrize("images, batch", [(108, 108), (1_000, 128)])
def test_the_actual_batch_size_is_shown(fixhead, make_run, images, batch):
    run = make_run({"result": result(train_images=images)}, batch_size=128)

    assert f", batch {batch}, " in line(fixhead("show", run.path), "training")


def test_the_final_value_of_a_learned_scale_is_shown(fixhead, make_run):
    run = make_run({"result": result(scale=14.25)}, scale="learned")

    assert "S = 14.25 (learned)" in line(fixhead("show", run.path), "model")
    assert "S = learned" in line(fixhead("show", make_run(scale="learned").path), "model")


def test_accuracy_is_shown_with_its_interval(fixhead, make_run):
    run = make_run({"result": result()})

    assert line(fixhead("show", run.path), "test") == (
        "test: 50.00 % of 360 (95 % interval 45.00 % to 55.00 %), cosine to own class vector 0.800, to the nearest "
        "other 0.300")


@pytest.mark.parametrize("balanced, advice", [
    ({}, " Try --class-weights balanced, or --sampling balanced."),
    ({"sampling": "balanced"}, " Try --class-weights balanced."),
    ({"class_weights": "balanced", "sampling": "balanced"}, "")])
def test_what_a_run_already_balances_is_not_recommended_again(fixhead, make_run, balanced, advice):
    classes = {"balanced_accuracy": 0.5, "recalls": [1.0, 0.0], "never_predicted": [1]}
    run = make_run({"result": result(evaluation={"test": MEASURED | classes})}, **balanced)

    assert line(fixhead("show", run.path), "Note") == f"Note: no test image was predicted as b.{advice}"
