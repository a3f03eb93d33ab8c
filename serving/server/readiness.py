"""Checks whether a server can answer: by a prediction of every version of every model."""
import asyncio
import time
from collections.abc import Mapping

from fixhead_serving.server.versions import LoadedVersion, ServedModel
from fixhead_serving.server.workers import Take, Task, Workers

KEPT_SECONDS = 1.0  # how long a result is reused: each probe costs predictions, and anyone may send many


class Readiness:
    """Tries the models, one probe at a time, in a separate thread, so that waiting requests do not delay it.

    Args:
        models: the models by name.
        timeout_seconds: the longest time that predictions may take.
    """

    def __init__(self, models: Mapping[str, ServedModel], timeout_seconds: float) -> None:
        self._models = models
        self._timeout_seconds = timeout_seconds
        self._workers = Workers(1, self._work)
        self._found: tuple[float, str | None] | None = None
        self._task: Task | None = None

    async def problem(self) -> str | None:
        """Returns the reason why the models cannot answer, or None."""
        if self._found and time.monotonic() - self._found[0] < KEPT_SECONDS:
            return self._found[1]
        if self._task is None or self._task.future.done() or self._task.loop is not asyncio.get_running_loop():
            self._task = Task(None)
            self._workers.submit(self._task)
        try:
            problem: str | None = await asyncio.wait_for(asyncio.shield(self._task.future), self._timeout_seconds)
        except TimeoutError:
            return f"The models did not answer within {self._timeout_seconds:g} seconds."
        self._found = (time.monotonic(), problem)
        return problem

    def _work(self, task: Task, take: Take) -> None:
        task.succeed(try_models(self._models))


def try_models(models: Mapping[str, ServedModel]) -> str | None:
    """Returns the first reason why a model cannot answer, or None.

    A version without a sample, whose inputs are unknown, counts as ready.
    """
    for model in models.values():
        versions = list(model.versions.values())
        if not versions:
            return f"Model '{model.name}' has no loaded version."
        for version in versions:
            if (problem := _try_version(version)) is not None:
                return f"Model '{model.name}', version {version.number}: {problem}"
    return None


def _try_version(version: LoadedVersion) -> str | None:
    if version.sample is None:
        return None
    try:
        version.call(*version.sample)
    except Exception as error:
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return None
