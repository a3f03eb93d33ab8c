"""The requests of the campaign and how answers are judged, and a short campaign against our server process."""

import json
import sys
from pathlib import Path

import pytest

from keras_fixhead.json_files import read_json

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import campaign  # noqa: E402
import mutations  # noqa: E402
from mutations import KINDS, Draft, Sent, make_request  # noqa: E402

NUMBERS = range(2000)


@pytest.fixture(scope="module")
def requests():
    return [make_request(3, number) for number in NUMBERS]


def test_a_request_depends_only_on_seed_and_number(requests):
    assert [make_request(3, number) for number in NUMBERS[::50]] == requests[::50]
    assert make_request(4, 1) != make_request(3, 1)


def test_all_kinds_occur_and_every_twentieth_request_is_a_sentinel(requests):
    assert {sent.kind for sent in requests} == {*KINDS, "sentinel"}
    assert [number for number, sent in enumerate(requests) if sent.expected is not None] == list(NUMBERS[::20])


def test_all_requests_except_invalid_http_are_framed(requests):
    for sent in requests:
        assert sent.framed == (sent.kind != "not HTTP")
        if sent.framed:
            head, _, body = sent.wire.partition(b"\r\n\r\n")
            assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")


def test_valid_requests_are_valid():
    for number in range(200):
        body = mutations._valid(mutations.random.Random(number)).wire.partition(b"\r\n\r\n")[2]
        assert {"signature_name"} < json.loads(body).keys()


SENTINEL = Draft("/", b"").sent("sentinel", {"predictions": [1.0]})
PLAIN = Draft("/", b"").sent("valid")


@pytest.mark.parametrize(
    "sent, status, body",
    [
        (PLAIN, None, b""),
        (PLAIN, 500, b'{"error": "x"}'),
        (PLAIN, 503, b'{"error": "x"}'),
        (PLAIN, 504, b'{"error": "x"}'),
        (PLAIN, 400, b""),
        (PLAIN, 400, b"Invalid HTTP request received."),
        (SENTINEL, 200, b'{"predictions": [2.0]}'),
        (SENTINEL, 400, b'{"error": "x"}'),
        (SENTINEL, None, b""),
        (Sent("not HTTP", b"", framed=False), 500, b""),
    ],
)
def test_undocumented_answers_are_faults(sent, status, body):
    assert campaign.judge(sent, status, body)


@pytest.mark.parametrize(
    "sent, status, body",
    [
        (PLAIN, 200, b'{"predictions": []}'),
        (PLAIN, 400, b'{"error": "x"}'),
        (PLAIN, 404, b"<html></html>"),
        (SENTINEL, 200, b'{"predictions": [1.0]}'),
        (Sent("not HTTP", b"", framed=False), None, b""),
        (Sent("not HTTP", b"", framed=False), 400, b"Invalid HTTP request received."),
    ],
)
def test_documented_answers_are_not_faults(sent, status, body):
    assert campaign.judge(sent, status, body) is None


def test_a_server_that_is_gone_is_a_fault_on_every_connection():
    tally = campaign.run_campaign("http://127.0.0.1:1", range(1, 5), 0)

    assert len(tally.faults) == 4 and "no connection" in tally.faults[0]


def test_the_stored_result_is_a_complete_campaign_without_faults():
    result = read_json(ROOT / "results" / "checks" / "campaign.json", schema=campaign.SCHEMA)
    assert result["requests"] == 100_000 and result["faults"] == []
    assert result["reached_a_model"] >= campaign.REACHED * result["requests"]
    assert {int(status) for status in result["statuses"]} <= campaign.DOCUMENTED.keys()


@pytest.mark.slow
def test_a_short_campaign_finds_no_faults():
    result = campaign.campaign(2000, 1)

    assert result["faults"] == [] and result["sentinels"] == 100
