"""The engine: a configuration becomes a run directory."""
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fixhead import hardware, losses
from keras_fixhead.catalog import DATASETS, LOSSES, MARGINS, MODELS, import_object
from keras_fixhead.config import TrainConfig, resolve, scale_text, steps_per_epoch
from keras_fixhead.data import Dataset, limit_train, load_dataset
from keras_fixhead.data.batches import TrainBatches
from keras_fixhead.errors import ArgumentError, RunError, TrainingError
from keras_fixhead.evaluation import BATCH_SIZE, evaluate_model
from keras_fixhead.json_files import copy_file
from keras_fixhead.models import build_model, head_of, precision_policy
from keras_fixhead.runs import Run, create_run
from keras_fixhead.training.backend import describe_environment, jit_compile, on_gpu, prepare_backend
from keras_fixhead.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from keras_fixhead.training.estimate import StepTimer, announce_stored_estimate
from keras_fixhead.training.events import EventLog
from keras_fixhead.training.schedule import WarmupDecay
from keras_fixhead.vectors import auto_scale_reason, pairwise_cosines, reachable_cosine

__all__ = ["describe_environment", "on_gpu", "train"]

_log = logging.getLogger(__name__)

_LIMITS_CLASSES = 250  # above, the smallest loss takes longer to find than it is worth


def train(config: TrainConfig, *, resume: Run | None = None) -> Run:
    """Returns the run directory of a training, finished.

    Args:
        config: what to train. Its `recipe` is a name only: `recipes.build_config` gives a recipe's values.
        resume: an unfinished run of this configuration, to go on from its newest checkpoint.

    Raises:
        ArgumentError: (a ValueError) if `resume` is a run of another configuration.
        DataError: if the data are not there.
        RunError: if the run directory or a checkpoint cannot be read or written.
        TrainingError: if the loss is no longer a number.

    Example:
        >>> from keras_fixhead.recipes import build_config
        >>> config = build_config({"recipe": "smoke", "epochs": 1, "limit_train": 200, "runs_dir": "runs"})
        >>> run = train(config)
        >>> run.read("status")["state"]
        'complete'
    """
    if config.scale == "auto":
        _log.info(auto_scale_reason(DATASETS[config.dataset].num_classes))
    config = resolve(config, gpu=on_gpu())
    if resume is not None and resume.config().digest != config.digest:
        raise ArgumentError(f"The configuration is not that of {resume.path}.",
                            hint="Resume with the run's own: train(run.config(), resume=run)")
    prepare_backend(config)
    dataset = limit_train(load_dataset(config.dataset, config.data_dir), config.limit_train)
    run = resume or create_run(config)
    _log.info("Run: %s", run.path)
    try:
        model = _compiled_model(config, dataset)
        progress = _start(run, config, model, resume is not None)
        _announce(config, dataset, model)
        if resume is None:
            announce_stored_estimate(config)
        _fit(run, config, dataset, model, progress)
        _finish(run, config, dataset, model)
    except KeyboardInterrupt:
        done = _epochs_done(run)
        run.write_status("interrupted", epoch=done, reason="stopped by a signal")
        _log.warning("Interrupted after epoch %d. Go on: %s", done, run.resume_command)
        raise
    except BaseException as error:
        _note_failure(run, error)
        raise
    run.write_status("complete", epoch=config.epochs)
    return run


def _start(run: Run, config: TrainConfig, model: keras.Model, resumed: bool) -> Progress:
    """How far the run has come, from its newest checkpoint or from nothing."""
    progress = Progress()
    if resumed and run.newest_checkpoint.exists():  # one that was stopped in its first epoch has none
        progress = load_checkpoint(run.newest_checkpoint, model)
        _keep_best(run, config, progress)
        _log.info("Resumed after epoch %d.", progress.epoch)
    run.write_metrics([row for row in run.metrics() if row["epoch"] <= progress.epoch])
    run.write("environment", describe_environment())
    run.write_status("running", epoch=progress.epoch)
    return progress


def _fit(run: Run, config: TrainConfig, dataset: Dataset, model: keras.Model, progress: Progress) -> None:
    """Trains the epochs that are left, each followed by validation, one line of metrics and a checkpoint."""
    rows = run.metrics()
    events = EventLog(run.path / "tensorboard")
    timer = StepTimer(config)
    for epoch in range(progress.epoch, config.epochs):
        start = time.perf_counter()
        batches = TrainBatches(dataset.train, config.batch_size, seed=config.seed, epoch=epoch,
                               crop_padding=config.crop_padding or 0, flip=bool(config.flip))
        history = model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0,
                            callbacks=[timer])
        row = {
            "epoch": epoch + 1,
            "step": (epoch + 1) * len(batches),
            **{name: float(values[-1]) for name, values in history.history.items()},
            "lr": float(model.optimizer.learning_rate),
            "train_seconds": timer.epoch_seconds,
            "images_per_second": len(batches) * batches.batch_size / timer.epoch_seconds,
        }
        if not math.isfinite(row["loss"]):
            raise TrainingError(f"The loss is {row['loss']} in epoch {epoch + 1}.",
                                hint="Try a lower learning rate (--lr) or a longer warm-up.")
        validation = model.evaluate(dataset.validation.images, dataset.validation.labels, batch_size=BATCH_SIZE,
                                    verbose=0, return_dict=True)
        row |= {f"validation_{name}": float(value) for name, value in validation.items() if name != "loss"}
        row |= _vector_metrics(model)
        row["seconds"] = time.perf_counter() - start
        rows.append(row)
        progress = progress.after_epoch(epoch + 1, row["validation_accuracy"])
        run.write_metrics(rows)
        save_checkpoint(run.newest_checkpoint, model, progress)
        _keep_best(run, config, progress)
        run.write_status("running", epoch=epoch + 1)
        events.write(row)
        _log.info("epoch %d/%d  loss %.4f  accuracy %.4f  validation %.4f  %.0f images/s  %.0f s", epoch + 1,
                  config.epochs, row["loss"], row["accuracy"], row["validation_accuracy"], row["images_per_second"],
                  row["seconds"])
    events.close()


def _keep_best(run: Run, config: TrainConfig, progress: Progress) -> None:
    """Makes the newest checkpoint the best one too, if it is; after it was written, so that a resume can redo it."""
    if config.selection == "validation" and progress.best_epoch == progress.epoch:
        copy_file(run.newest_checkpoint, run.best_checkpoint)


def _finish(run: Run, config: TrainConfig, dataset: Dataset, model: keras.Model) -> None:
    """Saves the selected model under the float32 policy, evaluates it and writes result.json."""
    selected = run.best_checkpoint if config.selection == "validation" else run.newest_checkpoint
    epoch = load_checkpoint(selected, model).epoch
    with precision_policy("float32"):
        final = _build(config, dataset)
    final.set_weights(model.get_weights())
    _save_model(final, run.model_path)
    evaluations = {split: evaluate_model(final, dataset.split(split)) for split in ("validation", "test")}
    rows = run.metrics()
    run.write("result", {
        "config_digest": config.digest,
        "class_vectors_digest": config.class_vectors_digest,
        "label_names": list(dataset.label_names),
        "data_digest": dataset.digest(),
        "data_mean": dataset.mean.tolist(),
        "data_std": dataset.std.tolist(),
        "train_images": len(dataset.train),
        "epoch": epoch,
        "selection": config.selection,
        "accuracy": {split: each.accuracy for split, each in evaluations.items()},
        "evaluation": {split: each.as_dict() for split, each in evaluations.items()},
        **_vector_metrics(final),
        "parameters": {"trainable": _count(final.trainable_weights), "fixed": _count(final.non_trainable_weights)},
        "seconds": sum(row["seconds"] for row in rows),
        "images_per_second": float(np.median([row["images_per_second"] for row in rows])),
        "peak_memory_bytes": hardware.peak_memory_bytes(),
        "environment": run.read("environment"),
    })


def _compiled_model(config: TrainConfig, dataset: Dataset) -> keras.Model:
    with precision_policy(config.precision):
        model = _build(config, dataset)
        schedule = WarmupDecay(config.lr, config.epochs * steps_per_epoch(config), config.warmup_fraction,
                               config.schedule)
        model.compile(
            optimizer=keras.optimizers.SGD(schedule, momentum=config.momentum, nesterov=True),
            loss=_loss(config, model),
            # `loss` has the L2 penalty, margin and smoothing in it; the plain cross-entropy is tracked beside it
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
                     keras.metrics.MeanMetricWrapper(losses.cross_entropy, name="cross_entropy")],
            jit_compile=jit_compile(),
        )
    return model


def _loss(config: TrainConfig, model: keras.Model) -> Callable[[Any, Any], Any]:
    function = import_object(LOSSES[config.loss].function)
    head = head_of(model)
    margin = None if config.margin == "none" else import_object(MARGINS[config.margin].function)

    def loss(labels: Any, logits: Any) -> Any:
        if margin is not None:
            logits = margin(labels, logits, head.current_scale(), config.margin_size)
        return function(labels, logits, label_smoothing=config.label_smoothing)

    return loss


def _build(config: TrainConfig, dataset: Dataset) -> keras.Model:
    return build_model(
        config.model, dataset.train.images.shape[1:], dataset.num_classes, seed=config.seed,
        vector_seed=config.vector_seed, width=config.width, signed_features=config.signed_features,
        weight_decay=config.weight_decay, mean=dataset.mean.tolist(), std=dataset.std.tolist(),
        logits=config.head, fixed=config.fixed, scale=config.scale, bias=config.bias,
        class_vectors=config.class_vectors, rotate=config.rotate, vector_lr=config.vector_lr,
        vector_weight_decay=config.vector_weight_decay, store_vectors=config.store_vectors,
    )


def _save_model(model: keras.Model, path: Path) -> None:
    try:
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=".model-", suffix=".keras")
        os.close(descriptor)
        model.save(aside)
        with Path(aside).open("rb+") as file:
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)
        Path(aside).replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}.") from None


def _announce(config: TrainConfig, dataset: Dataset, model: keras.Model) -> None:
    head = head_of(model)
    num_classes, dim = head.class_vectors.shape
    arm = "fixed" if config.fixed else "learned"
    _log.info("%s on %s, %d images of %d classes; %d features; %s, %s class vectors, S = %s; %s; %d epochs of %d steps",
              config.model, config.dataset, len(dataset.train), num_classes, dim, config.head, arm, scale_text(config),
              config.precision, config.epochs, steps_per_epoch(config))
    if config.margin != "none":
        _log.info("Margin: %s %g. The training loss has it; accuracy and validation have not.", config.margin,
                  config.margin_size)
    if config.head == "cos" and not (config.signed_features or MODELS[config.model].signed_features):
        reach = reachable_cosine(keras.ops.convert_to_numpy(head.class_vectors.value))
        at_best = ""
        if num_classes <= _LIMITS_CLASSES:
            limits = head.limits(signed_features=False)
            at_best = (f"; cross-entropy is smallest, {limits.smallest_loss:.4g}, at a mean cosine of "
                       f"{limits.cosine:.3f}")
        _log.info("Features have no negative entries: they can reach cosines of %.3f to %.3f (mean %.3f) to these "
                  "class vectors%s.", reach.min(), reach.max(), reach.mean(), at_best)


def _vector_metrics(model: keras.Model) -> dict[str, float]:
    """Learned class vectors start far apart; whether they move together is seen here."""
    head = head_of(model)
    vectors = np.asarray(keras.ops.convert_to_numpy(head.class_vectors.value))
    cosines = pairwise_cosines(vectors)
    return {
        "scale": float(keras.ops.convert_to_numpy(head.current_scale())),
        "class_vectors_mean_cosine": float(cosines.mean()),
        "class_vectors_max_cosine": float(cosines.max()),
        "class_vectors_mean_norm": float(np.linalg.norm(vectors, axis=1).mean()),
    }


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
