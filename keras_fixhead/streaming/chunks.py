"""How many classes fit in a chunk."""
from keras_fixhead.head_config import BYTES_PER_LOGIT

_UNKNOWN_BATCH = 256
_FEWEST, _MOST = 16, 1 << 16


def chunk_rows(memory_bytes: int, examples: int | None, drawn_dim: int) -> int:
    """Returns the number of classes whose logits fit in memory at a time.

    Args:
        memory_bytes: memory for a chunk.
        examples: examples in a batch; None for 256.
        drawn_dim: number of features d if a chunk's class vectors are drawn or converted, so that they take memory
            themselves; 0 if they are part of a table.

    Example:
        >>> chunk_rows(64 << 20, 128, 0), chunk_rows(64 << 20, 128, 512)
        (32768, 10922)
    """
    bytes_per_class = BYTES_PER_LOGIT * (examples or _UNKNOWN_BATCH) + 8 * drawn_dim
    return min(max(memory_bytes // bytes_per_class, _FEWEST), _MOST)
