"""Predict requests in a worker's thread: read, checked, merged if possible, run and answered."""
import logging
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fixhead_serving.server import batching
from fixhead_serving.server.limits import Limits
from fixhead_serving.server.metrics import Metrics
from fixhead_serving.server.request_checks import check_limits, check_shapes
from fixhead_serving.server.versions import LoadedVersion, ServedModel
from fixhead_serving.server.workers import Take, Task, Workers
from fixhead_serving.specs import ModelSpec, Tensors

# TensorFlow Serving's names for its SavedModel runtime, so that the same queries find both.
_RUNTIME = ("Predict", "TF1")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """The call of a model that a request asks for.

    Args:
        version: the version to call.
        signature_name: one of its signatures.
        inputs: an array for each input of the signature, of the input's type.
    """

    version: LoadedVersion
    signature_name: str
    inputs: Tensors


class Request(Protocol):
    """A predict request in its protocol's form; both methods are called in a worker's thread, one after the other."""

    @property
    def spec(self) -> ModelSpec:
        """Which model the request is for."""

    def read(self, models: Mapping[str, ServedModel]) -> Call:
        """Returns the call that the request asks for, or raises its refusal."""

    def write(self, outputs: Tensors) -> Any:
        """Returns the answer with these outputs."""


@dataclass
class _Queued:
    request: Request
    ready: "_Ready | None" = None  # once read
    since: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class _Ready:
    """A checked call."""

    call: Call
    rows: int | None  # None: it is run alone
    key: Hashable  # requests with the same key can be merged into one call
    pixels: int  # of all its decoded pictures


class Predictor:
    """Runs predict requests for some models.

    Args:
        models: the models by name.
        limits: the limits of requests.
        metrics: counts calls.
        workers: the number of threads.
        max_batch_merge: the largest batch that requests are merged into.
    """

    def __init__(
        self, models: Mapping[str, ServedModel], limits: Limits, metrics: Metrics, workers: int, max_batch_merge: int
    ) -> None:
        self._models = models
        self._limits = limits
        self._metrics = metrics
        self._max_rows = max_batch_merge
        self._workers = Workers(workers, self._work)

    def submit(self, request: Request) -> Task:
        """Queues a request and returns its task, whose result is what the request writes."""
        model = self._models.get(request.spec.name)
        merges = model is not None and any(version.mergeable for version in model.versions.values())
        task = Task(_Queued(request), request.spec if merges and self._max_rows > 1 else None)
        self._workers.submit(task)
        return task

    def withdraw(self, task: Task) -> bool:
        """Returns whether a task was withdrawn before it was started."""
        return self._workers.withdraw(task)

    def _work(self, task: Task, take: Take) -> None:
        first = self._ready(task)
        if first is None:
            return
        if first.rows is None:
            self._run_alone(task, first.call)
            return
        together = [(task, first)]
        try:
            self._gather(together, take)
            self._run_together(together)
        except BaseException as error:  # otherwise the gathered tasks would never end
            for each, _ in together:
                each.fail(error)

    def _gather(self, together: list[tuple[Task, _Ready]], take: Take) -> None:
        """Takes requests that are queued behind the first one and fit it, without waiting for any."""
        task, first = together[0]
        rows, pixels = first.rows or 0, first.pixels
        while rows < self._max_rows and (other := take(task.group)) is not None:
            ready = self._ready(other)
            if ready is None:
                continue
            if ready.rows is None or ready.key != first.key or rows + ready.rows > self._max_rows or (
                pixels + ready.pixels > self._limits.request_pixels
            ):
                self._workers.put_back(other)
                return
            rows, pixels = rows + ready.rows, pixels + ready.pixels
            together.append((other, ready))

    def _ready(self, task: Task) -> _Ready | None:
        queued: _Queued = task.payload
        try:
            if queued.ready is None:
                if task.group is not None:
                    self._metrics.queuing_latency.add("", value=(time.perf_counter() - queued.since) * 1e6)
                queued.ready = self._checked(queued.request.read(self._models))
            return queued.ready
        except Exception as error:
            task.fail(error)
            return None

    def _checked(self, call: Call) -> _Ready:
        signature = call.version.signatures[call.signature_name]
        check_shapes(call.inputs, signature)
        pixels = check_limits(call.inputs, signature, self._limits)
        if call.signature_name not in call.version.mergeable:
            return _Ready(call, None, None, pixels)
        key = (call.version, call.signature_name, batching.merge_key(call.inputs))
        return _Ready(call, batching.count_rows(call.inputs), key, pixels)

    def _run_together(self, together: list[tuple[Task, _Ready]]) -> None:
        if len(together) == 1:
            self._metrics.merged_calls.add()
            self._run_alone(together[0][0], together[0][1].call)
            return
        first = together[0][1].call
        rows = [ready.rows or 0 for _, ready in together]
        parts = None
        try:
            inputs = batching.merge([ready.call.inputs for _, ready in together])
            parts = batching.split(self._run(together[0][0], first, inputs), rows)
            self._metrics.merged_calls.add()
        except Exception as error:  # one of them is to blame; the others must not be affected
            logger.debug("%d merged requests are run one by one: %s", len(together), error)
        for index, (task, ready) in enumerate(together):
            if parts is None:
                self._run_alone(task, ready.call)
            else:
                self._answer(task, parts[index])

    def _run_alone(self, task: Task, call: Call) -> None:
        try:
            outputs = self._run(task, call, call.inputs)
        except Exception as error:
            task.fail(error)
            return
        self._answer(task, outputs)

    def _run(self, task: Task, call: Call, inputs: Tensors) -> Tensors:
        start = time.perf_counter()
        outputs = call.version.call(call.signature_name, inputs)
        seconds = time.perf_counter() - start
        self._metrics.runtime_latency.add(task.payload.request.spec.name, *_RUNTIME, value=seconds * 1e6)
        return outputs

    def _answer(self, task: Task, outputs: Tensors) -> None:
        try:
            task.succeed(task.payload.request.write(outputs))
        except Exception as error:
            task.fail(error)
