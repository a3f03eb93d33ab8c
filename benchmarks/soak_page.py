"""The results of the soak test: growth against the bare loop's, the lines of docs/server.md, and its figure."""
import json
from typing import Any

import numpy as np
from report import RESULTS, ROOT, measurement, write_block

FILE = RESULTS / "soak.json"
PAGE = ROOT / "docs" / "server.md"
BLOCK = "soak"
FIGURE = ROOT / "docs" / "server_soak.png"
SETTLED = 20  # loads during which allocators, thread pools and TensorFlow's caches reach their final size
CROWD = 3  # clients of each kind, without pauses, until the memory has settled; then one of each, with pauses


def write_page() -> None:
    """Writes the page's lines and its figure from the JSON file."""
    report = json.loads(FILE.read_text())
    draw(*(each["values"] for each in report["measurements"]))
    write_block(BLOCK, block(report), PAGE)


def growth(sizes: list[int]) -> tuple[float, float]:
    """Bytes per reload by least squares, after the first loads, and their standard error."""
    from scipy.stats import linregress

    kept = sizes[SETTLED:]
    line = linregress(np.arange(len(kept)), kept)
    return float(line.slope), float(line.stderr)


def verdict(served: list[int], bare: list[int]) -> str:
    """Compares the server's growth with the bare loop's, with the 95 % interval of the difference."""
    from scipy.stats import t

    (slope, error), (other, other_error) = growth(served), growth(bare)
    steeper, freedom = slope - other, len(served[SETTLED:]) + len(bare[SETTLED:]) - 4
    reach = float(t.ppf(0.975, freedom)) * float(np.hypot(error, other_error))
    said = ("met" if steeper <= 0 else "not decided by these numbers" if steeper <= reach else "missed")
    low, high = (edge / 2**20 for edge in (steeper - reach, steeper + reach))
    return f"{said}: the difference is {steeper / 2**20:.2f} MiB per reload (95 % interval {low:.2f} to {high:.2f})"


def reported(minutes: int, served: list[int], bare: list[int]) -> list[dict[str, Any]]:
    config = {"minutes": minutes, "model": "resnet18", "width": 0.125, "pixels": 32, "loads_before": SETTLED,
              "clients_before": f"{CROWD} of each kind"}
    return [measurement(name=f"soak/{name}", metric=f"resident memory at the end of each version; it grows by "
                        f"{growth(sizes)[0] / 2**20:.2f} MiB per reload", unit="bytes", values=sizes,
                        warmup="none", config=config) for name, sizes in (("server", served), ("bare loop", bare))]


def block(report: dict[str, Any]) -> list[str]:
    """The lines of docs/server.md."""
    counts = report["counts"]
    grown = {each["name"].removeprefix("soak/"): f"{growth(each['values'])[0] / 2**20:.2f} MiB per reload"
             for each in report["measurements"]}
    filled = {each["name"].removeprefix("soak/"): (each["values"][SETTLED] - each["values"][0]) / 2**20
              for each in report["measurements"]}
    config = report["measurements"][0]["config"]
    answers = "; ".join(f"{what} {count:,}" for what, count in counts.items() if ": " in what)
    vanished = counts["vanished within a request"] + counts["vanished before the answer"]
    published = f"{counts['versions published']} versions and {counts['broken versions published']} broken ones"
    return ["", f"{config['minutes']} minutes, {published}: {counts.get('wrong answers', 0)} wrong answers, "
            f"{counts.get('faults', 0)} faults.",
            f"Answers by status: {answers}.",
            f"{vanished:,} clients disconnected early. After SIGTERM the server was gone within "
            f"{counts['seconds to stop'] + 1} s.",
            f"During {config['loads_before']} loads before that (clients: {config['clients_before']}), memory reached "
            f"the size that a process keeps (an allocator keeps the memory of its fullest moment): "
            f"{filled['server']:.0f} MiB in the server, {filled['bare loop']:.0f} MiB in the bare loop. Then, in those "
            f"minutes, resident memory grew by {grown['server']} in the server, and by {grown['bare loop']} in the "
            "bare loop. The goal, growth no steeper than the loop's, is "
            f"{verdict(*(each['values'] for each in report['measurements']))}.",
            f"By `{report['command']}`, with other programs running on the machine.", ""]


def draw(served: list[int], bare: list[int]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
    for sizes, label, style in ((served, "server under load, then a new version every minute", "-"),
                                (bare, "bare loop: load, warm up, drop the old version, call", "--")):
        axes.plot(range(1, len(sizes) + 1), [size / 2**20 for size in sizes], marker="o", linestyle=style, label=label)
    axes.axvspan(1, SETTLED + 1, color="0.92", label=f"the first {SETTLED}: as fast as they load")
    axes.set(xlabel="versions loaded", ylabel="resident memory, MiB", ylim=(0, 1.15 * max(*served, *bare) / 2**20))
    axes.legend(loc="lower right")
    figure.savefig(FIGURE, dpi=120)
