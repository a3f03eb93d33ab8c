"""HTTP status codes for the core's refusals and TensorFlow's error codes, and their names in the metrics."""
from fixhead_serving.server import refusals
from fixhead_serving.server.refusals import ModelFailed, Refused

_OF_KINDS: dict[type[Refused], int] = {
    refusals.InvalidRequest: 400,
    refusals.ModelNotFound: 404,
    refusals.TooLarge: 413,
    refusals.TooManyRequests: 429,
    refusals.TimedOut: 504,
}

# The HTTP status of each error code of TensorFlow (and gRPC), as TensorFlow Serving maps them.
_OF_CODES = {
    0: 200,  # OK
    1: 499,  # CANCELLED
    2: 500,  # UNKNOWN
    3: 400,  # INVALID_ARGUMENT
    4: 504,  # DEADLINE_EXCEEDED
    5: 404,  # NOT_FOUND
    6: 409,  # ALREADY_EXISTS
    7: 403,  # PERMISSION_DENIED
    8: 429,  # RESOURCE_EXHAUSTED
    9: 400,  # FAILED_PRECONDITION
    10: 409,  # ABORTED
    11: 400,  # OUT_OF_RANGE
    12: 501,  # UNIMPLEMENTED
    13: 500,  # INTERNAL
    14: 503,  # UNAVAILABLE
    15: 500,  # DATA_LOSS
    16: 401,  # UNAUTHENTICATED
}

# The name of TensorFlow's error code behind each HTTP status.
STATUS_NAMES = {
    200: "OK", 400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "OUT_OF_RANGE", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED",
    500: "INTERNAL", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def http_status(refused: Refused) -> int:
    """Returns the HTTP status for a refusal of the core.

    Example:
        >>> http_status(refusals.TimedOut("No answer within 1 seconds.")), http_status(ModelFailed("", code=3))
        (504, 400)
    """
    if isinstance(refused, ModelFailed):
        status = _OF_CODES.get(refused.code, 500)
        return 500 if status == 499 else status  # the client did not cancel
    return _OF_KINDS[type(refused)]
