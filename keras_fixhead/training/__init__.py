"""The training engine: from a configuration to a run directory."""
import contextlib
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_fixhead.config import Resolved, Stored, TrainConfig, resolve, run_digest, to_store
from keras_fixhead.data import Dataset, run_dataset
from keras_fixhead.data.balance import loss_weights
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.losses import check_labels
from keras_fixhead.runs import Run, UnwrittenRun, continued, create_run
from keras_fixhead.training import processes
from keras_fixhead.training.announce import announce_scale
from keras_fixhead.training.backend import describe_environment, on_gpu, start_backend
from keras_fixhead.training.estimate import announce_stored_estimate
from keras_fixhead.training.finetuning import with_normalization
from keras_fixhead.training.loop import Loop
from keras_fixhead.training.outcome import finish
from keras_fixhead.training.processes import is_first, is_one_of_several
from keras_fixhead.training.signals import StopRequests
from keras_fixhead.training.steps import Interrupted

__all__ = ["describe_environment", "is_first", "is_one_of_several", "on_gpu", "start", "train"]

_log = logging.getLogger(__name__)


def start(config: TrainConfig | Resolved) -> Resolved:
    """Starts the backend and returns the configuration, resolved for the devices of this process.

    If Keras' environment variables say that this is one of several processes, it joins them; `is_first` tells whether
    it is the one that writes and reports.

    Raises:
        ArgumentError: (a ValueError) if `config` is none, or it cannot join them.
        TrainingError: if the backend has already started with other settings.
    """
    if not isinstance(config, (TrainConfig, Resolved)):
        raise ArgumentError(f"config must be a TrainConfig, got {type(config).__name__}.",
                            hint="Make one: keras_fixhead.recipes.build_config({'dataset': 'digits'})")
    resolved = config if isinstance(config, Resolved) else resolve(config)
    start_backend(resolved.config)  # before anything asks for devices
    return resolved.for_device(gpu=on_gpu())


def train(config: TrainConfig | Resolved, *, resume: Run | None = None,
          callbacks: Sequence[keras.callbacks.Callback] = ()) -> Run:
    """Trains a configuration and returns its run directory.

    If several processes (see `start`) all call this, they train together, and the first one writes the run.

    On the first SIGINT or SIGTERM it finishes its step and writes a checkpoint; on the second it stops immediately.

    Args:
        config: what to train, as asked for or resolved. Its `recipe` is only a name: `recipes.build_config` returns a
            configuration with a recipe's values.
        resume: an unfinished run of this configuration, to be continued from its newest checkpoint; or a finished run
            that `config` extends.
        callbacks: Keras callbacks, passed to `fit` in each epoch.

    Raises:
        ArgumentError: (a ValueError) if `resume` or another process has a different configuration.
        DataError: if the data set is missing.
        DependencyError: if the network or logger needs a package that is not installed.
        RunError: if the run directory or a checkpoint cannot be read or written.
        TrainingError: if the loss is infinite or NaN.

    Example:
        >>> from keras_fixhead.recipes import build_config
        >>> config = build_config({"recipe": "smoke", "epochs": 1, "limit_train": 200, "runs_dir": "runs"})
        >>> run = train(config)
        >>> run.read("status")["state"]
        'complete'
    """
    resolved = start(config)
    announce_scale(resolved)
    stored = to_store(resolved) if resume is None else continued(resume, resolved)
    dataset = run_dataset(**resolved.config.data_fields)
    check_labels(dataset.train.labels, dataset.num_classes)  # in a compiled step they would only show as NaN
    loss_weights(resolved.config.class_weights, dataset.train.labels, dataset.label_names)  # raises if names do not fit
    processes.check_shares(min(resolved.config.batch_size, len(dataset.train)), resolved.config.devices)
    with processes.failing_together():
        run = _run_of_all(resolved, resume)
    _log.info("Run: %s", run.path)
    with processes.failing_together(run.resume_command), run.lock():
        _train(run, resolved, stored, dataset, callbacks, resumed=resume is not None)
        if is_first():
            with contextlib.suppress(Exception):  # if others fail now, they report it; the run is complete
                processes.from_first(None)
        else:
            processes.from_first(None)  # returns when the run is written
    return run


def _train(run: Run, resolved: Resolved, stored: Stored, dataset: Dataset,
           callbacks: Sequence[keras.callbacks.Callback], *, resumed: bool) -> None:
    stop = StopRequests()
    try:
        if resumed:
            run.write_config(stored)
        dataset = with_normalization(run, resolved.config, dataset, resumed=resumed)
        loop = Loop(run, resolved, stored, dataset, callbacks, stop)
        progress = loop.start(resumed=resumed)
        if not resumed:
            announce_stored_estimate(resolved, loop.length.steps_per_epoch)
        with stop:
            progress = loop.fit(progress)
        reason = loop.stop_reason(progress)
        if is_first():
            finish(run, stored, dataset, loop.models, progress, reason)
    except Interrupted:
        done = loop.write_interrupted()
        with contextlib.suppress(Exception):
            processes.from_first(None)  # the others return when the first one has written
        _log.warning("Stopped after epoch %d and step %d of the next. Continue: %s", done.epoch, done.step,
                     run.resume_command)
        stop.hand_on()
        raise KeyboardInterrupt from None  # in case the previous handler returned
    except KeyboardInterrupt:
        done_epochs = _epochs_done(run)
        run.write_status("interrupted", epoch=done_epochs, reason="stopped by a signal")
        _log.warning("Interrupted after epoch %d. Continue: %s", done_epochs, run.resume_command)
        raise
    except BaseException as error:
        _note_failure(run, error)
        raise
    run.write_status("complete", epoch=progress.epoch, reason=reason)


def _run_of_all(resolved: Resolved, resume: Run | None) -> Run:
    """The run directory, which the first of several processes creates and writes."""
    run = (resume or create_run(resolved)) if is_first() else None
    config = dataclasses.replace(resolved.config, threads=None)  # hosts may have different numbers of cores
    own = run_digest(config, resolved.class_vectors_digest)
    path, digest = processes.from_first([str(run.path), own] if run else None)
    if digest != own:
        raise ArgumentError("This process has a different configuration than the first one.",
                            hint="Give every process the same options.")
    return run or UnwrittenRun(resume.path if resume else Path(path))


def _epochs_done(run: Run) -> int:
    try:
        return max((row["epoch"] for row in run.metrics()), default=0)
    except RunError:  # the error being reported matters more than a damaged file
        return 0


def _note_failure(run: Run, error: BaseException) -> None:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    try:
        run.write_status("failed", epoch=_epochs_done(run), reason=reason)
    except RunError:
        _log.warning("The status of %s could not be written.", run.path)
