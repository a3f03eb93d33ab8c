"""The engine: a configuration becomes a run directory."""
import contextlib
import dataclasses
import functools
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fixhead import hardware, losses
from keras_fixhead.analysis.confusion import confusion_matrix
from keras_fixhead.catalog import LOSSES, MARGINS, import_object
from keras_fixhead.config import Resolved, Stored, TrainConfig, resolve, run_digest, scale_text, steps_of, to_store
from keras_fixhead.data import Augmentation, Dataset, run_dataset
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.evaluation import Measurer, summarize
from keras_fixhead.figures import plot_confusion, plot_curves, plot_predictions
from keras_fixhead.json_files import copy_file
from keras_fixhead.models import (
    FusedBatchNormalization,
    build_model,
    head_of,
    multiply_adds,
    precision_policy,
    save_model,
)
from keras_fixhead.runs import Run, UnwrittenRun, continued, create_run
from keras_fixhead.training import processes
from keras_fixhead.training.backend import (
    augments_on_device,
    describe_environment,
    device_peak_memory_bytes,
    device_scope,
    jit_compile,
    on_gpu,
    prepare_ahead,
    start_backend,
    to_numpy,
)
from keras_fixhead.training.batches import TrainBatches
from keras_fixhead.training.checkpoint import Progress, load_checkpoint, load_progress, save_progress
from keras_fixhead.training.estimate import StepTimer, announce_stored_estimate
from keras_fixhead.training.loggers import Logger, open_loggers
from keras_fixhead.training.processes import is_first, is_one_of_several
from keras_fixhead.training.schedule import WarmupDecay, after_plateau
from keras_fixhead.training.signals import StopRequests
from keras_fixhead.training.steps import Interrupted, StepGuard, step_callbacks
from keras_fixhead.vectors import auto_scale_reason, pairwise_cosines, reachable_cosine

__all__ = ["describe_environment", "is_first", "is_one_of_several", "on_gpu", "start", "train"]

_log = logging.getLogger(__name__)

_LIMITS_CLASSES = 250  # above, the smallest loss takes longer to find than it is worth
_PAIRS_CLASSES = 4_000  # above, all pairwise cosines take longer and more memory than they are worth each epoch
_STATISTICS_FILE = "test.npz"


def start(config: TrainConfig | Resolved) -> Resolved:
    """Returns the configuration resolved for the devices of this process, in which the backend has been started.

    Where Keras' variables say that it is one of several processes, it has joined them; `is_first` says whether it is
    the one that writes and reports.

    Raises:
        ArgumentError: (a ValueError) if it cannot join them.
        TrainingError: if this process computes in another way already.
    """
    resolved = config if isinstance(config, Resolved) else resolve(config)
    start_backend(resolved.config)  # before the devices are asked for
    return resolved.for_device(gpu=on_gpu())


def train(config: TrainConfig | Resolved, *, resume: Run | None = None,
          callbacks: Sequence[keras.callbacks.Callback] = ()) -> Run:
    """Returns the run directory of a training, finished.

    One of several processes (see `start`) that all call this trains with the others; the first one writes the run.

    A first SIGINT or SIGTERM lets it finish its step and write a checkpoint; a second one stops it at once.

    Args:
        config: what to train, as it is asked for or resolved. Its `recipe` is only a name: `recipes.build_config`
            returns a configuration with a recipe's values.
        resume: an unfinished run of this configuration, to go on from its newest checkpoint; or a finished one that
            `config` extends.
        callbacks: Keras callbacks, given to `fit` for each epoch.

    Raises:
        ArgumentError: (a ValueError) if `resume` is a run of another configuration, or other processes have another.
        DataError: if the data are not there.
        DependencyError: if a network or logger needs a package that is not installed.
        RunError: if the run directory or a checkpoint cannot be read or written.
        TrainingError: if the loss is no longer a number.

    Example:
        >>> from keras_fixhead.recipes import build_config
        >>> config = build_config({"recipe": "smoke", "epochs": 1, "limit_train": 200, "runs_dir": "runs"})
        >>> run = train(config)
        >>> run.read("status")["state"]
        'complete'
    """
    resolved = start(config)
    config = resolved.config
    if resolved.asked.scale == "auto":
        _log.info(auto_scale_reason(resolved.data.num_classes))
    stored = to_store(resolved) if resume is None else continued(resume, resolved)
    dataset = run_dataset(**config.data_fields)
    processes.check_shares(min(config.batch_size, len(dataset.train)), config.devices)
    with processes.failing_together():
        run = _run_of_all(resolved, resume)
    _log.info("Run: %s", run.path)
    with processes.failing_together(run.resume_command), run.lock():
        _train(run, resolved, stored, dataset, callbacks, resumed=resume is not None)
        if is_first():
            with contextlib.suppress(Exception):  # whether others fail now is theirs to say: the run is complete
                processes.from_first(None)
        else:
            processes.from_first(None)  # they return when the run is there
    return run


def _train(run: Run, resolved: Resolved, stored: Stored, dataset: Dataset,
           callbacks: Sequence[keras.callbacks.Callback], *, resumed: bool) -> None:
    stop = StopRequests()
    try:
        if resumed:
            run.write_config(stored)
        with device_scope(resolved.config.devices):
            training = _Training(run, resolved, stored, dataset, callbacks, stop)
        progress = training.start(resumed=resumed)
        if not resumed:
            announce_stored_estimate(resolved, training.steps)
        with stop:
            progress = training.fit(progress)
        reason = training.stop_reason(progress)
        if is_first():
            training.finish(progress, reason)
    except Interrupted:
        done = training.write_interrupted()
        with contextlib.suppress(Exception):
            processes.from_first(None)  # the others leave when the first one has written
        _log.warning("Stopped after epoch %d and step %d of the next. Go on: %s", done.epoch, done.step,
                     run.resume_command)
        stop.hand_on()
        raise KeyboardInterrupt from None  # where that handler has returned
    except KeyboardInterrupt:
        done_epochs = _epochs_done(run)
        run.write_status("interrupted", epoch=done_epochs, reason="stopped by a signal")
        _log.warning("Interrupted after epoch %d. Go on: %s", done_epochs, run.resume_command)
        raise
    except BaseException as error:
        _note_failure(run, error)
        raise
    run.write_status("complete", epoch=progress.epoch, reason=reason)


def _run_of_all(resolved: Resolved, resume: Run | None) -> Run:
    """The run directory, which the first of several processes makes and writes."""
    run = (resume or create_run(resolved)) if is_first() else None
    config = dataclasses.replace(resolved.config, threads=None)  # hosts may have different numbers of cores
    own = run_digest(config, resolved.class_vectors_digest)
    path, digest = processes.from_first([str(run.path), own] if run else None)
    if digest != own:
        raise ArgumentError("This process was started with another configuration than the first one.",
                            hint="Give every process the same options.")
    return run or UnwrittenRun(resume.path if resume else Path(path))


class _Training:
    """One training: the model, its data, and the files of its run."""

    def __init__(self, run: Run, resolved: Resolved, stored: Stored, dataset: Dataset,
                 callbacks: Sequence[keras.callbacks.Callback], stop: StopRequests) -> None:
        self.run = run
        self.resolved = resolved
        self.stored = stored
        self.config = config = resolved.config
        self.dataset = dataset
        self.steps = resolved.steps_of(len(dataset.train))
        self._callbacks = list(callbacks)
        self._stop = stop
        self._augmentation = Augmentation(**config.values("augmentation"))
        self._on_device = augments_on_device(config, self._augmentation)
        self.model = _compiled_model(config, dataset, _extended_at(stored))
        self._saved = Progress()

    @functools.cached_property
    def _own(self) -> keras.Model:
        """The model where this process can compute it alone: of several none can with what their devices share."""
        if processes.count() == 1:
            return self.model
        return _compiled_model(self.config, self.dataset, _extended_at(self.stored))

    @functools.cached_property
    def _measurer(self) -> Measurer:
        with self._own_scope():
            return Measurer(self._own)

    def _own_scope(self) -> contextlib.AbstractContextManager[None]:
        return device_scope(self.config.devices) if self._own is self.model else contextlib.nullcontext()

    def start(self, *, resumed: bool) -> Progress:
        """How far the run has come, from its newest checkpoint or from nothing; its files brought in line with it."""
        progress = Progress()
        found = resumed and self.run.newest_checkpoint.exists()  # one that was stopped at its start has none
        if found:
            progress = load_progress(self.run, self.model)
        if json.dumps(processes.from_first(dataclasses.asdict(progress))) != json.dumps(dataclasses.asdict(progress)):
            raise RunError(f"The checkpoint in {self.run.path} is not the one that the first process has.",
                           hint="Give every process the same run directory, or a copy that is up to date.")
        if found:
            self._keep_best(progress)
            _log.info("Resumed after epoch %d%s.", progress.epoch,
                      f" and step {progress.step} of the next" if progress.step else "")
            if _extended_at(self.stored) == progress.epoch and not progress.step:
                _log.info(_extension_note(self.config, progress.epoch))
        self._saved = progress
        self.run.write_metrics([row for row in self.run.metrics() if row["epoch"] <= progress.epoch])
        self._write_environment(resumed)
        self.run.write_status("running", epoch=progress.epoch)
        _announce(self.config, self.dataset, self.model, self.steps)
        return progress

    def _write_environment(self, resumed: bool) -> None:
        """Writes where the run is computed, and every backend that it has been computed on."""
        environment = describe_environment()
        backends: list[str] = []
        if resumed and self.run.has("environment"):
            before = self.run.read("environment")
            backends = before.get("backends") or [before["backend"]]
        if environment["backend"] not in backends[-1:]:
            if backends:
                _log.warning("The run was trained on %s and goes on on %s: it ends as a run of its kind does, but not "
                             "to the bit as it would have.", backends[-1], environment["backend"])
            backends = [*backends, environment["backend"]]
        self.run.write("environment", environment | {
            "backends": backends, "augmented_on": "device" if self._on_device else "host"})

    def fit(self, progress: Progress) -> Progress:
        """Trains the epochs that are left, each followed by validation, one line of metrics and a checkpoint."""
        rows = self.run.metrics()
        loggers = open_loggers(self.run, self.config, rows) if is_first() else []
        timer = StepTimer(self.resolved, self.steps)
        while progress.epoch < self.config.epochs and self.stop_reason(progress) is None:
            row = self._epoch(progress, timer)
            progress = self._after(progress, row)
            rows.append(row)
            self._write_epoch(rows, progress, loggers)
            if processes.any_process(self._stop.received is not None):
                raise Interrupted
        for each in loggers:
            each.close()
        return progress

    def stop_reason(self, progress: Progress) -> str | None:
        """Why no further epoch is trained, though there are some left; None if there is no reason."""
        config = self.config
        if not 0 < progress.epoch < config.epochs:
            return None
        if config.patience is not None and progress.epoch - progress.best_epoch >= config.patience:
            return f"no better accuracy in {config.patience} epochs"
        if config.max_minutes is not None and progress.seconds >= 60 * config.max_minutes:
            return f"{config.max_minutes:g} minutes are over"
        return None

    def finish(self, progress: Progress, stop_reason: str | None) -> None:
        """Saves the selected model under the float32 policy, evaluates it, draws it and writes result.json."""
        config, run = self.config, self.run
        selected = run.newest_checkpoint if config.selection == "last" else run.best_checkpoint
        with self._own_scope():
            epoch = load_checkpoint(selected, self._own).epoch
            weights = [to_numpy(each) for each in self._own.weights]
        with precision_policy("float32"):
            final = _build(config, self.dataset)  # on one device
        final.set_weights(weights)
        save_model(final, run.model_path)
        measurer = Measurer(final)
        evaluations = {}
        for split in ("validation", "test"):
            part = self.dataset.split(split)
            if len(part):
                outputs = measurer.outputs(part.images)
                evaluations[split] = summarize(outputs.features, outputs.logits, outputs.class_vectors, part.labels)
        rows = run.metrics()
        run.write("result", {
            "config_digest": self.stored.digest,
            "class_vectors_digest": self.stored.class_vectors_digest,
            "label_names": list(self.dataset.label_names),
            "data_digest": self.dataset.digest(),
            "data_mean": self.dataset.mean.tolist(),
            "data_std": self.dataset.std.tolist(),
            "subset": self.dataset.subset,
            "train_images": len(self.dataset.train),
            "epoch": epoch,
            "epochs_done": progress.epoch,
            "stop_reason": stop_reason,
            "selection": config.selection,
            "accuracy": {split: each.accuracy for split, each in evaluations.items()},
            "evaluation": {split: each.as_dict() for split, each in evaluations.items()},
            **_vector_metrics(final),
            "parameters": {"trainable": _count(final.trainable_weights), "fixed": _count(final.non_trainable_weights)},
            "seconds": progress.seconds,
            **_speed(config, final, rows),
            "peak_memory_bytes": hardware.peak_memory_bytes(),
            "device_peak_memory_bytes": device_peak_memory_bytes(),
            "environment": run.read("environment"),
        })
        if len(self.dataset.test):
            self._draw(rows, outputs.logits, outputs.class_vectors)

    def write_interrupted(self) -> Progress:
        """Writes the status of a run that a signal has stopped; returns how far it has come."""
        self.run.write_status("interrupted", epoch=self._saved.epoch, reason="stopped by a signal")
        return self._saved

    def _epoch(self, progress: Progress, timer: StepTimer) -> dict[str, Any]:
        """One epoch's steps, or those of it that are left, and the measures after them."""
        start = time.perf_counter()
        config, epoch = self.config, progress.epoch
        batches = TrainBatches(self.dataset.train, config.batch_size, self._augmentation, seed=config.seed, epoch=epoch,
                               first_step=progress.step, partial_batch=config.partial_batch,
                               on_device=self._on_device, share=processes.share())
        metrics = [to_numpy(each) for each in self.model.metrics_variables] if progress.step else []
        row: dict[str, Any] = {"epoch": epoch + 1, "step": (epoch + 1) * self.steps}
        if len(batches):
            guard = StepGuard(progress, self._save, self._stop, metrics, config.checkpoint_minutes)
            prepare_ahead(batches)
            with device_scope(config.devices):
                history = self.model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0,
                                         callbacks=step_callbacks(self.model, [timer, guard], self._callbacks))
            row |= {name: float(values[-1]) for name, values in history.history.items()}
            seconds = timer.epoch_seconds
        else:  # stopped after its last step: nothing is left of it but to be measured
            row |= {name: float(value) for name, value in self.model.get_metrics_result().items()}
            seconds = 0.0
        images = len(self.dataset.train) if config.partial_batch else self.steps * batches.batch_size
        row |= {"lr": float(to_numpy(self.model.optimizer.learning_rate)),
                "train_seconds": progress.epoch_seconds + seconds}
        row["images_per_second"] = images / max(row["train_seconds"], 1e-9)
        if is_first():
            row |= self._measures()
        row["seconds"] = progress.epoch_seconds + time.perf_counter() - start
        agreed: dict[str, Any] = processes.from_first(row)  # early stops and the plateau schedule go by it
        return agreed

    def _measures(self) -> dict[str, Any]:
        """What an epoch's weights give on the images that are not trained on, and the class vectors they have."""
        found: dict[str, Any] = {}
        if self._own is not self.model:
            self._own.set_weights([to_numpy(each) for each in self.model.weights])
        for split in self._measured_splits():
            measured = self._measurer.evaluate(self.dataset.split(split)).as_dict()
            found |= {f"{split}_{name}": value for name, value in measured.items()
                      if value is not None and name not in ("n", "accuracy_low", "accuracy_high")}
        return found | _vector_metrics(self.model)

    def _after(self, progress: Progress, row: dict[str, Any]) -> Progress:
        """The progress after an epoch; the plateau schedule cuts the rate here."""
        accuracy = row.get(f"{self._monitored()}_accuracy", row["accuracy"])
        progress = progress.after_epoch(accuracy, row["seconds"])
        if self.config.schedule == "plateau":
            progress, cut = after_plateau(progress, accuracy, self.config.plateau_patience)
            if cut:
                rate = float(to_numpy(self.model.optimizer.learning_rate)) * self.config.plateau_factor
                self.model.optimizer.learning_rate = rate
                _log.info("No gain in %d epochs: learning rate %g", self.config.plateau_patience + 1, rate)
        return progress

    def _write_epoch(self, rows: list[dict[str, Any]], progress: Progress, loggers: Sequence[Logger]) -> None:
        row = rows[-1]
        self.run.write_metrics(rows)
        self._save(progress)
        self._keep_best(progress)
        self.run.write_status("running", epoch=progress.epoch)
        for each in loggers:
            each.write(row)
        held = {split: row[f"{split}_accuracy"] for split in self._measured_splits()}
        _log.info("epoch %d/%d  loss %.4f  accuracy %.4f  %s  %.0f images/s  %.0f s", progress.epoch,
                  self.config.epochs, row["loss"], row["accuracy"],
                  "  ".join(f"{split} {share:.4f}" for split, share in held.items()), row["images_per_second"],
                  row["seconds"])

    def _monitored(self) -> str:
        """The split whose accuracy selects epochs, ends a training early and cuts the rate."""
        return "test" if self.config.selection == "test" else "validation"

    def _measured_splits(self) -> list[str]:
        splits = ["validation"] if len(self.dataset.validation) else []
        return splits + (["test"] if self.config.selection == "test" else [])

    def _save(self, progress: Progress) -> None:
        if is_first():
            save_progress(self.run, self.model, progress)
        self._saved = progress

    def _keep_best(self, progress: Progress) -> None:
        """Makes the newest checkpoint the best one too, if it is; after it was written: a resume can redo it."""
        best = self.config.selection != "last" and progress.best_epoch == progress.epoch and not progress.step
        if is_first() and best:
            copy_file(self.run.newest_checkpoint, self.run.best_checkpoint)

    def _draw(self, rows: list[dict[str, Any]], logits: Any, class_vectors: Any) -> None:
        """The figures of the run, and the two matrices that tables of it need."""
        run, test = self.run, self.dataset.test
        title = f"{run.name}"
        confusion = confusion_matrix(test.labels, logits.argmax(axis=1), self.dataset.num_classes)
        run.write_arrays(_STATISTICS_FILE, confusion=confusion, class_vectors=class_vectors)
        plot_curves(rows, run.path / "curves.png", title=title)
        plot_confusion(confusion, self.dataset.label_names, run.path / "confusion.png", title=f"{title}\ntest")
        plot_predictions(test.images, test.labels, logits, self.dataset.label_names, run.path / "predictions.png",
                         title=f"{title}: test images, right and wrong")


def _compiled_model(config: TrainConfig, dataset: Dataset, extended_at: int = 0) -> keras.Model:
    # on JAX a batch that devices share is one array: its statistics are those of the whole batch without being told
    shared = config.devices > 1 and keras.backend.backend() == "tensorflow"
    normalization = functools.partial(FusedBatchNormalization, synchronized=True) if shared else FusedBatchNormalization
    mixes = Augmentation(**config.values("augmentation")).mixes
    wrap = losses.mixed if mixes else _same
    rate = _learning_rate(config, steps_of(len(dataset.train), config.batch_size, config.partial_batch), extended_at)
    with precision_policy(config.precision):
        model = _build(config, dataset, normalization)
        model.compile(
            optimizer=keras.optimizers.SGD(rate, momentum=config.momentum, nesterov=True),
            loss=wrap(_loss(config, model)),
            # `loss` has the L2 penalty, margin and smoothing in it; the plain cross-entropy is tracked beside it
            metrics=[keras.metrics.MeanMetricWrapper(wrap(losses.accuracy), name="accuracy"),
                     keras.metrics.MeanMetricWrapper(wrap(losses.cross_entropy), name="cross_entropy")],
            jit_compile=jit_compile(),
        )
    # the variables of the running metrics, so that a checkpoint finds them before the first step
    labels = np.zeros((1, 3), np.float32) if mixes else np.zeros(1, np.int32)
    model._symbolic_build(data_batch=(dataset.train.images[:1], labels))
    return model


def _build(config: TrainConfig, dataset: Dataset, normalization: Any = FusedBatchNormalization) -> keras.Model:
    return build_model(
        config.model, dataset.train.images.shape[1:], dataset.num_classes, seed=config.seed,
        vector_seed=config.vector_seed, width=config.width, signed_features=config.signed_features,
        pooling=config.pooling, weight_decay=config.weight_decay, decay_norms=config.decay_norms,
        mean=dataset.mean.tolist(), std=dataset.std.tolist(),
        normalization=normalization, logits=config.head, fixed=config.fixed, scale=config.scale, bias=config.bias,
        class_vectors=config.class_vectors, rotate=config.rotate, vector_lr=config.vector_lr,
        vector_weight_decay=config.vector_weight_decay, store_vectors=config.store_vectors,
    )


def _learning_rate(config: TrainConfig, steps: int, done: int) -> Any:
    if config.schedule == "plateau":
        return config.lr
    return WarmupDecay(config.lr, (config.epochs - done) * steps, 0.0 if done else config.warmup_fraction,
                       config.schedule, done * steps)


def _extended_at(stored: Stored) -> int:
    """The epoch at which the run was last extended; 0 if it was not."""
    return int(stored.extended_from.split(",")[-1]) if stored.extended_from else 0


def _same(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return function


def _loss(config: TrainConfig, model: keras.Model) -> Callable[[Any, Any], Any]:
    function = import_object(LOSSES[config.loss].function)
    head = head_of(model)
    margin = None if config.margin == "none" else import_object(MARGINS[config.margin].function)

    def loss(labels: Any, logits: Any) -> Any:
        if margin is not None:
            logits = margin(labels, logits, head.current_scale(), config.margin_size)
        return function(labels, logits, label_smoothing=config.label_smoothing)

    return loss


def _announce(config: TrainConfig, dataset: Dataset, model: keras.Model, steps: int) -> None:
    head = head_of(model)
    num_classes, dim = head.class_vectors.shape
    arm = "fixed" if config.fixed else "learned"
    _log.info("%s on %s, %d images of %d classes; %d features; %s, %s class vectors, S = %s; %s; %d epochs of %d steps",
              config.model, config.dataset, len(dataset.train), num_classes, dim, config.head, arm, scale_text(config),
              config.precision, config.epochs, steps)
    if config.selection == "test":
        _log.warning("Epochs are selected on TEST images: the test accuracy of this run is too high, and comparable "
                     "with runs of this protocol only.")
    if config.margin != "none":
        _log.info("Margin: %s %g. The training loss has it; accuracy and validation have not.", config.margin,
                  config.margin_size)
    if config.head == "cos" and not config.signed_features:
        reach = reachable_cosine(to_numpy(head.class_vectors))
        at_best = ""
        if num_classes <= _LIMITS_CLASSES:
            limits = head.limits(signed_features=False)
            at_best = (f"; cross-entropy is smallest, {limits.smallest_loss:.4g}, at a mean cosine of "
                       f"{limits.cosine:.3f}")
        _log.info("Features have no negative entries: they can reach cosines of %.3f to %.3f (mean %.3f) to these "
                  "class vectors%s.", reach.min(), reach.max(), reach.mean(), at_best)


def _extension_note(config: TrainConfig, epoch: int) -> str:
    if config.schedule in ("constant", "plateau"):
        return f"Extended to {config.epochs} epochs, at the same rate ({config.schedule} schedule)."
    return (f"Extended to {config.epochs} epochs: epochs {epoch + 1} to {config.epochs} follow a {config.schedule} "
            f"schedule of their own, from the rate {config.lr:g} down to 0, without warm-up.")


def _vector_metrics(model: keras.Model) -> dict[str, float]:
    """Learned class vectors start far apart; whether they move together is seen here."""
    head = head_of(model)
    vectors = to_numpy(head.class_vectors)
    found = {"scale": float(to_numpy(head.current_scale())),
             "class_vectors_mean_norm": float(np.linalg.norm(vectors, axis=1).mean())}
    if len(vectors) <= _PAIRS_CLASSES:
        cosines = pairwise_cosines(vectors)
        found |= {"class_vectors_mean_cosine": float(cosines.mean()), "class_vectors_max_cosine": float(cosines.max())}
    return found


def _speed(config: TrainConfig, model: keras.Model, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Images a second, the arithmetic of the steps, and its share of what the device can do, where that is known.

    A step is three forward passes' worth of multiply-adds, each of two operations.
    """
    images = float(np.median([row["images_per_second"] for row in rows]))
    rate = 6 * multiply_adds(model) * images
    card, peak = hardware.gpu_peak(config.precision) if on_gpu() else (None, None)
    return {"images_per_second": images, "flops_per_second": rate, "peak_device": card, "peak_flops_per_second":
            None if peak is None else peak * config.devices,
            "share_of_peak": None if peak is None else rate / (peak * config.devices)}


def _count(weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _epochs_done(run: Run) -> int:
    try:
        return max((row["epoch"] for row in run.metrics()), default=0)
    except RunError:  # what is being reported matters more than a damaged file
        return 0


def _note_failure(run: Run, error: BaseException) -> None:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    try:
        run.write_status("failed", epoch=_epochs_done(run), reason=reason)
    except RunError:
        _log.warning("The status of %s could not be written.", run.path)
