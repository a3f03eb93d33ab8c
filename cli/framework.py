"""Loads Keras and TensorFlow without their start-up messages."""
import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from keras_fixhead import hardware, lean_import
from keras_fixhead.errors import ArgumentError, DependencyError


def load_keras() -> None:
    """Imports Keras and its backend, quietly.

    Raises:
        ArgumentError: if KERAS_BACKEND is not the name of a backend.
        DependencyError: if the backend is not installed.
    """
    warnings.filterwarnings("ignore", module=r"(keras|tensorflow|google)\b")  # matches keras, but not our keras_fixhead
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns about the first predictions of each new model
    try:
        unneeded = lean_import.TENSORFLOW if hardware.keras_backend() == "tensorflow" else lean_import.KERAS
        with _quietly(), lean_import.without(*unneeded):
            import keras  # noqa: F401
    except ValueError as error:
        raise ArgumentError(f"Keras cannot use its backend: {error}.",
                            hint="Set KERAS_BACKEND to tensorflow, jax or torch.") from None
    except ImportError as error:
        raise DependencyError(
            f"Keras' backend {os.environ.get('KERAS_BACKEND', 'tensorflow')!r} cannot be loaded: {error}.",
            hint="Install it (pip install tensorflow), or set KERAS_BACKEND to an installed one: fixhead doctor",
        ) from None


def load_tensorflow() -> None:
    """Imports TensorFlow, quietly.

    Raises:
        DependencyError: if it is not installed.
    """
    try:
        with _quietly(), lean_import.without(*lean_import.TENSORFLOW):
            import tensorflow  # noqa: F401
    except ImportError as error:
        raise DependencyError(f"TensorFlow cannot be loaded: {error}.",
                              hint="Install it: pip install tensorflow") from None


def load_reader(dataset: str, data_dir: str | None) -> None:
    """Quietly imports TensorFlow if TensorFlow Datasets reads the data set, with any backend.

    Packed and cached sets need nothing.

    Raises:
        DependencyError: if it is not installed.
    """
    from keras_fixhead.data import reads_tfds
    from keras_fixhead.data.tfds import needs_tensorflow

    if not reads_tfds(dataset, data_dir):
        return
    try:
        load_tensorflow()
    except DependencyError:
        raise needs_tensorflow(dataset, "tensorflow") from None


@contextlib.contextmanager
def results_kept_clean() -> Iterator[None]:
    """Redirects what libraries such as Gloo write to descriptor 1 to standard error: only results belong there."""
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        yield
        return
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Captures what TensorFlow's libraries write to descriptor 2 during start-up; shows it if loading fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # for their later messages
    try:
        saved = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with tempfile.TemporaryFile() as kept:
        sys.stderr.flush()
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except (ImportError, ValueError):
            raise  # expected by the callers, who report it in one line
        except BaseException:
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
