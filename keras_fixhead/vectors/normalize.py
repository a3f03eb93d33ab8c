"""Division by the norm, bit-identical on every platform."""
import numpy as np
from numpy.typing import NDArray


def unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns the rows divided by their Euclidean length, as float32.

    The squares are added one by one: `np.add.accumulate` guarantees this order, `np.sum` does not.

    Args:
        rows: float64 array of shape (m, d), no row all zero.

    Returns:
        float32 array of shape (m, d).

    Example:
        >>> unit_rows(np.array([[3.0, 4.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    squared_norm = np.add.accumulate(rows * rows, axis=1)[:, -1:]
    return (rows / np.sqrt(squared_norm)).astype(np.float32)
