"""Work that threads do ahead of its use."""
import threading

import pytest

from keras_fixhead.data import ahead
from keras_fixhead.data.ahead import mapped_ahead


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(ahead, "cpu_count", lambda: 2)


def test_the_other_thread_goes_on_beyond_a_slow_item():
    reached = threading.Event()

    def work(number):
        if number == 32:
            reached.set()
        return reached.wait(10) if number == 0 else number

    assert list(mapped_ahead(work, range(40))) == [True, *range(1, 40)]


def test_only_some_items_are_taken_ahead():
    taken = []
    results = mapped_ahead(abs, (taken.append(number) or number for number in range(1000)))

    assert [next(results), next(results)] == [0, 1] and len(taken) == 34
    results.close()
    assert len(taken) == 34


def test_an_error_is_raised_in_its_place():
    results = mapped_ahead(lambda number: 1 // number, (1, 0))

    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
