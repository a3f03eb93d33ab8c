"""The plan as lines, for `fixhead reproduce --dry-run`: what is done, and the hours and disk space of the rest."""
import itertools
from collections.abc import Sequence

from keras_fixhead import hardware
from keras_fixhead.config import resolve
from keras_fixhead.experiments.disk import computed_bytes, disk_text, total_bytes
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction.claims.settings import setting_of
from keras_fixhead.reproduction.planning import cost
from keras_fixhead.reproduction.planning.cells import Cell
from keras_fixhead.reproduction.planning.gpu_blocks import NOT_RUN_HERE
from keras_fixhead.reproduction.planning.plans import blocks_named
from keras_fixhead.reproduction.results import read_results
from keras_fixhead.reproduction.running.choosing import estimated, is_missing, whole_plan
from keras_fixhead.reproduction.running.run import Options, explicit_fields
from keras_fixhead.runs.result import Result


def listed(options: Options) -> list[str]:
    """Returns the plan as lines: the state and seconds of each run, their sums, and what the plan does not cover."""
    found = read_results(options.out, rehearsal=options.rehearsal)
    why = {block.name: block.why for block in blocks_named(options.blocks, options.plan)}
    planned = [each for each in whole_plan(options, found)
               if not options.only_failed or (each.cell is not None and is_missing(each, found, options))]
    waiting = [each for each in planned if each.cell is None]
    missing = [each for each in planned if each.cell is not None and is_missing(each, found, options)]
    asked = missing[:options.most_runs]
    lines, seconds = [], 0.0
    for block, runs in itertools.groupby(planned, key=lambda each: each.block):
        lines.append(f"block {block}: {why[block]}")
        for each in runs:
            if each.cell is not None and each not in missing:
                state = _done(found.all_of(each.cell)[each.seed])
            else:
                estimate = estimated(each, options, found)
                seconds += estimate.seconds
                what = ("waits for the runs that choose its scale" if each.cell is None else
                        "left to a later call" if each not in asked else "to do" + " again" * options.only_failed)
                state = f"{what}: about {estimate.seconds:.0f} s ({estimate.source})"
            lines.append(f"  {each.label}, seed {each.seed}: {state}")
    sizes = [size_of(each.cell, options) for each in asked if each.cell is not None]
    return [*_rehearsal(options), *lines,
            _counts(len(planned), len(asked), len(waiting), len(missing) - len(asked)),
            *_hours(options, seconds, sizes), *_not_covered(options)]


def _done(result: Result) -> str:
    state = f"done: test {100 * result.accuracy():.1f} %" if result.converged else "done: failed to converge"
    return f"{state}, {result.number('wall_seconds'):.0f} s on {result.content['device']}"


def _rehearsal(options: Options) -> list[str]:
    """What the runs of a rehearsal have in common, whatever their labels say."""
    return [] if not options.rehearsal else [
        "Rehearsal: small networks, 2 epochs, 2,000 images of "
        f"{options.rehearsal_dataset or 'the data set of each run'}; the results are not evidence."]


def _counts(runs: int, asked: int, waiting: int, later: int) -> str:
    """The number of runs in each state.

    Example:
        >>> _counts(9, 4, 2, 0)
        'Runs: 9, of which 3 are done, 4 are to do, 2 wait.'
    """
    states = ((runs - asked - waiting - later, "done"), (asked, "to do"))
    parts = [f"{number} {'is' if number == 1 else 'are'} {state}" for number, state in states]
    parts += [f"{waiting} wait{'s' * (waiting == 1)}"] * bool(waiting)
    parts += [f"{later} {'is' if later == 1 else 'are'} left to a later call"] * bool(later)
    return f"Runs: {runs}, of which {', '.join(parts)}."


def _hours(options: Options, seconds: float, sizes: Sequence[int | None]) -> list[str]:
    """The hours of all runs that are not done, and the disk space of those to do."""
    if not seconds:
        return ["Nothing is left to run."]
    rate = setting_of(options.plan).rate
    space = total_bytes(sizes, discarded=not options.keep_models, at_once=max(1, options.jobs))
    return [f"Left: about {seconds / 3600:.1f} {rate.unit}; where nothing was timed on this device, {rate.source}.",
            *disk_text(space, options.runs_dir, "Free some space, or choose another --runs-dir.")]


def _not_covered(options: Options) -> list[str]:
    if setting_of(options.plan).rate is not cost.GPU:
        return []
    return ["Not in this plan:", *(f"  {what}: {why}." for what, why in NOT_RUN_HERE)]


def size_of(cell: Cell, options: Options) -> int | None:
    """Returns the bytes of a run while it is trained, computed from its number of parameters; None if unknown."""
    return computed_bytes(resolve(build_config(explicit_fields(cell, options)), gpu=bool(hardware.gpus())))
