import dataclasses
import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.config import ROLES, TrainConfig, arm_name
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head_config import HeadConfig

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
RANGED = [(name, bound) for name, field in FIELDS.items() for bound in ("low", "high")
          if field.metadata[bound] is not None]
FLOATS = [name for name, field in FIELDS.items() if field.type in ("float", float)]


def refusal(**values):
    """Returns the message with which TrainConfig refuses these values, after checking that it is one line."""
    with pytest.raises(ArgumentError) as caught:
        TrainConfig(**values)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name, bound", RANGED)
def test_a_value_at_its_bound_is_accepted_and_one_beyond_it_is_refused(name, bound):
    limit = FIELDS[name].metadata[bound]
    number = int if type(FIELDS[name].default) is int or name in ("vector_seed", "limit_train", "crop_padding",
                                                                  "threads", "image_size", "patience",
                                                                  "unfreeze_after", "feature_dim") else float
    step = 1 if number is int else max(abs(limit) * 1e-6, 1e-6)
    beyond = number(limit) - step if bound == "low" else number(limit) + step

    assert getattr(TrainConfig(**{name: number(limit)}), name) == limit
    assert re.fullmatch(rf"{name} must be at {'least' if bound == 'low' else 'most'} \S+, got \S+\.",
                        refusal(**{name: beyond}))


def test_every_number_has_a_range():
    numbers = {name for name, field in FIELDS.items() if type(field.default) in (int, float)}

    assert numbers <= {name for name, _ in RANGED}
    assert {"vector_seed", "limit_train", "crop_padding", "threads"} <= {name for name, _ in RANGED}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(name, value):
    assert refusal(**{name: value}) == f"{name} must be a finite number, got {value}."


@pytest.mark.parametrize("values, message", [
    ({"batch_size": 2.0}, "batch_size must be int, got 2.0."),
    ({"batch_size": True}, "batch_size must be int, got True."),
    ({"batch_size": "3"}, "batch_size must be int, got '3'."),
    ({"epochs": True}, "epochs must be int or float, got True."),
    ({"epochs": "3"}, "epochs must be int or float, got '3'."),
    ({"epochs": math.nan}, "epochs must be a finite number, got nan."),
    ({"epochs": math.inf}, "epochs must be a finite number, got inf."),
    ({"epochs": 0.9}, "epochs must be at least 1, got 0.9."),
    ({"lr": "0.1"}, "lr must be float, got '0.1'."),
    ({"lr": True}, "lr must be float, got True."),
    ({"lr": None}, "lr must be float, got None."),
    ({"fixed": 1}, "fixed must be bool, got 1."),
    ({"flip": "yes"}, "flip must be bool or null, got 'yes'."),
    ({"threads": 1.5}, "threads must be int or null, got 1.5."),
    ({"dataset": 10}, "dataset must be str, got 10."),
    ({"runs_dir": None}, "runs_dir must be str, got None."),
])
def test_a_value_of_the_wrong_type_is_refused(values, message):
    assert refusal(**values) == message


@pytest.mark.parametrize("name, value, near", [
    ("dataset", "cifar01", "cifar10"), ("model", "resnet19", "resnet18"), ("head", "cosine", "cos"),
    ("class_vectors", "unifrm", "uniform"), ("loss", "crossentropy", "cross_entropy"),
    ("schedule", "cosin", "cosine"), ("selection", "lst", "last"), ("precision", "float23", "float32"),
])
def test_an_unknown_name_is_refused_with_the_known_names_and_the_nearest(name, value, near):
    message = refusal(**{name: value})

    assert repr(value) in message and "Expected one of" in message
    assert message.endswith(f"Did you mean {near!r}?")


def test_an_unknown_field_is_refused_with_the_nearest_name():
    with pytest.raises(ArgumentError, match=r"Unknown configuration field 'epoch'\. Did you mean 'epochs'\?"):
        TrainConfig.from_dict({"epoch": 3})
    with pytest.raises(ArgumentError, match=r"'zzzz'\. Known: dataset, "):
        TrainConfig.from_dict({"zzzz": 3})


def test_an_integer_becomes_a_float_where_a_float_is_expected():
    config = TrainConfig(lr=1, width=2)

    assert (type(config.lr), type(config.width)) == (float, float)
    assert config == TrainConfig(lr=1.0, width=2.0)


def test_whole_epochs_are_integers_however_they_are_given():
    assert [repr(TrainConfig(epochs=each).epochs) for each in (3, 3.0, 2.5)] == ["3", "3", "2.5"]


@given(epochs=st.integers(1, 10**6), lr=st.floats(0, 1e4), width=st.floats(1 / 64, 16), seed=st.integers(0, 2**63 - 1),
       fixed=st.booleans(), limit=st.none() | st.integers(1, 10**12))
@settings(max_examples=50, deadline=None)
def test_a_configuration_survives_a_round_trip_through_dictionary_and_json(epochs, lr, width, seed, fixed, limit):
    config = TrainConfig(epochs=epochs, lr=lr, width=width, seed=seed, fixed=fixed, limit_train=limit)

    assert TrainConfig.from_dict(config.as_dict()) == config
    assert TrainConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_it_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3


def test_arms_are_named_by_head_and_whether_it_is_fixed():
    assert {arm_name(TrainConfig(head=head, fixed=fixed)) for head in ("cos", "dot") for fixed in (True, False)} == {
        "cos-fixed", "cos-learned", "dot-fixed", "dot-learned"}


def test_every_field_has_one_role():
    by_role = [TrainConfig.names(role) for role in ROLES]

    assert sorted(name for names in by_role for name in names) == sorted(FIELDS)
    assert all(by_role)
    assert TrainConfig.names() == tuple(FIELDS) and TrainConfig().values() == TrainConfig().as_dict()


def test_an_unknown_role_is_an_error():
    with pytest.raises(KeyError, match="unknown roles: optimization"):
        TrainConfig.names("seed", "optimization")


def test_the_head_defaults_match_the_layer():
    config, head = TrainConfig(), HeadConfig()

    assert config.head == head.logits
    for name in ("fixed", "scale", "bias", "class_vectors", "rotate", "vector_lr", "vector_weight_decay",
                 "store_vectors"):
        assert getattr(config, name) == getattr(head, name), name


def test_a_field_is_open_if_it_must_be_filled_in():
    config = TrainConfig()
    open_fields = {name for name in FIELDS if config.is_open(name)}

    assert open_fields == {"signed_features", "vector_seed", "margin_size", "crop_padding", "flip", "precision",
                           "threads"}
    assert TrainConfig(scale="auto").is_open("scale")


@pytest.mark.parametrize("name", ["seed", "epochs", "lr", "scale", "image_size"])
def test_numbers_that_no_computer_word_holds_are_refused_in_one_line(name):
    with pytest.raises(ArgumentError, match=rf"{name} must be a number of at most 64 bits, got one of 1329 bits"):
        TrainConfig.from_dict({name: 10**400})
