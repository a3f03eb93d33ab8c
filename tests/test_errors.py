"""Errors survive being handed to another process."""
import copy
import pickle

import pytest

from keras_fixhead.errors import ArgumentError, RequestError


@pytest.mark.parametrize("error", [ArgumentError("a", hint="b"), RequestError("a", "b", status=404),
                                   RequestError("a", status=503)])
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_a_copy_of_an_error_says_the_same(error, again):
    found = again(error)

    assert type(found) is type(error) and str(found) == str(error) and vars(found) == vars(error)
