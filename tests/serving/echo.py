"""A model that is a plain function, and its URL path."""
from fixhead_serving.server import LoadedVersion, ServedModel
from fixhead_serving.specs import Signature, TensorSpec

ECHO = Signature({"x": TensorSpec("DT_FLOAT", (None,))}, {"y": TensorSpec("DT_FLOAT", (None,))})
PREDICT = "/v1/models/echo:predict"


def echo_model(call=lambda name, inputs: {"y": inputs["x"]}, versions=(1,), labels=None, **fields):
    loaded = {number: LoadedVersion(number, {"serving_default": ECHO}, call, **fields) for number in versions}
    return ServedModel("echo", loaded, labels or {})
