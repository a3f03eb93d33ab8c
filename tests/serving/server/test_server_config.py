from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixhead_serving.config import ServerConfig
from fixhead_serving.server import Limits, ModelSource, VersionPolicy
from fixhead_serving.server.model_config import read_model_config
from fixhead_serving.server.sources import parse_policy, parse_sources
from keras_fixhead.errors import ArgumentError, ServingError


@pytest.mark.parametrize(
    "text, expected", [("latest:1", [9]), ("latest:2", [9, 4]), ("all", [9, 4, 1]), ("1,9,12", [9, 1]), ("4", [4])]
)
def test_a_policy_selects_from_the_versions_on_disk(text, expected):
    assert parse_policy(text).choose([1, 9, 4]) == expected


@pytest.mark.parametrize("text", ["", "latest", "latest:0", "latest:-1", "newest:1", "1,", "x", "9" * 20, "1 2"])
def test_an_invalid_policy_is_an_argument_error(text):
    with pytest.raises(ArgumentError, match=r"Expected latest:N, all, or numbers"):
        parse_policy(text)


def test_models_are_named_after_their_folder_or_explicitly(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    sources = parse_sources(["served/digits", "pets=served/p", "a=b", "."])

    assert [source.name for source in sources] == ["digits", "pets", "a=b", tmp_path.name]
    assert [source.base_path.relative_to(tmp_path).as_posix() for source in sources] == [
        "served/digits", "served/p", "a=b", "."]  # fmt: skip


def test_policies_and_labels_apply_to_all_models_or_one():
    one, two = parse_sources(["m/one", "m/two"], ["two=all", "latest:3"], ["one:stable=4", "two:stable=5", "two:new=6"])

    assert (one.policy, two.policy) == (VersionPolicy(latest=3), VersionPolicy())
    assert (one.labels, two.labels) == ({"stable": 4}, {"stable": 5, "new": 6})
    assert parse_sources(["m/one"], (), ["stable=4"])[0].labels == {"stable": 4}


@pytest.mark.parametrize(
    "directories, versions, labels, text",
    [
        (["a/m", "b/m"], [], [], "Two models are called 'm'. Rename one of them: NAME=DIR"),
        (["m"], ["x=all"], [], "There is no model 'x'"),
        (["m"], [], ["x:stable=1"], "There is no model 'x'"),
        (["m"], [], ["stable"], "is not a valid label"),
        (["m"], [], ["stable=x"], "is not a valid label"),
        (["m"], [], ["a-b=1"], "is not a valid label"),
        (["m", "n"], [], ["stable=1"], "does not say which model it is for. For example m:stable=1"),
        (["x:y=m"], [], [], "A model cannot be called 'x:y'"),
        (["=m"], [], [], "A model cannot be called ''"),
    ],
)
def test_inconsistent_options_are_an_argument_error(directories, versions, labels, text):
    with pytest.raises(ArgumentError) as caught:
        parse_sources(directories, versions, labels)
    assert text in str(caught.value)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_accepted_or_an_argument_error(directory, versions, label):
    for arguments in ([directory], [versions], [label]), (["m"], [versions], [label]):
        try:
            parse_sources(*arguments)
        except ArgumentError as error:
            assert str(error)
        except ValueError as error:
            assert "null byte" in str(error)  # not a path


@pytest.mark.parametrize("field", [each.name for each in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "3", None, True, [3]])
def test_limits_must_be_numbers_above_0(field, value):
    with pytest.raises(ArgumentError, match=f"{field}=.* is not valid"):
        Limits(**{field: value})


@pytest.mark.parametrize("field", [each.name for each in fields(Limits) if each.name != "timeout_seconds"])
def test_limits_that_count_must_be_whole(field):
    with pytest.raises(ArgumentError, match=f"{field}=2.5 is not valid. Expected a whole number above 0"):
        Limits(**{field: 2.5})
    assert Limits(timeout_seconds=2.5).timeout_seconds == 2.5


@pytest.mark.parametrize("name, values", {
    "host": [3, None], "port": ["8501", 1.5, True, None], "workers": ["2", 2.5, None, True], "batching": ["yes", 1],
    "max_batch_merge": ["2", 2.5, None], "poll_seconds": ["1", None, True], "drain_seconds": ["1", None],
    "onednn": ["no", None, 1], "token": [3, b"t"], "tls_cert": [3], "tls_key": [3], "limits": [None, {}],
    "access_log": [3, None],
}.items())
def test_a_value_of_the_wrong_type_is_refused_in_one_line(name, values):
    for value in values:
        with pytest.raises(ArgumentError, match=rf"^{name}=.* is not valid\. Expected [^\n]*$"):
            ServerConfig(**{name: value})


def test_every_field_of_the_server_is_in_the_table_of_wrong_types():
    (mark,) = test_a_value_of_the_wrong_type_is_refused_in_one_line.pytestmark
    assert {name for name, _ in mark.args[1]} == {each.name for each in fields(ServerConfig)}


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"port": -1}, "port=-1 is not a valid port"),
        ({"port": 65536}, "port=65536 is not a valid port"),
        ({"workers": 0}, "workers=0"),
        ({"poll_seconds": -1}, "poll_seconds=-1"),
        ({"tls_cert": "c"}, "TLS needs both"),
        ({"token": ""}, "The token is empty"),
        ({"token": "a\nb"}, "The token is empty, or has characters"),
    ],
)
def test_an_invalid_server_configuration_is_an_argument_error(arguments, text):
    with pytest.raises(ArgumentError, match=text):
        ServerConfig(**arguments)


def test_a_token_is_not_shown():
    assert "secret" not in repr(ServerConfig(token="secret"))


# models.config


def test_a_models_config_of_tensorflow_serving_is_read(tmp_path):
    file = tmp_path / "models.config"
    file.write_text("""
        model_config_list {
          config { name: "digits" base_path: "/models/digits" model_platform: "tensorflow" }
          config {
            name: "pets", base_path: "pets"
            model_version_policy { specific { versions: 1 versions: 3 } }
            version_labels { key: "stable" value: 1 }
            version_labels { key: "canary" value: 3 }
          }
          config { name: "a" base_path: "a" model_version_policy { all {} } }
          config { name: "l" base_path: "l" model_version_policy { latest { num_versions: 2 } } }
        }  # the end
    """)
    digits, pets, every, latest = read_model_config(file)

    assert (digits.name, str(digits.base_path), digits.policy) == ("digits", "/models/digits", VersionPolicy(latest=1))
    assert pets == ModelSource("pets", tmp_path / "pets", VersionPolicy(numbers=(1, 3)), {"stable": 1, "canary": 3})
    assert (every.policy, latest.policy) == (VersionPolicy(), VersionPolicy(latest=2))


@pytest.mark.parametrize(
    "text, error",
    [
        ("", "does not list any models"),
        ("model_config_list {}", "does not list any models"),
        ("model_config_list { config { nam: 'x' } }", "1:30 .*nam"),
        ("{", "is not a valid models.config: 1:"),
        ("model_config_list { config { name: 'm' } }", "has no base_path"),
        ("model_config_list { config { base_path: 'm' } }", "cannot be called ''"),
        ("model_config_list { config { name: 'm' base_path: 'm' model_platform: 'torch' } }", "platform 'torch'"),
        (
            "model_config_list { config { name: 'm' base_path: 'm' model_version_policy { specific {} } } }",
            "specific version policy without any versions",
        ),
        (
            "model_config_list { config { name: 'm' base_path: 'a' } config { name: 'm' base_path: 'b' } }",
            "are called 'm'",
        ),
    ],
)
def test_an_invalid_file_is_a_one_line_error(tmp_path, text, error):
    file = tmp_path / "models.config"
    file.write_text(text)

    with pytest.raises((ServingError, ArgumentError), match=error) as caught:
        read_model_config(file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_one_line_error(tmp_path):
    with pytest.raises(ServingError, match="cannot be read"):
        read_model_config(tmp_path / "none")
