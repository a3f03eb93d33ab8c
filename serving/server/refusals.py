"""The core's refusals, independent of any protocol: each protocol maps these kinds to its own codes.

    Refused                  a request that is not answered with arrays
    ├── InvalidRequest       the inputs or the request do not fit the model or the limits
    ├── ModelNotFound        the model or version is not loaded
    ├── TooLarge             a picture exceeds a limit
    ├── TooManyRequests      the server is busy; the same request may succeed later
    ├── TimedOut             there was no answer in time
    └── ModelFailed          the model itself refused the inputs, or failed on them

Where TensorFlow Serving has a text for the same refusal, it is used word for word.
"""
from keras_fixhead.errors import ServingError


class Refused(ServingError):
    """A request that is not answered with arrays."""


class InvalidRequest(Refused):
    """The inputs or the request do not fit the model or the limits."""


class ModelNotFound(Refused):
    """The model or the version is not loaded."""


class TooLarge(Refused):
    """A picture exceeds a limit."""


class TooManyRequests(Refused):
    """The largest allowed number of requests is already in flight."""


class TimedOut(Refused):
    """There was no answer in time."""


class ModelFailed(Refused):
    """The model refused the inputs, or failed on them.

    Args:
        what: the reason.
        code: the number of TensorFlow's error code, such as 3 for INVALID_ARGUMENT.
    """

    def __init__(self, what: str, *, code: int) -> None:
        super().__init__(what)
        self.code = code
