"""A thread that checks the models' folders for new versions, by default every second."""
import logging
import threading
from collections.abc import Callable, Sequence

from fixhead_serving.server.models import WatchedModel

STOP_SECONDS = 5.0

logger = logging.getLogger(__name__)


class Watcher:
    """Refreshes models, one after the other, until the context exits; failures do not stop it.

    Args:
        models: the started models.
        poll_seconds: time between two checks; 0: never.
        on_change: called after a version was loaded or unloaded.
    """

    def __init__(self, models: Sequence[WatchedModel], poll_seconds: float, on_change: Callable[[], None]) -> None:
        self._models = models
        self._poll_seconds = poll_seconds
        self._on_change = on_change
        self._stop = threading.Event()
        # A load cannot be interrupted, and must not prevent a server from exiting.
        self._thread = threading.Thread(target=self._run, name="fixhead-watcher", daemon=True)

    def __enter__(self) -> "Watcher":
        if self._poll_seconds:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)  # a load interrupted by the interpreter's exit may abort the process

    def _run(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self.look()

    def look(self) -> None:
        """Refreshes all models once."""
        changed = False
        for model in self._models:
            try:
                changed |= model.refresh()
            except Exception:
                logger.exception("Looking for new versions of model '%s' failed", model.source.name)
        if changed:
            self._on_change()
