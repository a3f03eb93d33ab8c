"""Request lines, methods, and answers that do not depend on the body."""

from fixhead_serving.checks.conformance.case import Case, Expect
from fixhead_serving.checks.conformance.cases.build import (
    HANDLER,
    HANDLER_TEST,
    HTTP,
    MODEL,
    NET_HTTP,
    ROUTES,
    ROUTES_TEST,
    error,
    get,
    outputs,
    post,
    predictions,
)

ONE = {"instances": [1.0]}
FULL_MATCH = f"{ROUTES}: kPredictionApiGegex, kModelStatusApiRegex, ParseModelInfo"
UNSUPPORTED = f"{HANDLER_TEST}: UnsupportedApiCalls"


def _malformed(name: str, method: str, path: str, source: str = UNSUPPORTED) -> Case:
    return Case(name, method, path, error(f"Malformed request: {method} {path}"), source)


CASES = [
    # The path matches in any case; its ending is then compared in lower case.
    post("path in capitals", ONE, predictions([3.5]), FULL_MATCH, path="/V1/MODELS/conformance:predict"),
    _malformed(
        "verb in capitals", "POST", f"{MODEL}:PREDICT", f"{HANDLER}: ProcessRequest; {ROUTES}: kPredictionApiGegex"
    ),
    get(
        "METADATA in capitals is the status",
        f"{MODEL}/METADATA",
        Expect(part={"model_version_status": [{}, {}]}),
        f"{HANDLER}: ProcessRequest",
        ("version 1",),
    ),
    post(
        "model name in capitals is another model",
        ONE,
        error("Servable not found for request: Latest(CONFORMANCE)", 404),
        f"{FULL_MATCH}; tensorflow_serving/core/basic_manager.cc: GetUntypedServableHandle",
        path="/v1/models/CONFORMANCE:predict",
    ),
    post(
        "model name percent-encoded",
        ONE,
        predictions([3.5]),
        f"{ROUTES_TEST}: TestParseModelInfoForPost",
        path="/v1/models/%63onformance:predict",
    ),
    get(
        "a slash in a model name",
        "/v1/models/a%2Fb",
        error("Could not find any versions of model a/b", 404),
        f"{ROUTES_TEST}: TestParseModelInfoForGet",
    ),
    post(
        "leading zeros of a version",
        {"inputs": [1.0]},
        outputs([3.5]),
        f"{ROUTES}: ParseModelInfo (absl::SimpleAtoi)",
        path=f"{MODEL}/versions/002:predict",
    ),
    get("no model name", "/v1/models", error("Missing model name in request."), UNSUPPORTED),
    get(
        "no model name before a version",
        "/v1/models/versions/1/metadata",
        error("Missing model name in request."),
        f"{ROUTES}: kModelStatusApiRegex (the name may be left out); {HANDLER}: ProcessModelMetadataRequest",
    ),
    get(
        "a model called metadata",
        "/v1/models/metadata",
        error("Could not find any versions of model metadata", 404),
        f"{ROUTES}: kModelStatusApiRegex (the model name is matched first)",
    ),
    _malformed("GET, no models", "GET", "/v1/foo"),
    _malformed("POST, no models", "POST", "/v1/foo"),
    _malformed("GET, a path too long", "GET", "/v1/models/debug/model_name"),
    _malformed("POST, no verb", "POST", "/v1/models"),
    _malformed("POST to the status", "POST", MODEL, f"{ROUTES}: kPredictionApiGegex"),
    _malformed("GET with a verb", "GET", "/v1/models/foo:predict"),
    _malformed("GET, version for versions", "GET", "/v1/models/foo/version/50:predict"),
    _malformed("POST, version for versions", "POST", "/v1/models/foo/version/50:regress"),
    _malformed("a version that is no number", "POST", "/v1/models/foo/versions/HELLO:regress"),
    _malformed("POST to the metadata", "POST", "/v1/models/foo/metadata"),
    _malformed("label for labels", "POST", "/v1/models/foo/label/some_label:regress"),
    _malformed("a version and a label", "POST", "/v1/models/foo/versions/50/labels/some_label:regress"),
    _malformed("a label for a version", "POST", "/v1/models/foo/versions/some_label:regress"),
    _malformed("an unknown verb", "POST", f"{MODEL}:explain", f"{ROUTES}: kPredictionApiGegex"),
    _malformed("a slash at the end", "GET", f"{MODEL}/", f"{ROUTES}: kModelStatusApiRegex"),
    _malformed(
        "a query string after a verb",
        "POST",
        f"{MODEL}:predict?x=1",
        f"{NET_HTTP}: path_and_query; {ROUTES}: kPredictionApiGegex",
    ),
    _malformed(
        "a query string after metadata",
        "GET",
        f"{MODEL}/metadata?x=1",
        f"{ROUTES}: kModelStatusApiRegex (the path includes the query string)",
    ),
    get(
        "a query string is part of the model name",
        f"{MODEL}?x=1",
        error("Could not find any versions of model conformance?x=1", 404),
        f"{ROUTES}: kModelStatusApiRegex",
    ),
    get(
        "a version beyond 64 bits",
        f"{MODEL}/versions/18446744073709551615",
        Expect(400, empty=True),
        f"{HANDLER}: ProcessRequest (returns before MakeJsonFromStatus); {ROUTES}: ParseModelInfo",
    ),
    _malformed(
        "PUT", "PUT", f"{MODEL}:predict", f"{HANDLER}: ProcessRequest; {NET_HTTP}: Initialize (allowed methods)"
    ),
    _malformed("DELETE", "DELETE", MODEL, f"{HANDLER}: ProcessRequest; {NET_HTTP}: Initialize (allowed methods)"),
    _malformed("PATCH", "PATCH", MODEL, f"{HANDLER}: ProcessRequest; {NET_HTTP}: Initialize (allowed methods)"),
    Case("HEAD", "HEAD", MODEL, Expect(400), f"{HANDLER}: ProcessRequest; {NET_HTTP}: Initialize (allowed methods)"),
    Case(
        "OPTIONS of a browser",
        "OPTIONS",
        f"{MODEL}:predict",
        Expect(200, empty=True),
        f"{HTTP}: RestApiRequestDispatcher::ProcessRequest",
        headers={"Origin": "https://example.org"},
    ),
    Case(
        "OPTIONS without an origin",
        "OPTIONS",
        f"{MODEL}:predict",
        Expect(400, empty=True),
        f"{HTTP}: RestApiRequestDispatcher::ProcessRequest (FailedPrecondition)",
    ),
    get("outside /v1/", "/statuspage", Expect(404), f"{HANDLER_TEST}: kPathRegex; {NET_HTTP}: DispatchEvRequest"),
    get(
        "another version of the interface",
        "/v2/models/conformance",
        Expect(404),
        f"{HANDLER_TEST}: kPathRegex; {NET_HTTP}: DispatchEvRequest",
    ),
]
