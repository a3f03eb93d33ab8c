"""The work of `fixhead reproduce` with a network of one convolution, which files in the folder of runs hold up."""
import dataclasses
import os
import signal
import sys
import time
from pathlib import Path

from fixhead_cli.reproducing import worker_work
from keras_fixhead.catalog import MODELS
from keras_fixhead.reproduction.running import run as running

TRAINING = Path(__file__).parents[1] / "training"


def make():
    """Returns the work, in the process of a worker."""
    sys.path.append(str(TRAINING))
    MODELS["resnet18"] = dataclasses.replace(MODELS["resnet18"], builder="tiny_network:build")
    running.REHEARSAL_CORRUPTED = 20
    work = worker_work()
    from keras_fixhead.training import train

    return dataclasses.replace(work, train=lambda config, resume: train(
        config, resume=resume, callbacks=[_held_up(Path(config.config.runs_dir), config.config.fixed)]))


def _held_up(folder, fixed):
    """Returns a callback: in the second epoch it ends the process of the fixed arm if there is a file `kill`, once; and
    waits for as long as there is a file `wait`."""
    import keras

    class HeldUp(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_begin(self, epoch, logs=None):
            self.epochs += 1

        def on_train_batch_end(self, batch, logs=None):
            if self.epochs == 2 and fixed and (folder / "kill").exists():
                (folder / "kill").unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            while self.epochs == 2 and (folder / "wait").exists():
                time.sleep(0.05)

    return HeldUp()
