"""Signals that stop a training: after the current step on the first one, immediately on the second."""
import logging
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequests:
    """Records the first SIGINT or SIGTERM while it is active; a second one goes to the previous handler.

    Only the main thread may handle signals; in other threads it records none.

    Attributes:
        received: number of the signal; None before any.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequests":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._restore()

    def hand_on(self) -> None:
        """Passes the recorded signal to the previous handler."""
        self._restore()
        if self.received is not None:
            signal.raise_signal(self.received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._restore()  # the next signal goes to the previous handler
        _log.warning("Stopping after this step. Send the signal again to stop immediately.")

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
