"""Learning rates over the steps of a run."""
from typing import Any

import keras
from keras import ops


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A straight rise from 0 to the peak, then a fall to 0: by a cosine, or by a straight line (one cycle).

    Args:
        peak: largest rate.
        total_steps: steps of the whole run.
        warmup_fraction: share of the steps in which it rises.
        shape: 'cosine' or 'one_cycle'.

    Example:
        >>> schedule = WarmupDecay(0.2, total_steps=100, warmup_fraction=0.25, shape="one_cycle")
        >>> [round(float(schedule(step)), 3) for step in (0, 24, 62, 99)]
        [0.008, 0.2, 0.099, 0.0]
    """

    def __init__(self, peak: float, total_steps: int, warmup_fraction: float, shape: str) -> None:
        self._config: dict[str, Any] = {
            "peak": peak, "total_steps": total_steps, "warmup_fraction": warmup_fraction, "shape": shape}

    def __call__(self, step: Any) -> Any:
        peak, total = self._config["peak"], self._config["total_steps"]
        warmup = max(1.0, self._config["warmup_fraction"] * total)
        done = ops.cast(step, "float32") + 1.0  # the first step has a rate above 0, the last one nearly 0
        remaining = ops.clip((total - done) / max(1.0, total - warmup), 0.0, 1.0)
        if self._config["shape"] == "cosine":
            remaining = 0.5 * (1.0 - ops.cos(3.141592653589793 * remaining))
        return peak * ops.minimum(ops.minimum(done / warmup, 1.0), ops.where(done < warmup, 1.0, remaining))

    def get_config(self) -> dict[str, Any]:
        return dict(self._config)
