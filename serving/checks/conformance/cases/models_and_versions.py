"""Status, metadata, versions and labels, served and not served."""

from fixhead_serving.checks.conformance.case import ANYTHING, Case, Expect
from fixhead_serving.checks.conformance.cases.build import (
    CORE,
    HANDLER,
    HANDLER_TEST,
    MANAGER,
    MODEL,
    MODEL_SERVER_TEST,
    ROUTES,
    STATUS,
    error,
    get,
    post,
    predictions,
)

ONE = {"instances": [1.0, 2.0, 5.0]}
PREDICT = f"{HANDLER_TEST}: Predict"
GET_STATUS = f"{HANDLER_TEST}: GetStatus"
METADATA = f"{HANDLER_TEST}: GetModelMetadata (saved_model_half_plus_two_2_versions_metadata.json)"
NOT_FOUND = f"{HANDLER_TEST}: PredictModelNameVersionErrors; {MANAGER}: GetUntypedServableHandle"
LABELLED = f"{HANDLER_TEST}: PredictRequestErrors; {CORE}: GetModelVersionForLabel"


def _state(version: int) -> dict[str, object]:
    return {"version": str(version), "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


def _tensor(dtype: str, *sizes: int) -> dict[str, object]:
    shape = {"dim": [{"size": str(size), "name": ""} for size in sizes], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": ANYTHING}


def _metadata(version: int, signatures: dict[str, object]) -> Expect:
    specification = {"name": "conformance", "signature_name": "", "version": str(version)}
    return Expect(part={"model_spec": specification, "metadata": {"signature_def": {"signature_def": signatures}}})


HALF_PLUS = {
    "inputs": {"x": _tensor("DT_FLOAT", -1)},
    "outputs": {"y": _tensor("DT_FLOAT", -1)},
    "method_name": "tensorflow/serving/predict",
    "defaults": {},
}
PAIR = {
    "inputs": {"a": _tensor("DT_FLOAT", -1), "b": _tensor("DT_INT32", -1, 2)},
    "outputs": {"sum": _tensor("DT_FLOAT", -1), "b": _tensor("DT_INT32", -1, 2)},
    "method_name": "tensorflow/serving/predict",
    "defaults": {},
}
BYTES = {"inputs": {"x": _tensor("DT_STRING", -1)}, "outputs": {"y_bytes": _tensor("DT_STRING", -1)}}

CASES: list[Case] = [
    get("status of one version", f"{MODEL}/versions/2", Expect(json={"model_version_status": [_state(2)]}), GET_STATUS),
    get(
        "status of all versions, newest first",
        MODEL,
        Expect(json={"model_version_status": [_state(2), _state(1)]}),
        f"{MODEL_SERVER_TEST}: testGetStatusREST; tensorflow_serving/core/servable_state_monitor.h: VersionMap",
        ("version 1",),
    ),
    get(
        "status of a label is that of all versions",
        f"{MODEL}/labels/stable",
        Expect(json={"model_version_status": [_state(2), _state(1)]}),
        f"{STATUS}: GetModelStatusWithModelSpec",
        ("version 1", "labels"),
    ),
    get(
        "status of an unknown label",
        f"{MODEL}/labels/nope",
        Expect(part={"model_version_status": ANYTHING}),
        f"{STATUS}: GetModelStatusWithModelSpec (labels are not looked at)",
    ),
    get(
        "status of an unknown model",
        "/v1/models/nope",
        error("Could not find any versions of model nope", 404),
        f"{STATUS}: GetModelStatusWithModelSpec",
    ),
    get(
        "status of an unknown version",
        f"{MODEL}/versions/9",
        error("Could not find version 9 of model conformance", 404),
        f"{STATUS}: GetModelStatusWithModelSpec",
    ),
    get(
        "metadata of the newest version",
        f"{MODEL}/metadata",
        _metadata(2, {"serving_default": HALF_PLUS, "pair": PAIR, "bytes": BYTES}),
        METADATA,
    ),
    get(
        "metadata of a version",
        f"{MODEL}/versions/1/metadata",
        _metadata(1, {"serving_default": HALF_PLUS}),
        f"{METADATA}; {ROUTES}: ToJsonString",
        ("version 1",),
    ),
    get(
        "metadata of a label",
        f"{MODEL}/labels/stable/metadata",
        _metadata(1, {"serving_default": HALF_PLUS}),
        f"{HANDLER}: ProcessModelMetadataRequest; {CORE}: ServableRequestFromModelSpec",
        ("version 1", "labels"),
    ),
    get(
        "metadata of an unknown model",
        "/v1/models/nope/metadata",
        error("Servable not found for request: Latest(nope)", 404),
        f"{MANAGER}: GetUntypedServableHandle",
    ),
    get(
        "metadata of an unknown version",
        f"{MODEL}/versions/9/metadata",
        error("Servable not found for request: Specific(conformance, 9)", 404),
        f"{MANAGER}: GetUntypedServableHandle",
    ),
    get(
        "metadata of an unknown label",
        f"{MODEL}/labels/nope/metadata",
        error("Unrecognized servable version label: nope"),
        f"{CORE}: GetModelVersionForLabel",
    ),
    post("the newest version predicts", ONE, predictions([3.5, 4.0, 5.5]), PREDICT),
    post(
        "a version predicts",
        ONE,
        predictions([2.5, 3.0, 4.5]),
        PREDICT,
        path=f"{MODEL}/versions/1:predict",
        needs=("version 1",),
    ),
    post(
        "a label predicts",
        ONE,
        predictions([2.5, 3.0, 4.5]),
        PREDICT,
        path=f"{MODEL}/labels/stable:predict",
        needs=("version 1", "labels"),
    ),
    post(
        "another label predicts",
        ONE,
        predictions([3.5, 4.0, 5.5]),
        PREDICT,
        path=f"{MODEL}/labels/canary:predict",
        needs=("labels",),
    ),
    post(
        "an unknown model",
        ONE,
        error("Servable not found for request: Latest(nope)", 404),
        NOT_FOUND,
        path="/v1/models/nope:predict",
    ),
    post(
        "an unknown version",
        ONE,
        error("Servable not found for request: Specific(conformance, 9)", 404),
        NOT_FOUND,
        path=f"{MODEL}/versions/9:predict",
    ),
    post(
        "an unknown version of an unknown model",
        ONE,
        error("Servable not found for request: Specific(nope, 50)", 404),
        NOT_FOUND,
        path="/v1/models/nope/versions/50:predict",
    ),
    post(
        "an unknown label",
        ONE,
        error("Unrecognized servable version label: nope"),
        LABELLED,
        path=f"{MODEL}/labels/nope:predict",
    ),
    post(
        "a label of an unknown model",
        ONE,
        error("Unrecognized servable version label: stable"),
        LABELLED,
        path="/v1/models/nope/labels/stable:predict",
    ),
]
