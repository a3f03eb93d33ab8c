"""The refusal of a request."""

from keras_fixhead.errors import RequestError


class Refusal(RequestError):
    """A request to be answered with an HTTP error.

    Args:
        text: the answer's `error`.
        status: the HTTP status code.
    """

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text, status=status)
