"""Chooses the run of a plan to start next: none that is done or in progress elsewhere, or takes longer than is left."""
from collections.abc import Callable, Iterator

from keras_fixhead import hardware
from keras_fixhead.config import epoch_count, resolve
from keras_fixhead.errors import FixheadError
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction.claims.settings import setting_of
from keras_fixhead.reproduction.planning import cost
from keras_fixhead.reproduction.planning.cells import Cell, Choice, Planned, plan
from keras_fixhead.reproduction.planning.plans import PLANS, blocks_named
from keras_fixhead.reproduction.results import Results, decide, read_results
from keras_fixhead.reproduction.running.alarm import Alarm
from keras_fixhead.reproduction.running.in_progress import InProgress
from keras_fixhead.reproduction.running.run import Options, cell_of, explicit_fields, result_name, run_name, state_of
from keras_fixhead.wording import count_text

SAFETY = 1.1  # a run is started if this many times its measured seconds are left


class Chooser:
    """Chooses the run to start next, as long as the number of runs and the time allow it; a context manager.

    A run counts as in progress until `end`: no other process that shares the folder of runs chooses it.

    Args:
        options: which cells, and where.
        alarm: the limit of time, which has just been set.
        say: prints a line.

    Attributes:
        stopped: whether no further run may start.
    """

    def __init__(self, options: Options, alarm: Alarm, say: Callable[..., None]) -> None:
        self._options, self._alarm, self._say = options, alarm, say
        self._whole = alarm.seconds_left()
        self._tried: set[tuple[str, int]] = set()
        self._started = self._elsewhere = 0
        self._progress = InProgress(options.runs_dir)
        self.stopped = False

    def __enter__(self) -> "Chooser":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.end_all()

    def next(self) -> Planned | None:
        """Returns the next run, which then counts as started; None if none is ready or may start."""
        while not self.stopped and (ready := next_run(self._options, self._tried)) is not None:
            planned, cell, found = ready
            if (why := self._limit(planned, found)) is not None:
                self.stopped = True
                self._say(why)
                return None
            self._tried.add((cell.id, planned.seed))
            if not self._progress.begin(result_name(planned, self._options)):
                self._elsewhere += 1
                self._say(f"{run_name(planned, self._options)}: another process is training it.")
            elif is_missing(planned, read_results(self._options.out, rehearsal=self._options.rehearsal), self._options):
                self._started += 1
                return planned
            else:  # another process has just written its result
                self.end(planned)
        return None

    def end(self, planned: Planned) -> None:
        """Notes that a run has ended, with a result or without."""
        self._progress.end(result_name(planned, self._options))

    def say_done(self) -> None:
        """Says that nothing is left to do, or to start, unless something is."""
        if self.stopped:
            return
        where = f"blocks {', '.join(self._options.blocks)}" if self._options.blocks else "the plan"
        if not self._elsewhere:
            self._say(f"Nothing is left to do in {where}.")
        else:
            self._say(f"Nothing is left to start in {where}; runs of other processes: {self._elsewhere}. "
                      "Once these have ended, start again for whatever is left.")

    def _limit(self, planned: Planned, found: Results) -> str | None:
        """Why a run may not start; None if it may."""
        if self._options.most_runs is not None and self._started >= self._options.most_runs:
            runs = count_text(self._started, "run", "is")
            return f"No more than {runs} started, as requested."
        if self._whole is not None and (
                reason := why_not_now(planned, self._options, found, self._alarm, self._whole)):
            return f"Stopped in time: {planned.label}, seed {planned.seed}, {reason}."
        return None


def next_run(options: Options, tried: set[tuple[str, int]]) -> tuple[Planned, Cell, Results] | None:
    """Returns the next run of the plan that has no result and was not tried, its cell, and the results so far.

    Results are read again each time because other processes may be writing some.
    """
    found = read_results(options.out, rehearsal=options.rehearsal)
    for planned in whole_plan(options, found):
        if planned.cell is not None and (planned.cell.id, planned.seed) not in tried and is_missing(planned, found,
                                                                                                    options):
            return planned, planned.cell, found
    return None


def is_missing(planned: Planned, found: Results, options: Options) -> bool:
    """Returns whether a run has no result; or, if those that failed are repeated, whether it failed."""
    result = found.all_of(cell_of(planned)).get(planned.seed)
    return result is None if not options.only_failed else result is not None and not result.converged


def whole_plan(options: Options, found: Results) -> Iterator[Planned]:
    """Yields the runs of the plan, done or not, with what the results so far decide."""
    blocks = blocks_named(options.blocks, options.plan)
    choosing = {one.id for block in blocks for row in block.rows if isinstance(row.scale, Choice)
                for fixed in row.fixed for one in row.scale.cells(fixed).values()}
    return (each for each in plan(blocks, decide(found, PLANS[options.plan]))
            if not (options.heads and each.like.config.head not in options.heads)
            and (not options.seeds or each.seed in options.seeds or each.like.id in choosing))


def why_not_now(planned: Planned, options: Options, found: Results, alarm: Alarm, whole: float) -> str | None:
    """Returns why a run is left to the next call; None if it should be started.

    A run is not started if the next call could finish it and this one could not. A run that takes longer than a whole
    call (`whole` seconds) is started in whatever time is left, and continues from its checkpoint in the next call.
    """
    seconds = seconds_of(planned, options, found)
    if seconds is not None and not hardware.gpus():
        seconds *= max(1, options.jobs)  # they share the cores
    left = alarm.seconds_left() or 0.0
    if left <= 0:
        return "is left to the next call: no time is left in this one"
    if seconds is not None and left < seconds <= whole:
        return f"takes about {seconds:.0f} s, and {left:.0f} s are left"
    return None


def seconds_of(planned: Planned, options: Options, found: Results) -> float | None:
    """Returns the seconds that the rest of a run will take; None on a CPU if no run like it was measured."""
    estimate = estimated(planned, options, found)
    seconds = estimate.training * (1 - share_done(planned, options)) + estimate.other
    if estimate.source != cost.ARITHMETIC:
        return SAFETY * seconds
    return seconds if hardware.gpus() and not options.rehearsal else None


def share_done(planned: Planned, options: Options) -> float:
    """Returns the share of its epochs that a run of the plan has completed, by the checkpoint to resume from."""
    try:
        ready = state_of(planned, options)
        if ready.run is None or ready.state not in ("interrupted", "complete"):
            return 0.0
        return len(ready.run.metrics()) / epoch_count(ready.config.epochs)
    except (FixheadError, OSError):  # the run itself will report the problem
        return 0.0


def estimated(planned: Planned, options: Options, found: Results) -> cost.Estimate:
    """Returns the estimated duration of a run: from runs or steps timed on this device, or by arithmetic."""
    config = build_config(explicit_fields(planned.like, options) | {"seed": planned.seed})
    gpus = hardware.gpus()
    return cost.estimate(config, found, gpus[0][0] if gpus else hardware.cpu_name(), setting_of(options.plan).rate,
                         timed=resolve(config, gpu=bool(gpus)).timed_seconds)
