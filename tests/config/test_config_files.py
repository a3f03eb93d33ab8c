import json
from pathlib import Path

import pytest

from keras_fixhead.config import TrainConfig, from_stored, read_config_file, resolve, resolved_fields, to_store
from keras_fixhead.errors import ArgumentError
from keras_fixhead.recipes import build_config


def test_a_configuration_file_may_come_from_a_run_or_a_dry_run(tmp_path):
    file = tmp_path / "plan.json"
    for content in ({"epochs": 3}, {"schema": 1, "epochs": 3, "config_digest": "0"}, {"config": {"epochs": 3}, "x": 1}):
        file.write_text(json.dumps(content))
        assert read_config_file(file) == {"epochs": 3}


@pytest.mark.parametrize("content, message", [
    ("{", r"plan\.json is not valid JSON: line 1, column 2: expected a name in double quotes, got the end"),
    ('{"epochs": 3, "epochs": 4}', "'epochs' appears twice; expected each name once"),
    ("[1]", "is not a JSON object of configuration fields"),
    ('{"config": [1]}', "is not a JSON object of configuration fields"),
    ('{"epoch": 3}', "Did you mean 'epochs'"),
    ("\xff", "is not valid JSON: line 1, column 1: expected UTF-8 text, got the byte 0xff"),
])
def test_a_file_that_is_not_a_configuration_is_refused(tmp_path, content, message):
    file = tmp_path / "plan.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ArgumentError, match=message):
        read_config_file(file)


def test_a_configuration_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="cannot be read: No such file"):
        read_config_file(tmp_path / "none.json")
    with pytest.raises(ArgumentError, match="cannot be read: Is a directory"):
        read_config_file(tmp_path)


def earlier(**changes):
    """Returns a flat config.json of schema 1 as written by version 0.1."""
    found = resolve(TrainConfig(**{"dataset": "cifar10", "precision": "float32", "threads": 2, "lr": 0.3} | changes))
    derived = {"class_vectors_digest": found.class_vectors_digest, "extended_from": None}
    return found, {**found.config.as_dict(), **derived, "config_digest": found.digest}


def test_a_configuration_is_stored_as_asked_and_as_resolved():
    found = resolve(TrainConfig(dataset="cifar10", precision="float32", threads=2))
    content = json.loads(json.dumps(to_store(found).as_dict()))

    assert content.keys() == {"asked", "resolved", "digest", "class_vectors_digest", "extended_from"}
    assert (content["asked"]["flip"], content["resolved"]["flip"]) == (None, True)
    assert from_stored(content) == to_store(found)


def test_a_flat_configuration_of_schema_1_is_read_unchanged():
    found, content = earlier()
    stored = from_stored(content)

    assert (stored.config, stored.digest) == (found.config, found.digest)
    assert stored.class_vectors_digest == found.class_vectors_digest
    assert stored.extended_from is None
    assert from_stored({**content, "extended_from": "3,5"}).extended_from == "3,5"


def test_values_filled_into_a_flat_configuration_do_not_count_as_asked_for():
    _, content = earlier(margin="arcface", crop_padding=2)
    asked = from_stored(content).asked

    assert (asked.flip, asked.vector_seed, asked.signed_features, asked.margin_size) == (None, None, None, None)
    assert (asked.crop_padding, asked.lr, asked.margin) == (2, 0.3, "arcface")
    assert resolve(asked).config == from_stored(content).config


@pytest.mark.parametrize("explicit, expected", [
    ({"dataset": "digits"}, {"flip": False}),
    ({"seed": 4}, {"vector_seed": 4}),
    ({"model": "preact_resnet18"}, {"signed_features": True}),
])
def test_a_run_of_schema_1_can_configure_another(tmp_path, explicit, expected):
    _, content = earlier()
    (tmp_path / "config.json").write_text(json.dumps({"schema": 1, **content}))
    config = resolve(build_config(explicit, read_config_file(tmp_path / "config.json"))).config

    assert {name: getattr(config, name) for name in expected} == expected
    assert config.lr == 0.3


def test_a_hand_written_flat_file_keeps_values_equal_to_data_set_defaults(tmp_path):
    (tmp_path / "mine.json").write_text('{"dataset": "cifar10", "flip": true}')

    assert resolve(build_config({"dataset": "digits"}, read_config_file(tmp_path / "mine.json"))).config.flip is True


def test_the_configuration_stored_in_a_run_can_be_read_back(tmp_path):
    found = resolve(build_config({"recipe": "cpu", "dataset": "cifar10", "seed": 3}))
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"schema": 2, **to_store(found).as_dict()}))

    assert build_config({}, read_config_file(file)) == found.asked
    assert resolve(build_config({"seed": 4}, read_config_file(file))).config.vector_seed == 4


def test_exported_results_can_be_used_as_configuration():
    folder = Path(__file__).parents[2] / "results" / "first_runs"
    for file in sorted(folder.glob("*.json")):
        config = build_config({}, read_config_file(file))
        content = json.loads(file.read_text())["config"]

        assert config == TrainConfig.from_dict(config.as_dict())
        assert (config.dataset, config.model, config.fixed) == tuple(content[name] for name in (
            "dataset", "model", "fixed"))


@pytest.mark.parametrize("content, message", [
    ({"asked": {}, "resolved": {}}, "it has no 'digest'"),
    ({"asked": [], "resolved": {}}, "it has no 'asked'"),
    ({"resolved": {}}, "it has no 'asked'"),
    ({"epochs": 3}, "it lacks dataset, fixed, head, model, scale, seed, width"),
])
def test_damaged_content_is_refused(content, message):
    with pytest.raises(ArgumentError, match=message):
        from_stored(content)


def test_newer_fields_missing_from_a_resolved_configuration_get_defaults():
    old = TrainConfig(epochs=3, lr=0.5)
    kept = {"dataset", "model", "width", "head", "fixed", "scale", "seed", "epochs", "lr"}

    assert resolved_fields({name: value for name, value in old.as_dict().items() if name in kept}) == old
