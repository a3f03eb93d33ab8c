"""The result of a run, from its directory and from its exported file."""
import json
import re

import numpy as np
import pytest

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import RunError
from keras_fixhead.runs import create_run
from keras_fixhead.runs.result import COMPLETE, FAILED_TO_CONVERGE, export_result, read_result, write_result

CONFUSION, VECTORS = np.array([[3, 1], [0, 4]]), np.array([[2.0, 0.0], [0.6, 0.8]], np.float32)


@pytest.fixture
def run(tmp_path):
    """Returns a run directory as left by a finished training."""
    run = create_run(resolve(TrainConfig(data_dir=str(tmp_path), epochs=3, precision="float32",
                                         runs_dir=str(tmp_path / "runs"))))
    run.write_metrics([{"epoch": epoch, "cross_entropy": 2.0 / epoch} for epoch in (1, 2, 3)])
    run.write("result", {"accuracy": {"test": 0.5, "validation": 0.25}, "evaluation": {"test": {"own_cosine": 0.75}},
                         "label_names": ["a", "b"], "environment": {"cpu": "some"}})
    run.write("robustness/paper", {"mean": {"jpeg_compression": 0.3}})
    run.write_arrays("test.npz", confusion=CONFUSION, class_vectors=VECTORS)
    return run


def test_an_exported_result_equals_its_run_and_contains_no_local_path(run, tmp_path):
    file = export_result(run, tmp_path / "out" / "results")
    direct, exported = read_result(run.path), read_result(file)

    assert re.fullmatch(r"digits-resnet18-cos-fixed-s0-[0-9a-f]{10}\.json", file.name)
    assert str(tmp_path) not in file.read_text() and "runs_dir" not in exported.content["config"]
    assert direct.content == exported.content and len(exported.curves) == 3
    assert direct.config.epochs == exported.config.epochs == 3 and direct.seed == exported.seed == 0
    for each in (direct, exported):
        assert each.converged and each.accuracy("validation") == 0.25
        assert each.number("evaluation", "test", "own_cosine") == 0.75
        assert each.number("robustness", "paper", "mean", "jpeg_compression") == 0.3
        np.testing.assert_array_equal(each.matrices()["confusion"], CONFUSION)
        np.testing.assert_allclose(each.matrices()["cosines"], [[1, 0.6], [0.6, 1]], atol=1e-7)


def test_a_run_without_matrices_exports_none(run, tmp_path):
    (run.path / "test.npz").unlink()
    file = export_result(run, tmp_path / "out")

    assert list((tmp_path / "out").iterdir()) == [file]
    with pytest.raises(RunError, match=r"\.npz is damaged or missing") as error:
        read_result(file).matrices()
    assert str(error.value).endswith("missing.")  # without [Errno 2] and the path again


def test_a_missing_measurement_is_named(run):
    with pytest.raises(RunError, match=r"has no 'separation\.within_to_between'"):
        read_result(run.path).number("separation", "within_to_between")


def test_an_incomplete_run_has_no_result(run):
    (run.path / "result.json").unlink()
    with pytest.raises(RunError, match=r"is not complete: it has no result\.json"):
        read_result(run.path)


def test_a_run_that_failed_to_converge_needs_a_reason_and_no_accuracy(run, tmp_path):
    content = {"config": read_result(run.path).content["config"], "state": FAILED_TO_CONVERGE, "reason": "nan"}
    write_result(content, {}, tmp_path / "a.json")
    found = read_result(tmp_path / "a.json")

    assert not found.converged and found.curves == [] and not (tmp_path / "a.npz").exists()


@pytest.mark.parametrize("change, message", [
    ({"config": None}, "is not an exported result: it has no configuration"),
    ({"config": {"dataset": "digits"}}, "is damaged: it lacks epochs, fixed, head"),
    ({"accuracy": None}, "has no 'accuracy'"),
    ({"state": FAILED_TO_CONVERGE}, "has no 'reason'"), ({"state": "lost"}, "its state is 'lost'"),
    ({"schema": 99}, "schema 99"),
])
def test_a_damaged_file_is_named(run, tmp_path, change, message):
    content = json.loads(export_result(run, tmp_path).read_text()) | {"state": COMPLETE} | change
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=message):
        read_result(path)


def test_damaged_matrices_are_named(run, tmp_path):
    file = export_result(run, tmp_path)
    file.with_suffix(".npz").write_bytes(file.with_suffix(".npz").read_bytes()[:100])
    with pytest.raises(RunError, match=r"\.npz is damaged or missing"):
        read_result(file).matrices()
