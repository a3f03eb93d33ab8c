"""`fixhead doctor`."""
from typing import Any

import click

from fixhead_cli.output import data_dir_option, json_option, print_result


@click.command("doctor")
@data_dir_option
@json_option
def command(data_dir: str | None, as_json: bool) -> None:
    """Report versions, devices, data sets and extras.

    \b
    Example:
        fixhead doctor
    """
    from fixhead_cli.diagnosis import diagnose

    report = diagnose(data_dir)
    print_result(report, as_json=as_json, text=_text(report))


def _text(report: dict[str, Any]) -> list[str]:
    return [
        f"Python {report['python']} on {report['platform']}",
        f"processor: {report['cpu']}, {report['cpu_count']} cores, "
        f"{'with' if report['bfloat16_instructions'] else 'no'} bfloat16 instructions; "
        f"GPUs: {', '.join(report['gpus']) or 'none found'}",
        *_framework_text(report),
        *[f"data set {name}: {where}" for name, where in report["datasets"].items()],
        "extras: " + ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in report["extras"].items()),
    ]


def _framework_text(report: dict[str, Any]) -> list[str]:
    if "problem" in report:
        return [f"backend {report['backend']}: {report['problem']}"]
    speedup = report["bfloat16_speedup"]
    return [
        f"backend {report['backend']}, devices: {', '.join(report['devices'])}",
        *([f"no GPU is used: {report['gpu_problem']}"] if report["gpu_problem"] else []),
        "versions: " + ", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        f"precision auto: {report['precision']}; bfloat16 is {speedup['median']:.2f} times as fast as float32 here "
        f"(quartiles {speedup['quartiles'][0]:.2f} to {speedup['quartiles'][1]:.2f}, {speedup['of']})",
    ]
