"""The only list of cases in which the local server deliberately answers differently from TensorFlow Serving."""

from dataclasses import dataclass

from fixhead_serving.checks.conformance.case import Expect


@dataclass(frozen=True)
class Deviation:
    """The local server's own answer to a case.

    Args:
        reason: why.
        expect: the chosen answer; anything else is a failure.
    """

    reason: str
    expect: Expect


_UNWRAPPED = "An integer outside its type's range is a mistake by the client; a wrapped value would be meaningless."
_EMPTY = "Models answer an empty batch with nonsense or an obscure error; it is refused before the model runs."

DEVIATIONS: dict[str, Deviation] = {
    "a version beyond 64 bits": Deviation(
        "TensorFlow Serving has a text for this, but sends an empty body; we send the text.",
        Expect(400, error="Failed to convert version: 18446744073709551615 to numeric."),
    ),
    "an empty column": Deviation(
        _EMPTY, Expect(400, error="Input x is empty: its shape is [0]. Send at least one value.")
    ),
    "300 and -1 for uint8 wrap": Deviation(
        _UNWRAPPED, Expect(400, error="JSON Value: 300 Type: Number is not of expected type: uint8")
    ),
    "Inf for Infinity": Deviation(
        "The documentation names the tokens NaN, Infinity and -Infinity; we accept no others.",
        Expect(400, error_has="JSON Parse error: Invalid value."),
    ),
    "the first of two equal names": Deviation(
        "If a name occurs twice in an object, the last one counts, as in most parsers; JSON does not specify it.",
        Expect(json={"predictions": [4.0]}),
    ),
    "an output of text that is not UTF-8": Deviation(
        "TensorFlow Serving answers with invalid JSON. Bytes need an output whose name ends in `_bytes`.",
        Expect(400, error="Output y is text that is not UTF-8. Bytes need an output whose name ends in '_bytes'."),
    ),
    "bytes that are not UTF-8": Deviation(
        "JSON must be UTF-8. Bytes are sent in base64.",
        Expect(400, error_has="JSON Parse error: Invalid encoding in string."),
    ),
}
"""Deliberate differences from TensorFlow Serving, by name of the case."""

BEYOND = (
    "Lists nested more deeply than the limit are refused with 400; they crash TensorFlow Serving.",
    "An animated WebP is refused with 400, for any model; TensorFlow's decoder writes beyond the end of its memory.",
    "A body above the limit, before or after decompression, is answered with 413; TensorFlow Serving only limits "
    "decompressed gzip bodies, to 100 MiB.",
    "A batch above the limit is refused with 400; TensorFlow Serving has no limit.",
    "Rank and dimensions are compared with the signature before the model runs: 400 with our own text.",
    "Answers are not pretty-printed, and a quoted string in an error text is cut after 256 characters.",
    "Classify and regress requests are checked, then refused with a text that names the signature they need.",
    "A path that TensorFlow Serving does not have, POST /v1/models/NAME:classify-picture (and with /versions/N or "
    "/labels/L), takes one picture as the body or as a file of a form; TensorFlow Serving answers it with 400.",
)
"""Differences from TensorFlow Serving that no case tests, because no request of the suite may crash a real server
or wait for it."""
