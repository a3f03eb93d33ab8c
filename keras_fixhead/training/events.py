"""Curves for TensorBoard, written by its own writer, which needs no TensorFlow."""
import sys
import time
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class EventLog:
    """Writes each epoch's numbers to a folder that TensorBoard reads."""

    def __init__(self, folder: Path) -> None:
        # TensorBoard's own switch: with this name it uses its stub, and leaves an installed TensorFlow alone
        sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # takes a second to import

        self._writer = EventFileWriter(str(folder))

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes the numbers of a line of metrics.jsonl."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()
                  if isinstance(value, float)]
        self._writer.add_event(Event(wall_time=time.time(), step=row["epoch"], summary=Summary(value=values)))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
