"""Where the local server answers otherwise than TensorFlow Serving, by choice: the one list of it."""

from dataclasses import dataclass

from fixhead_serving.checks.conformance.case import Expect


@dataclass(frozen=True)
class Deviation:
    """What the local server answers to a case instead.

    Args:
        reason: why.
        expect: the answer that was chosen; anything else is a failure.
    """

    reason: str
    expect: Expect


_UNWRAPPED = "An integer that its type cannot hold is a mistake of the client's; wrapped, it is nonsense."
_EMPTY = "Models answer an empty batch with nonsense or an obscure error; it is refused before one runs."

# By the name of the case.
DEVIATIONS: dict[str, Deviation] = {
    "a version beyond 64 bits": Deviation(
        "TensorFlow Serving has a text for it, but sends an empty body; the text is sent.",
        Expect(400, error="Failed to convert version: 18446744073709551615 to numeric."),
    ),
    "an empty column": Deviation(
        _EMPTY, Expect(400, error="Input x is empty: its shape is [0]. Send at least one value.")
    ),
    "300 and -1 for uint8 wrap": Deviation(
        _UNWRAPPED, Expect(400, error="JSON Value: 300 Type: Number is not of expected type: uint8")
    ),
    "Inf for Infinity": Deviation(
        "NaN, Infinity and -Infinity are the tokens that the documentation names; no others are read.",
        Expect(400, error_has="JSON Parse error: Invalid value."),
    ),
    "the first of two equal names": Deviation(
        "Of equal names in an object the last counts, as in most parsers; JSON leaves it open.",
        Expect(json={"predictions": [4.0]}),
    ),
    "an output of text that is not UTF-8": Deviation(
        "TensorFlow Serving answers with a body that is not JSON. Bytes need an output whose name ends in `_bytes`.",
        Expect(400, error="Output y is text that is not UTF-8. Bytes need an output whose name ends in '_bytes'."),
    ),
    "bytes that are not UTF-8": Deviation(
        "JSON is UTF-8. Bytes are sent in base64.",
        Expect(400, error_has="JSON Parse error: Invalid encoding in string."),
    ),
}

# What has no case, because no request of the suite may stop a real server or wait for it.
BEYOND = (
    "Lists nested deeper than the parser's bound are refused with 400; they stop TensorFlow Serving.",
    "A body above the limit, also after decompression, is answered with 413; TensorFlow Serving has no limit but "
    "100 MiB for what gzip inflates.",
    "A batch above the limit is refused with 400; TensorFlow Serving has no limit.",
    "Rank and dimensions are compared with the signature before the model runs: 400 with a text of its own.",
    "Answers are not pretty-printed, and a quoted string in an error text is cut after 256 characters.",
    "Classify and regress check their examples, then say which signature they need; none is ever run.",
)
