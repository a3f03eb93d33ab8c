"""The trained weights that a run starts from: where they are, which network they are of, and their digest."""
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from keras_fixhead.catalog import APPLICATIONS_PREFIX, HUB_PREFIX, find_model, is_preset
from keras_fixhead.config.checks import option
from keras_fixhead.config.train_config import TrainConfig
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.hub_presets import absolute_name, check_preprocessing, described_by, preset_weights

IMAGENET = "imagenet"
NETWORK = ("model", "width", "pooling", "signed_features", "feature_dim")
"""The fields that a run takes from the run that it starts from."""


def weights_file(config: TrainConfig) -> Path | None:
    """Returns the file of the weights that training starts from; None for random weights and for Keras' own ImageNet's.

    Example:
        >>> weights_file(TrainConfig(weights="resnet50_notop.h5")).name, weights_file(TrainConfig()) is None
        ('resnet50_notop.h5', True)
    """
    if config.init_from is not None:
        path = Path(config.init_from).expanduser()
        return path / "model.keras" if path.is_dir() else path
    if config.weights == IMAGENET and is_preset(config.model):
        return preset_weights(config.model.removeprefix(HUB_PREFIX))
    return None if config.weights in ("none", IMAGENET) else Path(config.weights).expanduser()


def source_digest(config: TrainConfig) -> str | None:
    """Returns the SHA-256 of what training starts from; None for random weights and for Keras' own ImageNet's.

    Of a preset of KerasHub, it is that of the digests of its files, as far as they are used.

    Raises:
        RunError: if a file cannot be read.
    """
    file = weights_file(config)
    files = [] if file is None else [file]
    if is_preset(config.model):
        files = described_by(config.model.removeprefix(HUB_PREFIX)) + files
        return hashlib.sha256(" ".join(map(file_digest, files)).encode()).hexdigest()
    return file_digest(files[0]) if files else None


def source_network(init_from: str | None) -> dict[str, Any]:
    """Returns the fields that describe the network of the run that training starts from; empty for a file.

    Raises:
        ArgumentError: (a ValueError) if the run's config.json cannot be read.
    """
    if init_from is None or not Path(init_from).expanduser().is_dir():
        return {}
    path = Path(init_from).expanduser() / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fields = content.get("resolved", content)
        fields = {"feature_dim": None, **fields}  # earlier runs do not have it
        return {name: fields[name] for name in NETWORK}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise ArgumentError(f"{init_from} is not a run whose network is known: its config.json is missing or damaged.",
                            hint="Give a finished run, or its model.keras with --model and --width.") from None


def pretrained_of(config: TrainConfig) -> str | None:
    """Returns what identifies the weights that training starts from: 'imagenet', the SHA-256 of files, or None.

    Raises:
        ArgumentError: (a ValueError) if the options contradict each other.
        RunError: if the file cannot be read.
    """
    check_pretrained(config)
    if config.pretrained is not None:
        return config.pretrained  # of a run that is resumed: the weights are in its checkpoint
    return IMAGENET if config.weights == IMAGENET and not is_preset(config.model) else source_digest(config)


def file_digest(file: Path) -> str:
    """Returns the SHA-256 of a file.

    Raises:
        RunError: if it cannot be read.
    """
    try:
        state = file.stat()
        return _digest(str(file.absolute()), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror}.",
                       hint="Give a finished run, a .keras file or a file of weights.") from None


@functools.lru_cache(maxsize=16)
def _digest(file: str, size: int, changed: int) -> str:
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def check_pretrained(config: TrainConfig) -> None:
    """Raises an ArgumentError for options of fine-tuning that contradict each other."""
    starts = config.init_from is not None or config.weights != "none"
    if config.init_from is not None and config.weights != "none":
        raise ArgumentError("init_from and weights both say where to start.", hint="Leave out --weights.")
    if config.weights != "none" and not find_model(config.model).takes_weights:
        raise ArgumentError(f"There are no published weights of {config.model}.",
                            hint=f"Use --init-from RUN, or --model {APPLICATIONS_PREFIX}NAME.")
    if config.weights == IMAGENET and not is_preset(config.model) and config.pretrained not in (None, IMAGENET):
        raise ArgumentError(f"pretrained is {config.pretrained!r}, but weights is 'imagenet'.",
                            hint="Leave out --pretrained, or use --weights FILE.")
    if config.weights != "none" and is_preset(config.model):
        check_preprocessing(config.model.removeprefix(HUB_PREFIX))
    for name, value in source_network(config.init_from).items():
        asked = absolute_name(config.model) if name == "model" else getattr(config, name)
        if asked not in (value, None):  # None is the network's own form
            raise ArgumentError(f"{config.init_from} was trained with {name} {value!r}, not {asked!r}.",
                                hint=f"Leave out {option(name, asked)}.")
    if config.freeze == "none":
        if config.unfreeze_after is not None:
            raise ArgumentError("unfreeze_after is given, but nothing is frozen.",
                                hint="Leave out --unfreeze-after, or use --freeze backbone and --learned.")
        return
    if not starts:
        takes = find_model(config.model).takes_weights
        raise ArgumentError("A frozen backbone must already be trained.",
                            hint="Add --init-from RUN or --weights FILE." if takes else "Add --init-from RUN.")
    if config.fixed and config.scale != "learned" and config.bias != "learned":
        raise ArgumentError("The backbone is frozen and the class vectors are fixed: there is nothing to learn.",
                            hint="Use --learned, or leave out --freeze.")
    if config.unfreeze_after is not None and config.unfreeze_after >= config.epochs:
        raise ArgumentError(f"unfreeze_after must be less than the number of epochs, {config.epochs:g}, got "
                            f"{config.unfreeze_after}.", hint="Leave it out to keep the backbone frozen.")
