"""What the core refuses, in no protocol's terms: each protocol maps these kinds to codes of its own.

    Refused                  a request that is not answered with arrays
    ├── InvalidRequest       its inputs, or what it asks for, do not fit the model or the limits
    ├── ModelNotFound        the model or version is not loaded
    ├── TooLarge             a picture is beyond a limit
    ├── TooManyRequests      the server has its hands full; the same request may succeed later
    ├── TimedOut             there was no answer in time
    └── ModelFailed          the model itself refused the inputs, or failed on them

Texts that TensorFlow Serving has as well are its own, word for word.
"""
from keras_fixhead.errors import ServingError


class Refused(ServingError):
    """A request that is not answered with arrays."""


class InvalidRequest(Refused):
    """The inputs, or what is asked for, do not fit the model or the limits."""


class ModelNotFound(Refused):
    """The model, or the version of it, is not loaded."""


class TooLarge(Refused):
    """A picture is beyond a limit."""


class TooManyRequests(Refused):
    """As many requests as allowed are in flight already."""


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
