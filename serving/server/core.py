"""The server without any protocol: models, and predict requests within limits."""
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from fixhead_serving.server.limits import MAX_BATCH_MERGE, WORKERS, Limits
from fixhead_serving.server.metrics import Metrics
from fixhead_serving.server.predicting import Predictor, Request
from fixhead_serving.server.readiness import Readiness
from fixhead_serving.server.refusals import TimedOut, TooManyRequests
from fixhead_serving.server.versions import ServedModel
from fixhead_serving.server.workers import Task


class ModelServer:
    """Models and the limits of requests to them, shared by all protocols of a process.

    Args:
        models: the loaded models.
        limits: the limits of requests.
        workers: number of requests that are read, run and answered at a time; others wait.
        max_batch_merge: the largest batch that concurrent requests are merged into, for versions that allow it.
        metrics: counts requests.

    Attributes:
        models: the models by name.
        readiness: checks whether they can answer.
    """

    def __init__(
        self,
        models: Iterable[ServedModel],
        *,
        limits: Limits | None = None,
        workers: int = WORKERS,
        max_batch_merge: int = MAX_BATCH_MERGE,
        metrics: Metrics | None = None,
    ) -> None:
        self.models = {model.name: model for model in models}
        self.limits = limits or Limits()
        self.metrics = metrics or Metrics()
        self.readiness = Readiness(self.models, self.limits.timeout_seconds)
        self._predictor = Predictor(self.models, self.limits, self.metrics, workers, max_batch_merge)
        self._in_flight = 0

    def place(self) -> "Place":
        """Returns one of the limited places for predict requests, to be taken before a request is read.

        Raises:
            TooManyRequests: if all places are taken.
        """
        if self._in_flight >= self.limits.concurrent:
            raise TooManyRequests(f"There are already {self._in_flight} requests in flight. Try again.")
        self._in_flight += 1
        return Place(self, self._predictor)

    def leave(self) -> None:
        """Returns a place."""
        self._in_flight -= 1


class Place:
    """A place for one predict request, as a context manager.

    A thread cannot be stopped: a request whose thread is still running when the context exits keeps its place until
    the thread is done.
    """

    def __init__(self, server: ModelServer, predictor: Predictor) -> None:
        self._server = server
        self._predictor = predictor
        self._task: Task | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = self._task
        if task is None or task.settled or self._predictor.withdraw(task):
            self._server.leave()
        else:
            task.on_settled = self._server.leave

    async def answer(self, request: Request) -> Any:
        """Returns the answer that a request writes once its model has run.

        Raises:
            Refused: if the core or the model refuses it, or there is no answer in time.
            Exception: whatever the request itself raises.
        """
        self._task = task = self._predictor.submit(request)
        alarm = task.loop.call_later(self._server.limits.timeout_seconds, self._expire, task)
        try:
            return await task.future
        finally:
            alarm.cancel()

    def _expire(self, task: Task) -> None:
        if not task.future.done():
            text = f"No answer within {self._server.limits.timeout_seconds:g} seconds."
            task.future.set_exception(TimedOut(text))
