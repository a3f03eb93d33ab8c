"""How a server fits pictures, found by asking it."""
import base64
import dataclasses
import json

import httpx
import numpy as np
import pytest
from PIL import Image

from fixhead_serving.client import Client
from fixhead_serving.client.fitting import forms, served_decoding, served_fit
from keras_fixhead.data.pictures import FITS, PictureForm, decode_picture, fit_picture, picture_array
from keras_fixhead.data.reduced import DECODINGS

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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("height, width", [(8, 8), (24, 40), (224, 224)])
def test_both_ways_to_decode_are_recognized_also_if_answers_are_rounded(height, width, channels):
    answers, form = network(height, width, channels=channels), PictureForm(height, width, channels=channels)
    spread = np.ptp(answers(WEIGHTS.integers(0, 256, (9, height, width, channels)))["logits"])
    for decoding in DECODINGS:
        own = dataclasses.replace(form, decoding=decoding)

        def answers_to_files(files, own=own):
            return {"logits": answers(np.stack([picture_array(file, "", own) for file in files]))["logits"]
                    + 1e-3 * spread}

        assert served_decoding(form, answers_to_files, answers) == own


@pytest.mark.parametrize("decoding", DECODINGS)
@pytest.mark.parametrize("number, channels", [(0, 3), (1, 1), (2, 3)])
def test_a_client_asks_the_server(tmp_path, number, channels, decoding):
    answers, form = network(24, 40, channels=channels), forms(24, 40, channels)[number]
    form = dataclasses.replace(form, decoding=decoding)
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
            files = [base64.b64decode(each["b64"]) for each in body["inputs"]]
            found = answers(np.stack([picture_array(file, "", form) for file in files]))
        outputs = {"logits": found["logits"].tolist(), "probabilities": found["logits"].tolist()}
        return httpx.Response(200, json={"outputs": outputs})

    with Client("http://127.0.0.1:8501/v1/models/pets", transport=httpx.MockTransport(handle)) as client:
        assert client.picture_form() == form
        for kind in ("jpeg", "png"):
            picture, exif = Image.new("RGB", (90, 60)), Image.Exif()
            exif[0x0112] = 6
            picture.save(tmp_path / "turned", kind, exif=exif)
            stays = kind == "jpeg" and decoding == "reduced"
            assert (client.read_picture(tmp_path / "turned") == (tmp_path / "turned").read_bytes()) == stays
