"""What `fixhead data show` prints about a data set."""
from pathlib import Path
from typing import Any

from keras_fixhead.config import TrainConfig
from keras_fixhead.data import Dataset


def shown_content(config: TrainConfig, data: Dataset, figure: Path) -> dict[str, Any]:
    """Returns the sizes, classes and statistics of a data set, for JSON."""
    return {
        "figure": str(figure.absolute()), "dataset": config.dataset, "classes": data.num_classes,
        "train": len(data.train), "validation": len(data.validation), "test": len(data.test),
        "image_shape": list(data.image_shape), "mean": data.mean.tolist(), "std": data.std.tolist(),
        "label_names": list(data.label_names), "subset": data.subset,
    }


def shown_text(name: str, data: Dataset, figure: Path) -> list[str]:
    """Returns the same as lines."""
    return [
        f"{name}: {len(data.train):,} training, {len(data.validation):,} validation and {len(data.test):,} test images "
        f"of {data.num_classes} classes, {'x'.join(map(str, data.image_shape))}",
        f"pixels are normalized with mean {_three(data.mean)} and standard deviation {_three(data.std)}, as shares of "
        "255",
        *([f"This is {data.subset}."] if data.subset else []),
        f"Figure: {figure}",
    ]


def _three(values: Any) -> str:
    return " ".join(f"{value / 255:.4f}" for value in values)
