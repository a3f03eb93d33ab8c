"""The plan as lines, for `fixhead reproduce --dry-run`: what is done, and the hours and disk space of the rest."""

from keras_fixhead import hardware
from keras_fixhead.config import resolve
from keras_fixhead.experiments.disk import computed_bytes, disk_text, total_bytes
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction import cost
from keras_fixhead.reproduction.cells import Cell
from keras_fixhead.reproduction.choosing import estimated, whole_plan
from keras_fixhead.reproduction.gpu_blocks import NOT_RUN_HERE
from keras_fixhead.reproduction.plans import blocks_named
from keras_fixhead.reproduction.results import read_results
from keras_fixhead.reproduction.run import Options, explicit_fields
from keras_fixhead.reproduction.settings import setting_of


def listed(options: Options) -> list[str]:
    """Returns the plan as lines: the state and seconds of each run, their sum, and what the plan does not cover."""
    found = read_results(options.out, rehearsal=options.rehearsal)
    lines, left = [], 0.0
    sizes: list[int | None] = []
    why = {block.name: block.why for block in blocks_named(options.blocks, options.plan)}
    block = ""
    for planned in whole_plan(options, found):
        if planned.block != block:
            block = planned.block
            lines.append(f"block {block}: {why[block]}")
        if planned.cell is None:
            state = "waits for the runs that choose its scale"
        elif result := found.all_of(planned.cell).get(planned.seed):
            state = (f"done: test {100 * result.accuracy():.1f} %" if result.converged else "done: failed to converge"
                     ) + f", {result.number('wall_seconds'):.0f} s on {result.content['device']}"
        else:
            estimate = estimated(planned.cell, planned.seed, options, found)
            left += estimate.seconds
            sizes.append(size_of(planned.cell, options))
            state = f"to do: about {estimate.seconds:.0f} s ({estimate.source})"
        lines.append(f"  {planned.label}, seed {planned.seed}: {state}")
    rate = setting_of(options.plan).rate
    space = total_bytes(sizes, discarded=not options.keep_models, at_once=max(1, options.jobs))
    return [*lines, f"Left: about {left / 3600:.1f} {rate.unit}; if none were measured on this device, {rate.source}.",
            *disk_text(space, options.runs_dir, "Free some space, or choose another --runs-dir."),
            *(["Not in this plan:", *(f"  {what}: {why}." for what, why in NOT_RUN_HERE)] if rate is cost.GPU else [])]


def size_of(cell: Cell, options: Options) -> int | None:
    """Returns the bytes of a run while it is trained, computed from its number of parameters; None if unknown."""
    return computed_bytes(resolve(build_config(explicit_fields(cell, options)), gpu=bool(hardware.gpus())))
