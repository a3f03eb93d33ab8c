"""Arrays are checked against the signature before a model runs: a wrong rank could crash the process."""
import numpy as np
import pytest

from fixhead_serving.server.limits import Limits
from fixhead_serving.server.refusals import InvalidRequest, TooLarge
from fixhead_serving.server.request_checks import check_limits, check_shapes
from fixhead_serving.specs import Signature, TensorSpec

IMAGES = Signature({"images": TensorSpec("DT_FLOAT", (None, 2, 3))}, {})
SCALAR = Signature({"x": TensorSpec("DT_FLOAT", ())}, {})
ANY_SIZE = Signature({"x": TensorSpec("DT_FLOAT", (None, None))}, {})
ANY_RANK = Signature({"x": TensorSpec("DT_FLOAT", None)}, {})
TEXT = Signature({"s": TensorSpec("DT_STRING", (None,))}, {})


def zeros(signature, shape):
    return {name: np.zeros(shape, np.float32) for name in signature.inputs}


@pytest.mark.parametrize(
    "signature, shape, text",
    [
        (IMAGES, (2,), "Shape of input images [2] is not compatible with expected shape [?,2,3]."),
        (IMAGES, (), "Shape of input images [] is not compatible with expected shape [?,2,3]."),
        (IMAGES, (1,), "Shape of input images [1] is not compatible with expected shape [?,2,3]."),
        (IMAGES, (1, 2, 2), "Shape of input images [1,2,2] is not compatible with expected shape [?,2,3]."),
        (SCALAR, (1,), "Shape of input x [1] is not compatible with expected shape []."),
        (IMAGES, (0,), "Input images is empty: its shape is [0]. Send at least one value."),
        (ANY_SIZE, (2, 0), "Input x is empty: its shape is [2,0]. Send at least one value."),
        (ANY_RANK, (1, 0, 3), "Input x is empty: its shape is [1,0,3]. Send at least one value."),
    ],
)
def test_a_shape_that_does_not_match_the_signature_is_refused(signature, shape, text):
    with pytest.raises(InvalidRequest) as caught:
        check_shapes(zeros(signature, shape), signature)

    assert caught.value.what == text


@pytest.mark.parametrize(
    "signature, shape", [(IMAGES, (5, 2, 3)), (SCALAR, ()), (ANY_SIZE, (1, 7)), (ANY_RANK, (1,) * 9)]
)
def test_a_shape_that_matches_the_signature_is_accepted(signature, shape):
    check_shapes(zeros(signature, shape), signature)


@pytest.mark.parametrize("shape, fits", [((3, 2, 3), True), ((4, 2, 3), False)])
def test_the_batch_is_limited_if_the_signature_accepts_any_size(shape, fits):
    fixed = Signature({"images": TensorSpec("DT_FLOAT", shape)}, {})
    assert check_limits(zeros(fixed, shape), fixed, Limits(batch=3)) == 0  # the fixed size of the model
    if fits:
        assert check_limits(zeros(IMAGES, shape), IMAGES, Limits(batch=3)) == 0
    else:
        with pytest.raises(InvalidRequest, match=r"^Input images has a batch of 4\. Expected at most 3\.$"):
            check_limits(zeros(IMAGES, shape), IMAGES, Limits(batch=3))


def test_the_number_of_pixels_in_pictures_is_limited():
    gif = b"GIF89a" + bytes([4, 0, 3, 0])
    inputs = {"s": np.array([gif, b"text", gif], object)}

    assert check_limits(inputs, TEXT, Limits()) == 24
    with pytest.raises(TooLarge, match="decode to 24 pixels together"):
        check_limits(inputs, TEXT, Limits(request_pixels=23))
