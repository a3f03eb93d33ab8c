"""The progress bar on a terminal."""
import io
import sys

import pytest

from fixhead_cli import progress
from fixhead_cli.progress import ERASE, ProgressBar, progress_bars


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_is_shown_only_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert [type(each) for each in progress_bars(3, quiet=False)] == [ProgressBar]
    assert progress_bars(3, quiet=True) == []
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress_bars(3, quiet=False) == []


def test_the_bar_shows_steps_values_and_remaining_time_and_is_erased(monkeypatch):
    """One second per step, two epochs of four steps: after the second step, two and four more remain."""
    terminal, now = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    (bar,) = progress_bars(2, quiet=False)
    bar.set_params({"steps": 4})
    bar.on_epoch_begin(0)
    for step in range(2):
        now[0] += 1
        bar.on_train_batch_end(step, {"loss": 1.5, "accuracy": 0.25, "cross_entropy": 1.0})
    shown = terminal.getvalue().split(ERASE)[-1]

    assert shown == "epoch 1/2 [############............] 2/4  loss 1.5000  accuracy 0.2500  6 s left"
    bar.on_epoch_end(0)
    assert terminal.getvalue().endswith(ERASE) and "\n" not in terminal.getvalue()


@pytest.mark.parametrize("steps", [3, 30])
def test_the_bar_is_drawn_at_most_ten_times_per_second(monkeypatch, steps):
    terminal, now = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    (bar,) = progress_bars(1, quiet=False)
    bar.set_params({"steps": steps})
    bar.on_epoch_begin(0)
    for step in range(steps):
        now[0] += 0.3 / steps
        bar.on_train_batch_end(step, {"loss": 1.0})

    assert terminal.getvalue().count("epoch 1/1") in (2, 3)
