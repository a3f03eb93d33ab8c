"""Training for the command line: checks and messages before Keras is loaded, progress while it trains."""
import contextlib

from fixhead_cli.output import show_progress
from keras_fixhead.config import Resolved
from keras_fixhead.runs import Run


def train_resolved(resolved: Resolved, resume: Run | None, quiet: bool) -> Run | None:
    """Returns the trained run; None in any of several processes except the first."""
    from fixhead_cli.framework import load_keras, load_reader, results_kept_clean
    from keras_fixhead.data import check_available

    config = resolved.config
    # before Keras is loaded, which takes seconds
    check_available(config.dataset, config.data_dir, image_size=config.image_size)
    load_keras()
    load_reader(config.dataset, config.data_dir)
    from fixhead_cli.progress import progress_bars
    from keras_fixhead.training import is_first, is_one_of_several, start, train

    with contextlib.ExitStack() as stack:
        if is_one_of_several():  # only the first process prints
            stack.enter_context(results_kept_clean())
            resolved = start(resolved)
            quiet = quiet or not is_first()
        show_progress(quiet)
        run = train(resolved, resume=resume, callbacks=progress_bars(config.epochs, quiet))
    return run if is_first() else None
