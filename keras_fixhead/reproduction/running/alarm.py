"""Stopping in time: a deadline, SIGTERM, and SIGINT in the background all interrupt like Ctrl-C."""
import signal
import time
from collections.abc import Callable
from typing import Any

GRACE_SECONDS = 20.0  # before the limit, for the checkpoint of a run that must stop


class Alarm:
    """Interrupts the process like Ctrl-C, shortly before a deadline: a training then writes a checkpoint and stops.

    SIGTERM interrupts it too, and so does SIGINT in a process that was started in the background, where it is ignored.

    Attributes:
        rung: whether the alarm has gone off.
        terminated: whether SIGTERM has arrived.
    """

    def __init__(self, deadline: float | None) -> None:
        self.rung = self.terminated = False
        self._deadline = deadline
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Alarm":
        self._before = {signal.SIGTERM: signal.signal(signal.SIGTERM, self._terminate)}
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as `nohup ... &` starts a process
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
        if (left := self.seconds_left()) is not None:
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, max(0.1, left))  # not before the caller can handle it
        return self

    def __exit__(self, *_: object) -> None:
        if self._deadline is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def seconds_left(self) -> float | None:
        """Returns the seconds until the alarm; None if there is no deadline."""
        return None if self._deadline is None else self._deadline - GRACE_SECONDS - time.monotonic()

    def _ring(self, number: int, frame: Any) -> None:
        self.rung = True
        signal.raise_signal(signal.SIGINT)

    def _terminate(self, number: int, frame: Any) -> None:
        self.terminated = True
        raise KeyboardInterrupt


def status_of_stop(alarm: Alarm, say: Callable[..., None]) -> int | None:
    """Says why the runs stopped; returns the exit status, or None if the time was up."""
    if not alarm.rung:
        say("Stopped. Start again to continue.", err=True)
        return 143 if alarm.terminated else 130
    say("Stopped at the limit, in the middle of a run. Start again to continue it.")
    return None
