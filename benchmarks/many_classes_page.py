"""Draws docs/many_classes.png, time and memory against the number of classes; `pages.py` writes the table of times.

    python benchmarks/many_classes_page.py

It reads results/many_classes*.json, which `many_classes.py` writes, and shows what has been measured only. A line ends
where its variant was not measured with more classes.
"""
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILES = ("many_classes.json", "many_classes_memory.json", "many_classes_peers.json")
SAID = {
    "drawn-bfloat16": "ours, bfloat16, signs drawn again",
    "stored-bfloat16": "ours, bfloat16, in memory",
    "stored-float32": "ours, float32, in memory",
    "dense-float32": "keras Dense, float32",
    "dense-bfloat16": "keras Dense, bfloat16",
    "pml_arcface-float32": "PyTorch Metric Learning, ArcFace",
    "pml_softmax-float32": "PyTorch Metric Learning, softmax",
    "cce_both-float32": "jax-cce, vectors learned",
    "cce_features-float32": "jax-cce, gradient of features",
    "ours_jax-float32": "ours on JAX, float32",
}
OURS = ("drawn", "stored", "ours")
RATIOS = {
    "stored-bfloat16:products-bfloat16": "a step by its two matrix products alone, bfloat16 (goal: at most 1.35)",
    "stored-float32:products-float32": "a step by its two matrix products alone, float32",
    "drawn-bfloat16:stored-bfloat16": "signs drawn again by class vectors in memory, bfloat16 (goal: at most 1.35)",
    "dense-bfloat16:stored-bfloat16": "`Dense` by ours, bfloat16 (goal: at least 1.8)",
    "dense-float32:stored-float32": "`Dense` by ours, float32 (goal: at least 1.2)",
    "pml_arcface-float32:stored-float32": "PyTorch Metric Learning's `ArcFaceLoss` by ours, float32 (goal: at least 6)",
    "pml_softmax-float32:stored-float32": "its `NormalizedSoftmaxLoss` by ours, float32 (goal: at least 6)",
    "cce_features-float32:ours_jax-float32": "jax-cce, gradient of features alone, by ours on JAX (goal: at least 1)",
    "cce_both-float32:ours_jax-float32": "jax-cce as its users run it, class vectors learned, by ours on JAX",
}


def main() -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    memory, seconds = points("/memory", 1e9), points("", 1.0)
    panels = [("memory over the framework, GB", memory), *([("seconds per step", seconds)] if seconds else [])]
    figure, axes = plt.subplots(1, len(panels), figsize=(6.4 * len(panels), 5.8), layout="constrained", squeeze=False)
    for axis, (label, lines) in zip(axes[0], panels, strict=True):
        for number, (variant, said) in enumerate(SAID.items()):
            if variant in lines:
                own = variant.startswith(OURS)
                classes, values = zip(*sorted(lines[variant].items()), strict=True)
                axis.plot(classes, values, "-" if own else "--", marker="os^v"[number % 4], color=f"C{number}",
                          linewidth=2 if own else 1.2, label=said)
        axis.set(xscale="log", yscale="log", xlabel="classes", ylabel=label)
        axis.grid(alpha=0.3)
    figure.legend(*axes[0][0].get_legend_handles_labels(), frameon=False, fontsize="small", loc="outside lower center",
                  ncols=2 * len(panels))
    figure.savefig(ROOT / "docs" / "many_classes.png", dpi=110)


def block(report: dict[str, Any]) -> list[str]:
    """Returns the table of ratios of times."""
    found = {each["name"]: each for each in report["measurements"]}
    counts = sorted({each["config"]["classes"] for each in found.values() if each["unit"] == "1"})
    lines = ["| what is divided by what | " + " | ".join(f"{count:,} classes" for count in counts) + " |",
             "|---|" + "---:|" * len(counts)]
    for pair, said in RATIOS.items():
        cells = [_cell(found.get(f"{pair}/{count}")) for count in counts]
        lines.append(f"| {said} | {' | '.join(cells)} |")
    machine = report["hardware"]
    one = next(iter(found.values()))
    return [*lines, "", f"Wall time of a training step, median (quartiles) of the ratio in n = {one['n']} alternating "
            f"rounds; {machine['cpu']}, {machine['cores']} cores; by `{report['command']}`."]


def _cell(one: dict[str, Any] | None) -> str:
    if one is None:
        return "not measured"
    return f"{one['median']:.2f} ({one['quartiles'][0]:.2f} to {one['quartiles'][1]:.2f})"


def points(ending: str, unit: float) -> dict[str, dict[int, float]]:
    """Returns variant -> number of classes -> median of the measurements whose names have an ending."""
    found: dict[str, dict[int, float]] = {}
    for name in FILES:
        file = ROOT / "results" / name
        report: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {"measurements": []}
        for each in report["measurements"]:
            variant, _, rest = each["name"].partition("/")
            if rest == f"{each['config']['classes']}{ending}" and variant in SAID:
                found.setdefault(variant, {})[each["config"]["classes"]] = each["median"] / unit
    return found


if __name__ == "__main__":
    main()
