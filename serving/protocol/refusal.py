"""What a request is refused with, and TensorFlow's error codes as HTTP statuses."""

from keras_fixhead.errors import RequestError

# HTTP status of each error code of TensorFlow (and gRPC).
HTTP_STATUS = {
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


class Refusal(RequestError):
    """A request to be answered with an HTTP error.

    Args:
        text: what goes into the answer's `error`.
        status: the HTTP status code.
    """

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text, status=status)
