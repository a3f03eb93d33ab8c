"""Every hint of the client: produced in its situation, and followed."""
import json
import logging
import re
import ssl
import warnings
from pathlib import Path

import httpx
import numpy as np
import pytest
from hints import command_in, hint_of, leads_out, serving
from PIL import Image

from fixhead_serving.client import Client, Retries, connection, curl_line, find_pictures, read_label_names, read_picture
from fixhead_serving.client import pictures as pictures_module
from fixhead_serving.rest import create_app
from fixhead_serving.server import Limits, ModelServer
from keras_fixhead.errors import ArgumentError, DataError, RequestError, ServingError

TLS = Path(__file__).with_name("tls")
URL = "http://127.0.0.1:8501/v1/models/tiny"
GOOD = {"model_version_status": [{"version": "2", "state": "AVAILABLE"}]}


@pytest.fixture(autouse=True)
def _no_progress_of_earlier_commands(monkeypatch):
    monkeypatch.setattr(logging.getLogger("fixhead_serving"), "handlers", [])


@pytest.fixture
def picture(tmp_path, images):
    Image.fromarray(images[0]).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def answering(*answers):
    """Returns a client that gets these answers in order, and the last one from then on."""
    left = list(answers)

    def answer(request):
        status, content, headers = left.pop(0) if len(left) > 1 else left[0]
        return httpx.Response(status, json=content, headers=headers)

    return Client(URL, transport=httpx.MockTransport(answer), retries=Retries(most=0))


@leads_out("Start one: fixhead serve DIR",
           "Is this the address of a model server? `fixhead serve` prints its address when it starts.",
           "Model names are case-sensitive; `fixhead serve` prints the address of each model when it starts.")
def test_the_address_printed_by_serve_fixes_a_wrong_one(fixhead, served, base_path, picture, monkeypatch):
    hint = hint_of(fixhead("predict", "http://127.0.0.1:1/v1/models/tiny", picture))
    printed = []
    with serving(create_app(ModelServer([served]))) as origin:
        def serve(sources, config, *, on_ready, **options):
            on_ready([f"{origin}/v1/models/{source.name}" for source in sources])

        monkeypatch.setattr("fixhead_serving.process.serve", serve)
        line = fixhead(*command_in(hint, DIR=base_path).split()[1:]).out
        printed.append(line.split()[-1])
        assert "case-sensitive" in hint_of(fixhead("predict", f"{origin}/v1/models/Tiny", picture))
        assert fixhead("predict", printed[0], picture).code == 0

    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>"})

    with serving(page) as other:
        assert hint_of(fixhead("predict", f"{other}/v1/models/tiny", picture)).startswith("Is this the address")


@leads_out("Pass the server's token: --token, or $FIXHEAD_TOKEN.")
def test_a_token_can_be_given_in_both_ways(fixhead, served, picture, monkeypatch):
    monkeypatch.delenv("FIXHEAD_TOKEN", raising=False)
    with serving(create_app(ModelServer([served]), token="right")) as origin:
        url = f"{origin}/v1/models/tiny"
        assert hint_of(fixhead("predict", url, picture)) == "Pass the server's token: --token, or $FIXHEAD_TOKEN."
        assert fixhead("predict", url, picture, "--token", "right").code == 0
        monkeypatch.setenv("FIXHEAD_TOKEN", "right")
        assert fixhead("predict", url, picture).code == 0


@leads_out("The server accepts your token, but does not allow this. Ask whoever runs it.",
           "The server is busy or still loading....", "It redirects to ...",
           "The model took longer than the server allows. Send fewer pictures at once, or raise --timeout-seconds "
           "there.")
@pytest.mark.parametrize("status, headers, hint", [
    (403, {}, "Ask whoever runs it"),
    (503, {}, "Try again later"),
    (429, {}, "Try again later"),
    (301, {"location": "https://elsewhere.example/v1/models/tiny"}, "It redirects to https://elsewhere.example/"),
    (504, {}, "Send fewer pictures at once"),
])
def test_server_side_problems_pass_once_fixed_on_the_server(status, headers, hint):
    client = answering((status, {"error": "no"}, headers), (200, GOOD, {}))
    with pytest.raises(RequestError, match=hint):
        client.status()

    assert client.status() == GOOD
    if status == 301:
        assert connection.checked_url(headers["location"])
    if status == 504:
        from fixhead_cli.commands.serve import command

        assert "--timeout-seconds" in {name for each in command.params for name in each.opts}


@leads_out("Send a smaller picture, or raise the server's limit: see fixhead serve --help")
def test_a_picture_above_a_limit_passes_if_reduced_or_with_a_higher_limit(fixhead, served, tmp_path):
    Image.new("RGB", (200, 200)).save(tmp_path / "large.png")
    Image.new("RGB", (50, 50)).save(tmp_path / "small.png")
    with serving(create_app(ModelServer([served], limits=Limits(picture_pixels=10_000)))) as origin:
        hint = hint_of(fixhead("predict", f"{origin}/v1/models/tiny", tmp_path / "large.png"))
        assert fixhead("predict", f"{origin}/v1/models/tiny", tmp_path / "small.png").code == 0
    assert "--max-picture-pixels" in fixhead(*command_in(hint).split()[1:]).out
    with serving(create_app(ModelServer([served], limits=Limits(picture_pixels=40_000)))) as origin:
        assert fixhead("predict", f"{origin}/v1/models/tiny", tmp_path / "large.png").code == 0


@leads_out("Raise the timeout (--timeout), or send fewer pictures at once (--batch-size).",
           "Send fewer pictures at once (--batch-size).")
def test_two_options_limit_the_time_and_size_of_an_answer(fixhead, images, tmp_path, monkeypatch):
    import asyncio

    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")

    async def slow(scope, receive, send):
        """Takes a tenth of a second and a kilobyte per picture."""
        body = b""
        while (message := await receive()).get("body") is not None:
            body += message["body"]
            if not message.get("more_body"):
                break
        count = body.count(b"b64")
        await asyncio.sleep(0.1 * count)
        answer = json.dumps({"outputs": {"label": ["cat"] * count, "class_index": [0] * count,
                                         "probabilities": [[1.0] + [0.0] * 200] * count}}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    with serving(slow) as origin:
        ask = ("predict", f"{origin}/v1/models/tiny", tmp_path, "--quiet")
        assert hint_of(fixhead(*ask, "--timeout", 0.3)).startswith("Raise the timeout")
        assert fixhead(*ask, "--timeout", 30).code == 0
        assert fixhead(*ask, "--timeout", 0.3, "--batch-size", 1).code == 0
        monkeypatch.setattr(connection, "ANSWER_LIMIT_BYTES", 2000)
        assert hint_of(fixhead(*ask)).startswith("Send fewer pictures at once")
        assert fixhead(*ask, "--batch-size", 1).code == 0


@leads_out("If the certificate is signed by your own authority, pass the authority's: --ca-cert FILE.",
           "Does the server speak plain http://?",
           "Does the server expect https://? Otherwise its log may say why.",
           "Expected a file of certificates in PEM format.")
def test_tls_and_plain_http_mismatches_are_recognised(fixhead, served, picture, tmp_path):
    app = create_app(ModelServer([served]))
    with serving(app, ssl_certfile=TLS / "cert.pem", ssl_keyfile=TLS / "key.pem") as origin:
        url = f"{origin}/v1/models/tiny"
        hint = hint_of(fixhead("predict", url, picture))
        option = re.search(r"--ca-cert FILE", hint)[0].replace("FILE", str(TLS / "cert.pem")).split()
        assert fixhead("predict", url, picture, *option).code == 0
        plain = hint_of(fixhead("predict", url.replace("https:", "http:"), picture, "--timeout", 3))
        assert plain.startswith("Does the server expect https://")
        (tmp_path / "ca.pem").write_text("no certificate")
        assert hint_of(fixhead("predict", url, picture, "--ca-cert", tmp_path / "ca.pem")) == (
            "Expected a file of certificates in PEM format.")
    with serving(app) as origin:
        url = f"{origin}/v1/models/tiny"
        hint = hint_of(fixhead("predict", url.replace("http:", "https:"), picture))
        assert hint == "Does the server speak plain http://?"
        assert fixhead("predict", url, picture).code == 0
    assert ssl.create_default_context(cafile=TLS / "cert.pem")


@leads_out("Create a new one, or use it inside its with block.",
           "Expected letters, digits and punctuation, without spaces.",
           "The model has no '...'; it has ....", "Versions served: ...")
def test_a_client_in_python_works_after_following_its_hints(served, images):
    with serving(create_app(ModelServer([served]))) as origin:
        url = f"{origin}/v1/models/tiny"
        with Client(url) as client:
            with pytest.raises(RequestError) as caught:
                client.predict_images(images, signature="no")
            name = re.search(r"it has '(\w+)'", caught.value.hint)[1]
            assert client.predict_images(images, signature=name)
        with pytest.raises(ArgumentError, match="Create a new one"):
            client.status()
        with Client(url) as client:
            assert client.status()
        with Client(f"{url}/versions/9") as client, pytest.raises(RequestError) as caught:
            client.predict_images(images)
        version = caught.value.hint.removeprefix("Versions served: ").rstrip(".")
        with Client(f"{url}/versions/{version}") as client:
            assert client.predict_images(images)
    with pytest.raises(ArgumentError, match="Expected letters, digits and punctuation, without spaces"):
        Client(url, token="two words")
    assert Client(url, token="two-words")


@leads_out("Is it a picture?", "Make it smaller first; a model sees far less of it.",
           "Known extensions: ...",
           "Save it upright first, or predict without --curl.", "Save it as PNG first, or predict without --curl.",
           "Expected one class name per line.")
def test_files_are_accepted_after_following_their_hints(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures_module, "FILE_LIMIT_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(bytes(1001))
    with pytest.raises(DataError, match=r"Is it a picture\?"):
        read_picture(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(bytes(10))
    with pytest.raises(DataError, match="Give a PNG, JPEG, BMP, GIF, WebP, TIFF or AVIF file"):
        read_picture(tmp_path / "a.png")
    for form in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "AVIF"):
        Image.new("RGB", (4, 4)).save(tmp_path / "a.png", form)
        assert read_picture(tmp_path / "a.png")
    with monkeypatch.context() as patched, warnings.catch_warnings():
        patched.setattr(Image, "MAX_IMAGE_PIXELS", 15)
        with pytest.raises(DataError, match="Make it smaller first"):
            read_picture(tmp_path / "a.png")
        Image.new("RGB", (3, 3)).save(tmp_path / "a.png")
        assert read_picture(tmp_path / "a.png")

    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError) as caught:
        find_pictures([tmp_path / "folder"])
    for ending in caught.value.hint.removeprefix("Known extensions: ").rstrip(".").split(", "):
        (tmp_path / "folder" / f"a{ending}").touch()
        assert find_pictures([tmp_path / "folder"])

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(tmp_path / "turned.png", exif=exif)
    with pytest.raises(ArgumentError, match="Save it upright first, or predict without --curl"):
        curl_line(URL, [tmp_path / "turned.png"])
    (tmp_path / "upright.png").write_bytes(read_picture(tmp_path / "turned.png"))
    assert curl_line(URL, [tmp_path / "upright.png"])
    Image.new("RGB", (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(ArgumentError, match="Save it as PNG first, or predict without --curl"):
        curl_line(URL, [tmp_path / "a.tif"])
    Image.open(tmp_path / "a.tif").save(tmp_path / "saved.png")
    assert curl_line(URL, [tmp_path / "saved.png"])

    for content in (b"\xff", b"cat\n\ndog\n"):
        (tmp_path / "labels.txt").write_bytes(content)
        with pytest.raises(DataError, match="Expected one class name per line"):
            read_label_names(tmp_path / "labels.txt")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert read_label_names(tmp_path / "labels.txt") == ["cat", "dog"]
    assert issubclass(RequestError, ServingError)
