import pytest

from fixhead_serving.client.answers import MalformedAnswer, image_shape_of


def metadata(*sizes, inputs=1):
    tensor = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": str(size)} for size in sizes]}}
    signature = {"inputs": {f"input{number}": tensor for number in range(inputs)}}
    return {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}


def test_the_image_size_of_a_served_model_is_in_its_metadata():
    assert image_shape_of(metadata(-1, 32, 48, 3)) == (32, 48, 3)


@pytest.mark.parametrize("content", [metadata(-1, 32, 32), metadata(-1, -1, 32, 3), metadata(-1, 32, 32, 3, inputs=2),
                                     metadata("x", 1, 1, 1), {"metadata": {"signature_def": {"signature_def": {}}}}])
def test_a_model_without_images_of_one_size_is_named(content):
    with pytest.raises(MalformedAnswer, match="does not take images of one size"):
        image_shape_of(content)
