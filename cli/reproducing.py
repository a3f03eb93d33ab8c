"""What `fixhead reproduce` and `fixhead report` need from the rooms that load Keras."""
import logging

import click

from keras_fixhead.reproduction.run import Options, Work, keep_compiled_steps, run_all


def reproduce(options: Options, *, quiet: bool) -> int:
    """Runs what is missing of a plan; returns the exit status."""
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format="%(message)s")
    for noisy in ("jax", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    keep_compiled_steps()
    return run_all(options, _keras_work())


def _keras_work() -> Work:
    from keras_fixhead.measurement import current_device, forget_models, measure_run
    from keras_fixhead.training import train

    return Work(train=lambda config, resume: train(config, resume=resume), measure=measure_run, device=current_device,
                forget=forget_models, say=click.echo)
