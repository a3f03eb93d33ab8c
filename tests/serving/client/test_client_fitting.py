"""How a server fits pictures, found by asking it."""
import base64
import json

import httpx
import numpy as np
import pytest
from PIL import Image

from fixhead_serving.client import Client
from fixhead_serving.client.fitting import forms, served_fit
from keras_fixhead.data.pictures import FITS, decode_picture, fit_picture

WEIGHTS = np.random.default_rng(0)


def network(height, width, scale=1.0, channels=3):
    kernel = scale * WEIGHTS.normal(size=(height * width * channels, 4)) / np.sqrt(height * width)
    return lambda images: {"logits": (np.asarray(images, float).reshape(len(images), -1) / 255) @ kernel}


def server(answers, fit_one, noise=0.0):
    def answer(files):
        found = answers(np.stack([fit_one(decode_picture(file, "")) for file in files]))
        return {"logits": found["logits"] + noise}
    return answer


@pytest.mark.parametrize("height, width", [(8, 8), (32, 32), (96, 64), (30, 90)])
@pytest.mark.parametrize("number, fit", list(enumerate(FITS)))
def test_each_way_is_recognized_also_if_answers_are_rounded(height, width, number, fit):
    answers, form = network(height, width), forms(height, width, 3)[number]
    spread = np.ptp(answers(WEIGHTS.integers(0, 256, (9, height, width, 3)))["logits"])

    for noise in (0.0, 1e-3 * spread):
        found = served_fit(height, width, 3, server(answers, lambda image: fit_picture(image, form), noise), answers)
        assert found == fit


def test_another_way_is_not_taken_for_a_known_one():
    answers = network(32, 32)

    def nearest(image):
        return np.asarray(Image.fromarray(image).transpose(Image.Transpose.ROTATE_90).resize((32, 32), 0))

    assert served_fit(32, 32, 3, server(answers, nearest), answers) is None
    assert served_fit(32, 32, 3, lambda files: {"class": np.zeros(2)}, answers) is None


def test_a_model_that_ignores_its_images_answers_the_same_in_every_way():
    answers = network(16, 16, scale=0.0)

    assert served_fit(16, 16, 3, server(answers, lambda image: image[:16, :16]), answers) == FITS[0]


@pytest.mark.parametrize("number, channels", [(0, 3), (1, 1), (2, 3)])
def test_a_client_asks_the_server(number, channels):
    answers, form = network(24, 40, channels=channels), forms(24, 40, channels)[number]
    shape = [{"size": str(size)} for size in (-1, 24, 40, channels)]
    metadata = {"metadata": {"signature_def": {"signature_def": {
        "serving_default": {"inputs": {"images": {"tensor_shape": {"dim": shape}}}}}}}}

    def handle(request):
        if request.url.path.endswith("/metadata"):
            return httpx.Response(200, json=metadata)
        body = json.loads(request.content)
        if body["signature_name"] == "serving_default":
            found = answers(np.array(body["inputs"]))
        else:
            found = server(answers, lambda image: fit_picture(image, form))(
                [base64.b64decode(each["b64"]) for each in body["inputs"]])
        outputs = {"logits": found["logits"].tolist(), "probabilities": found["logits"].tolist()}
        return httpx.Response(200, json={"outputs": outputs})

    with Client("http://127.0.0.1:8501/v1/models/pets", transport=httpx.MockTransport(handle)) as client:
        assert client.picture_form() == form
