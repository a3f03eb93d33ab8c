"""Request lines."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixhead_serving.protocol import Refusal, Route, parse_route


@pytest.mark.parametrize(
    "method, path, route",
    [
        ("GET", "/v1/models/m", Route("status", "m")),
        ("GET", "/v1/models/m/versions/3", Route("status", "m", version=3)),
        ("GET", "/v1/models/m/labels/stable", Route("status", "m", label="stable")),
        ("GET", "/v1/models/m/metadata", Route("metadata", "m")),
        ("GET", "/v1/models/m/versions/3/metadata", Route("metadata", "m", version=3)),
        ("GET", "/v1/models/m/METADATA", Route("status", "m")),
        ("GET", "/v1/models/metadata", Route("status", "metadata")),
        ("GET", "/v1/models/m?x=1", Route("status", "m?x=1")),
        ("GET", "/v1/models/a%20b%2Fc", Route("status", "a b/c")),
        ("GET", "/v1/models/m/versions/007", Route("status", "m", version=7)),
        ("GET", "/v1/models/m/versions/9223372036854775807", Route("status", "m", version=2**63 - 1)),
        ("POST", "/v1/models/m:predict", Route("predict", "m")),
        ("POST", "/V1/MODELS/M:predict", Route("predict", "M")),
        ("POST", "/v1/models/m/versions/2:classify", Route("classify", "m", version=2)),
        ("POST", "/v1/models/m/labels/b%21:regress", Route("regress", "m", label="b!")),
    ],
)
def test_a_request_line_becomes_a_route(method, path, route):
    assert parse_route(method, path) == route


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/v1/models/m"),
        ("GET", "/v1/models/m:predict"),
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m:explain"),
        ("POST", "/v1/models/m:predict?x=1"),
        ("POST", "/v1/models/m:predict\n"),
        ("GET", "/v1/models/m/metadata?x=1"),
        ("GET", "/v1/models/m/"),
        ("GET", "/v1/models/m/versions/abc"),
        ("GET", "/v1/models/m/versions/-1"),
        ("GET", "/v1/models/m/versions/\u0661"),
        ("GET", "/v1/model\u017f/m"),
        ("HEAD", "/v1/models/m"),
        ("PUT", "/v1/models/m:predict"),
        ("DELETE", "/v1/models/m"),
        ("GET", "/v1/"),
    ],
)
def test_any_other_request_line_is_malformed(method, path):
    with pytest.raises(Refusal) as caught:
        parse_route(method, path)

    assert (caught.value.status, str(caught.value)) == (400, f"Malformed request: {method} {path}")


@pytest.mark.parametrize("digits", ["9223372036854775808", "9" * 5000])
def test_a_version_beyond_int64_is_refused(digits):
    with pytest.raises(Refusal, match=f"^Failed to convert version: {digits} to numeric.$"):
        parse_route("GET", f"/v1/models/m/versions/{digits}")


def test_a_list_of_models_is_not_offered():
    with pytest.raises(Refusal, match=r"^Missing model name in request\.$"):
        parse_route("GET", "/v1/models")


@settings(deadline=None)
@given(st.sampled_from(["GET", "POST", "PUT"]), st.text(max_size=30))
def test_random_paths_become_routes_or_are_refused(method, rest):
    for path in (rest, f"/v1/models/{rest}"):
        try:
            parse_route(method, path)
        except Refusal as refusal:
            assert refusal.status == 400
