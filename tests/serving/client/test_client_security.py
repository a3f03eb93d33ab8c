"""Tokens, certificates, and the lifetime of a client."""
import os
import shutil
import ssl
import subprocess
import sys
import time
import warnings

import httpx
import pytest
from test_client_connection import GOOD, STATUS, URL, Scripted, answers, http, is_silent, timed

from fixhead_serving.client import Client, Retries
from keras_fixhead.errors import ArgumentError, FixheadWarning

# Tokens and certificates


def test_the_token_is_sent_as_a_bearer_token():
    seen = []

    def handle(request):
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json=STATUS)

    for token in (None, "se-cret="):
        Client(URL, token=token, transport=httpx.MockTransport(handle)).status()
    assert seen == [None, "Bearer se-cret="]


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "é"])
def test_a_token_invalid_in_a_header_is_an_argument_error_that_does_not_show_it(token):
    with pytest.raises(ArgumentError, match="token") as caught:
        Client(URL, token=token)
    assert not token or token not in str(caught.value)


def test_sending_a_token_unencrypted_gives_a_warning():
    with pytest.warns(FixheadWarning, match=r"model\.example unencrypted") as caught:
        Client("http://model.example/v1/models/m", token="secret")
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client("https://model.example/v1/models/m", token="secret")
        Client(URL, token="secret")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Returns the files of a self-signed certificate for 127.0.0.1 and of its key."""
    folder = tmp_path_factory.mktemp("certificate")
    if not shutil.which("openssl"):
        pytest.skip("the certificate needs openssl, which is not installed; .ci/run counts this as NOT RUN")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True)  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def secure(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Scripted([answers(GOOD)], context) as server:
        yield server


def test_a_self_signed_certificate_is_trusted_if_it_is_given(secure, certificate):
    with Client(secure.url, ca_cert=certificate[0]) as client:
        assert client.status() == STATUS


def test_an_unknown_certificate_is_refused_with_a_hint(secure):
    with Client(secure.url) as client:
        timed(client.status, "^No secure connection to .*CERTIFICATE_VERIFY_FAILED.* --ca-cert FILE")


def test_tls_to_a_server_without_tls_is_reported():
    with Scripted([answers(http(400))]) as server, Client(server.url.replace("http:", "https:")) as client:
        timed(client.status, "^No secure connection to .* Does the server speak plain http://")


def test_plain_http_to_a_server_with_tls_is_a_one_line_error(secure):
    with Client(secure.url.replace("https:", "http:"), retries=Retries(most=1, first_seconds=0)) as client:
        timed(client.status, "dropped the connection")


@pytest.mark.parametrize("content", [None, "", "no certificate", b"\xff\x00"])
def test_an_invalid_certificate_file_is_an_argument_error(content, tmp_path):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ArgumentError, match=r"ca_cert='.*ca\.pem' cannot be read: .*PEM format"):
        Client("https://127.0.0.1/v1/models/m", ca_cert=file)


# The lifetime of a client


def test_a_closed_client_refuses_calls_and_may_be_closed_again():
    client = Client(URL)
    client.close()
    client.close()

    with pytest.raises(ArgumentError, match="This client is closed"):
        client.status()


def test_a_client_works_in_a_forked_process():
    with Scripted([answers(GOOD)]) as server:
        with Client(server.url) as client:
            client.status()  # the event loop of the parent is running
        child = os.fork()
        if not child:
            code = 1
            try:
                with Client(server.url, timeout=5) as client:
                    code = 0 if client.status() == STATUS else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_unclosed_client_does_not_keep_the_process_running():
    program = "import sys; from fixhead_serving.client import Client; print(Client(sys.argv[1]).status())"
    with Scripted([answers(GOOD)]) as server:
        done = subprocess.run([sys.executable, "-c", program, server.url], capture_output=True, text=True, timeout=30)

    assert done.returncode == 0 and done.stderr == "" and "AVAILABLE" in done.stdout


def test_an_interrupt_ends_a_call_immediately():
    """Uses its own process: Ctrl-C goes to the main thread."""
    program = "import sys; from fixhead_serving.client import Client; print('ready', flush=True); " \
              "Client(sys.argv[1], timeout=60).status()"
    with Scripted([is_silent]) as server:
        command = [sys.executable, "-c", program, server.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        while not server.connections:
            time.sleep(0.02)
        start = time.monotonic()
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)
        assert "KeyboardInterrupt" in errors and time.monotonic() - start < 5
