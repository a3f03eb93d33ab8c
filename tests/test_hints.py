"""Every hint is produced by a test in its situation, and followed: those tests are in files named test_hints_*.py."""
import pytest
from hints import ROOMS, followed, hints_in_source

HINTS = list(hints_in_source())


@pytest.mark.parametrize("room", ROOMS)
def test_every_hint_is_followed_by_a_test(room):
    pieces = followed()

    assert not [(place, text) for text, place in HINTS
                if place.startswith(f"{room}/") and not any(piece in text for piece in pieces)]


def test_no_test_follows_a_hint_that_does_not_exist():
    assert not [piece for piece in followed() if not any(piece in text for text, _ in HINTS)]


def test_hints_are_found_in_every_form():
    texts = {text for text, _ in HINTS}

    assert len(HINTS) > 400
    assert texts >= {"Give a new folder, or remove it first.",  # a constant
                     "Leave --image-size out.",  # one of two
                     "Make one: openssl rand -hex 32 > FILE",  # of a type of paths
                     "Pass the server's token: --token, or $FIXHEAD_TOKEN.",  # in a table
                     "Send fewer pictures at once (--batch-size).",  # a variable
                     "Serve its parent: fixhead serve ..."}  # what a function returns
