"""Signatures and a decoder for requests."""
import json

from fixhead_serving.protocol import decode_inputs, parse_predict
from fixhead_serving.specs import Signature, TensorSpec

IMAGES = Signature({"images": TensorSpec("DT_FLOAT", (None, 2, 3))}, {})
PAIR = Signature({"a": TensorSpec("DT_FLOAT", (None,)), "b": TensorSpec("DT_INT32", (None, 2))}, {})
TEXT = Signature({"image_bytes": TensorSpec("DT_STRING", (None,))}, {})
SCALAR = Signature({"x": TensorSpec("DT_FLOAT", ())}, {})
ANY_SIZE = Signature({"x": TensorSpec("DT_FLOAT", (None, None))}, {})


def of_type(dtype, rank=1):
    return Signature({"x": TensorSpec(dtype, (None,) * rank)}, {})


def decode(body, signature):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_inputs(parse_predict(body).document, signature)
