"""Results in files: what is read and what is refused."""
import dataclasses
import json

import numpy as np
import pytest
from synthetic import write_matrices, write_result

from keras_fixhead.catalog import MODELS
from keras_fixhead.errors import RunError
from keras_fixhead.experiments.disk import PARAMETERS
from keras_fixhead.reproduction import cell, read_evidence, read_results
from keras_fixhead.reproduction.planning.cost import MULTIPLY_ADDS, estimate, training_images

ONE = cell(dataset="cifar100", epochs=30)


def test_results_are_found_by_cell_and_seed_and_failures_separately(tmp_path):
    write_result(tmp_path, ONE, 0, 70.0)
    write_result(tmp_path, ONE, 1, state="failed to converge")
    found = read_results(tmp_path)

    assert {seed: each.accuracy() for seed, each in found.of(ONE).items()} == pytest.approx({0: 0.7})
    assert list(found.all_of(ONE)) == [0, 1] and len(found) == 2
    assert read_results(tmp_path / "nowhere").of(ONE) == {}


def test_matrices_are_read_on_demand(tmp_path):
    path = write_result(tmp_path, ONE, 0)
    result = read_evidence(path)
    with pytest.raises(RunError, match=r"\.npz is damaged or missing"):
        result.matrices()
    write_matrices(path, np.eye(3), np.eye(3))

    assert result.matrices()["confusion"].tolist() == np.eye(3).tolist()


def test_a_rehearsal_is_not_accepted_as_evidence(tmp_path):
    path = write_result(tmp_path, ONE, 0, rehearsal=True)
    with pytest.raises(RunError, match="a rehearsal, which is not evidence"):
        read_results(tmp_path)
    content = json.loads(path.read_text())
    content |= {"rehearsal": False, "config": content["config"] | {"width": 0.125}}
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match="not that of its cell"):
        read_results(tmp_path)


@pytest.mark.parametrize("state", ["complete", "failed to converge"])
def test_a_result_on_part_of_a_data_set_is_not_evidence(tmp_path, state):
    part = cell(dataset="stl10", recipe="paper-code", epochs=80)
    write_result(tmp_path, part, 0, 70.0, state=state, subset="a subset of stl10: 5,000 of 5,000 ...")
    write_result(tmp_path, ONE, 0, 70.0, subset=None)
    assert len(read_results(tmp_path)) == 2

    write_result(tmp_path, ONE, 1, 70.0, state=state, subset="a subset of cifar100: 600 of 50,000 training images")
    with pytest.raises(RunError, match="a result of a subset of cifar100: 600 of 50,000"):
        read_results(tmp_path)


@pytest.mark.parametrize("change, message", [
    ({"cell": {"no_field": 1}}, "not the result of a cell: Unknown"),
    ({"cell": None}, "its 'cell', 'seed' or 'rehearsal' is missing or wrong"), ({"seed": "x"}, "is missing or wrong"),
    ({"config": None}, "not an exported result"),
    ({"seed": 7}, "not that of its cell"), ({"accuracy": None}, "has no 'accuracy'"), ({"schema": 99}, "schema 99"),
])
def test_a_damaged_result_is_named(tmp_path, change, message):
    write_result(tmp_path, ONE, 0, **change)
    with pytest.raises(RunError, match=message):
        read_results(tmp_path)


def test_two_results_for_one_run_are_refused(tmp_path):
    path = write_result(tmp_path, ONE, 0)
    path.with_name("again.json").write_text(path.read_text())
    with pytest.raises(RunError, match="have the same cell and seed"):
        read_results(tmp_path)


def test_times_are_estimated_from_the_same_network_on_the_same_device(tmp_path):
    write_result(tmp_path, ONE, 0, seconds=40.0, wall_seconds=60.0)
    found = read_results(tmp_path)
    longer = dataclasses.replace(ONE.config, epochs=60)

    assert estimate(longer, found, "NVIDIA H100").seconds == pytest.approx(2 * 40 + 20)
    assert estimate(longer, found, "another").source == "arithmetic"
    assert training_images(ONE.config) == 30 * 351 * 128


def test_a_resumed_run_gives_no_estimate_as_its_wall_time_covers_only_the_last_part(tmp_path):
    write_result(tmp_path, ONE, 0, seconds=40.0, wall_seconds=60.0, finished="2026-11-25T13:00:00+00:00")
    write_result(tmp_path, ONE, 1, seconds=40.0, wall_seconds=25.0, finished="2026-11-25T14:00:00+00:00", resumed=True)

    assert estimate(ONE.config, read_results(tmp_path), "NVIDIA H100").seconds == pytest.approx(60)
    (tmp_path / f"{ONE.file_name(0)}.json").unlink()
    assert estimate(ONE.config, read_results(tmp_path), "NVIDIA H100").source == "arithmetic"


@pytest.mark.parametrize("model", MULTIPLY_ADDS)
def test_the_multiply_adds_of_a_network_match_its_kernels_and_its_parameters_are_counted(model):
    import keras

    from keras_fixhead.models import build_model, head_of

    total, built = 0, build_model(model, (32, 32, 3), 10)
    assert built.count_params() - head_of(built).count_params() == pytest.approx(PARAMETERS[model], rel=1e-3)
    for layer in built.layers:
        if (kernel := getattr(layer, "kernel", None)) is not None:
            positions = layer.output.shape[1] * layer.output.shape[2]
            total += positions * int(np.prod(kernel.shape))
        assert not isinstance(layer, keras.layers.Dense)
    assert total == pytest.approx(MULTIPLY_ADDS[model], rel=1e-3)
    assert model in MODELS
