"""The access log: one line for each request."""
import datetime
import logging

from starlette.types import Scope

logger = logging.getLogger(__name__)


class AccessLog:
    """Logs requests: answered ones as INFO, refused ones (4xx) as WARNING, failed ones (5xx) as ERROR.

    A line has time, client, method, path with query string, status, milliseconds and bytes of the answer; never a
    header, so no token either.

    Args:
        which: 'none', 'errors' (statuses from 400 on) or 'all'.
    """

    def __init__(self, which: str) -> None:
        self._from = {"none": 1000, "errors": 400, "all": 0}[which]

    def write(self, scope: Scope, path: str, status: int, size: int, seconds: float) -> None:
        """Logs a request once its answer is known."""
        if status < self._from:
            return
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        time = datetime.datetime.now().astimezone().isoformat(timespec="milliseconds")
        client = scope.get("client") or ("-", 0)
        shown = path if path.isprintable() else repr(path)
        logger.log(level, "%s %s %s %s %d %.1f ms %d bytes", time, client[0], scope["method"], shown, status,
                   1000 * seconds, size)
