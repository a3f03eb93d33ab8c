"""Runs of the plan at once: one coordinator, which alone chooses runs and writes results, and an engine of workers."""
import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from keras_fixhead.reproduction.planning.cells import Planned
from keras_fixhead.reproduction.running.alarm import Alarm, status_of_stop
from keras_fixhead.reproduction.running.choosing import Chooser
from keras_fixhead.reproduction.running.run import Made, Options, run_name, store
from keras_fixhead.runs import make_folder

TRIES = 2
"""How often a run is started whose worker dies: the second time it resumes from its last checkpoint."""


@dataclass(frozen=True)
class Ended:
    """A run that a worker has ended, or that ended with its worker.

    Attributes:
        key: number of the run, as given to `Engine.start`.
        made: what became of it; None if the worker died.
        how: how the worker died.
    """

    key: int
    made: Made | None
    how: str = ""


class Engine(Protocol):
    """Workers that make results, each one run at a time."""

    slots: int

    def start(self, key: int, planned: Planned, options: Options) -> None:
        """Gives a run to a free worker."""

    def wait(self) -> list[Ended]:
        """Waits until at least one run has ended."""

    def stop(self) -> None:
        """Stops all workers as Ctrl-C does, and waits until their runs have checkpoints; may be called again."""


def run_at_once(options: Options, engine: Engine, say: Callable[..., None]) -> int:
    """Runs the rest of the plan, several runs at once, until it is done or time is up; returns the exit status.

    Runs start in the order of the plan. Those whose scale is chosen by others start once these have results. A run that
    fails stops nothing; when this stops, all runs stop, and the next call resumes them.

    Args:
        options: which cells, and where.
        engine: the workers.
        say: prints a line, with `err=True` on standard error.
    """
    make_folder(options.out)
    coordinator = _Coordinator(options, engine, say)
    with (Alarm(options.deadline) as alarm, Chooser(options, alarm, say) as chooser,
          contextlib.ExitStack() as ending):
        ending.callback(engine.stop)
        try:
            coordinator.run(chooser)
        except KeyboardInterrupt:
            say("Stopping all runs ...", err=True)
            engine.stop()
            if (status := status_of_stop(alarm, say)) is not None:
                return status
    return 1 if coordinator.failures else 0


class _Coordinator:
    def __init__(self, options: Options, engine: Engine, say: Callable[..., None]) -> None:
        self._options, self._engine, self._say = options, engine, say
        self._busy: dict[int, Planned] = {}
        self._tries: dict[int, int] = {}
        self._numbers: Iterator[int] = iter(range(10**9))
        self.failures = 0

    def run(self, chooser: Chooser) -> None:
        """Starts runs as workers become free, and stores what they made."""
        while True:
            while len(self._busy) < self._engine.slots and (planned := chooser.next()) is not None:
                self._start(next(self._numbers), planned)
            if not self._busy:
                chooser.say_done()
                return
            for ended in self._engine.wait():
                if (planned := self._end(ended)) is not None:
                    chooser.end(planned)

    def _start(self, key: int, planned: Planned) -> None:
        self._busy[key] = planned
        self._tries[key] = self._tries.get(key, 0) + 1
        again = " again" if self._tries[key] > 1 else ""
        self._say(f"{run_name(planned, self._options)}{again} ...")
        self._engine.start(key, planned, dataclasses.replace(self._options, commit=False))

    def _end(self, ended: Ended) -> Planned | None:
        """Stores what was made of a run and returns it, or starts it again if its worker died."""
        planned = self._busy.pop(ended.key)
        if ended.made is None and self._tries[ended.key] < TRIES:
            self._say(f"{run_name(planned, self._options)}: its worker {ended.how}; resuming.", err=True)
            self._start(ended.key, planned)
            return None
        made = ended.made or Made(reason=f"its worker {ended.how}")
        self.failures += not store(made, planned, self._options, self._say)
        return planned
