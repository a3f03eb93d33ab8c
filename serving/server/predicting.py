"""What becomes of predict requests in a worker's thread: parsed, decoded, merged where possible, run, encoded."""
import gzip
import io
import logging
import time
import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from fixhead_serving import protocol
from fixhead_serving.protocol import Refusal, Route, Signature
from fixhead_serving.server import batching
from fixhead_serving.server.batching import Tensors
from fixhead_serving.server.config import Limits
from fixhead_serving.server.metrics import Metrics
from fixhead_serving.server.nesting import nested_deeper
from fixhead_serving.server.pictures import check_pictures
from fixhead_serving.server.versions import LoadedVersion, ServedModel, find_version
from fixhead_serving.server.workers import Take, Task, Workers

# As TensorFlow Serving names what it runs SavedModels with, so that the same queries find both.
_RUNTIME = ("Predict", "TF1")

logger = logging.getLogger(__name__)


@dataclass
class PredictRequest:
    """A predict request as it came in."""

    route: Route
    body: bytes
    zipped: bool
    ready: "Decoded | None" = None  # once decoded
    since: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Decoded:
    """A predict request that can be run."""

    version: LoadedVersion
    signature_name: str
    inputs: Tensors
    row: bool
    rows: int | None  # None: it is run alone
    key: Hashable  # requests of one key can become one call
    pixels: int  # that its pictures decode to


class Predictor:
    """Runs predict requests for some models.

    Args:
        models: the models by name.
        limits: what a request may ask for.
        metrics: where calls are counted.
        workers: how many threads run.
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

    def submit(self, route: Route, body: bytes, zipped: bool) -> Task:
        """Returns the task of a request, queued; its result is the answer's body."""
        model = self._models.get(route.model)
        merges = model is not None and any(version.mergeable for version in model.versions.values())
        group = (route.model, route.version, route.label) if merges and self._max_rows > 1 else None
        task = Task(PredictRequest(route, body, zipped), group)
        self._workers.submit(task)
        return task

    def withdraw(self, task: Task) -> bool:
        """Returns whether a task has not been begun; if so it never will be."""
        return self._workers.withdraw(task)

    def _work(self, task: Task, take: Take) -> None:
        first = self._decoded(task)
        if first is None:
            return
        if first.rows is None:
            self._run_alone(task, first)
            return
        together = [(task, first)]
        try:
            self._gather(together, take)
            self._run_together(together)
        except BaseException as error:  # nobody else would tell those who were gathered
            for each, _ in together:
                each.fail(error)

    def _gather(self, together: list[tuple[Task, Decoded]], take: Take) -> None:
        """Takes what waits behind a request and fits to it. Nothing is waited for."""
        task, first = together[0]
        rows, pixels = first.rows or 0, first.pixels
        while rows < self._max_rows and (other := take(task.group)) is not None:
            decoded = self._decoded(other)
            if decoded is None:
                continue
            if decoded.rows is None or decoded.key != first.key or rows + decoded.rows > self._max_rows or (
                pixels + decoded.pixels > self._limits.request_pixels
            ):
                self._workers.put_back(other)
                return
            rows, pixels = rows + decoded.rows, pixels + decoded.pixels
            together.append((other, decoded))

    def _decoded(self, task: Task) -> Decoded | None:
        request: PredictRequest = task.payload
        try:
            if request.ready is None:
                if task.group is not None:
                    self._metrics.queuing_latency.add("", value=(time.perf_counter() - request.since) * 1e6)
                request.ready = self._decode(request)
                request.body = b""
            return request.ready
        except Exception as error:
            task.fail(error)
            return None

    def _decode(self, request: PredictRequest) -> Decoded:
        body = inflate(request.body, self._limits.body_bytes) if request.zipped else request.body
        if nested_deeper(body, self._limits.json_depth):
            raise Refusal(f"The JSON is nested too deeply. Expected at most {self._limits.json_depth} levels.")
        action = request.route.action
        parsed = protocol.parse_predict(body) if action == "predict" else protocol.parse_examples(body)
        version = find_version(self._models, request.route)
        name = parsed.signature_name
        if action != "predict":
            raise protocol.examples_refusal(action, name, version.signatures)
        if name not in version.signatures:
            raise Refusal(f'Serving signature name: "{name}" not found in signature def')
        signature = version.signatures[name]
        decoded = protocol.decode_inputs(parsed.document, signature)
        pixels = self._check(decoded.arrays, signature)
        if name not in version.mergeable:
            return Decoded(version, name, decoded.arrays, decoded.row, None, None, pixels)
        rows = batching.count_rows(decoded.arrays)
        key = (version, name, batching.merge_key(decoded.arrays))
        return Decoded(version, name, decoded.arrays, decoded.row, rows, key, pixels)

    def _check(self, inputs: Tensors, signature: Signature) -> int:
        """Refuses what is beyond the limits; returns the pixels of all pictures."""
        pixels = 0
        for name, spec in signature.inputs.items():
            array = inputs[name]
            if array.ndim and (not spec.shape or spec.shape[0] is None) and len(array) > self._limits.batch:
                text = f"Input {name} has a batch of {len(array)}. Expected at most {self._limits.batch}."
                raise Refusal(text)
            if spec.dtype == "DT_STRING":
                pixels += check_pictures(array.ravel(), self._limits)
        return pixels

    def _run_together(self, together: list[tuple[Task, Decoded]]) -> None:
        if len(together) == 1:
            self._metrics.merged_calls.add()
            self._run_alone(*together[0])
            return
        first = together[0][1]
        rows = [decoded.rows or 0 for _, decoded in together]
        parts = None
        try:
            inputs = batching.merge([decoded.inputs for _, decoded in together])
            parts = batching.split(self._call(together[0][0], first, inputs), rows)
            self._metrics.merged_calls.add()
        except Exception as error:  # one of them is to blame, and the others shall not suffer
            logger.debug("%d requests that were merged are run one by one: %s", len(together), error)
        for index, (task, decoded) in enumerate(together):
            if parts is None:
                self._run_alone(task, decoded)
            else:
                self._answer(task, decoded, parts[index])

    def _run_alone(self, task: Task, decoded: Decoded) -> None:
        try:
            outputs = self._call(task, decoded, decoded.inputs)
        except Exception as error:
            task.fail(error)
            return
        self._answer(task, decoded, outputs)

    def _call(self, task: Task, decoded: Decoded, inputs: Tensors) -> Tensors:
        start = time.perf_counter()
        outputs = decoded.version.call(decoded.signature_name, inputs)
        seconds = time.perf_counter() - start
        self._metrics.runtime_latency.add(task.payload.route.model, *_RUNTIME, value=seconds * 1e6)
        return outputs

    def _answer(self, task: Task, decoded: Decoded, outputs: Tensors) -> None:
        try:
            task.succeed(protocol.encode_outputs(outputs, row=decoded.row))
        except Exception as error:
            task.fail(error)


def inflate(body: bytes, limit_bytes: int) -> bytes:
    """Returns a gzip body inflated, or nothing if it is damaged: TensorFlow Serving then sees an empty document.

    Raises:
        Refusal: 413 if it inflates to more than so many bytes.
    """
    try:
        inflated = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit_bytes + 1)
    except (OSError, EOFError, zlib.error):
        return b""
    if len(inflated) > limit_bytes:
        raise too_large(limit_bytes)
    return inflated


def too_large(limit_bytes: int) -> Refusal:
    """Returns the refusal of a body that is too large."""
    return Refusal(f"The request body is larger than {limit_bytes} bytes. Send fewer pictures at once.", status=413)
