"""How many classes fit in a chunk."""
MEMORY_BYTES = 64 << 20
"""Memory for one chunk by default. From 8,192 classes on, larger chunks are hardly faster (batch 128, 512 features)."""

_UNKNOWN_BATCH = 256
_BYTES_PER_LOGIT = 16  # the logit, without the own class, its power, and copies in the dtype of the product
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
    bytes_per_class = _BYTES_PER_LOGIT * (examples or _UNKNOWN_BATCH) + 8 * drawn_dim
    return min(max(memory_bytes // bytes_per_class, _FEWEST), _MOST)
