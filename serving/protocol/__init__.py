"""TensorFlow Serving's REST protocol as plain functions: routes, request bodies, answers, error texts.

    (method, path) -> parse_route -> Route
    body -> parse_predict -> PredictBody -> decode_inputs -> Inputs -> the model -> encode_outputs -> body

Nothing here runs a model or a server, and neither TensorFlow nor a web framework is imported. Whatever a client
sends, these functions either return or raise `Refusal`, which has the HTTP status and text of the answer.
Texts, statuses and the order of checks are TensorFlow Serving's.

Differs from TensorFlow Serving, so that no request can crash the process or get a meaningless answer: shapes are
compared with the signature before the model runs, empty batches are refused, the parser limits nesting, text must be
valid UTF-8, and integers out of the input type's range are refused instead of wrapped. All visible differences are
listed in `fixhead_serving.checks.conformance.DEVIATIONS`.
"""

from fixhead_serving.protocol.answers import encode_outputs, error_body, metadata_body, status_body
from fixhead_serving.protocol.examples import examples_refusal, parse_examples
from fixhead_serving.protocol.refusal import Refusal
from fixhead_serving.protocol.requests import Inputs, PredictBody, decode_inputs, parse_predict
from fixhead_serving.protocol.routes import Action, Route, parse_picture_route, parse_route

__all__ = [
    "Action",
    "Inputs",
    "PredictBody",
    "Refusal",
    "Route",
    "decode_inputs",
    "encode_outputs",
    "error_body",
    "examples_refusal",
    "metadata_body",
    "parse_examples",
    "parse_picture_route",
    "parse_predict",
    "parse_route",
    "status_body",
]
