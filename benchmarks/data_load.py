"""Seconds from a fresh Python process to a data set in memory: prepared, cached, packed.

    python benchmarks/data_load.py DIR      # the folder that contains the prepared CIFAR-10

Each value comes from a separate process; the three alternate. The clock starts after the library is imported and stops
when `load_dataset` returns, so it includes importing the reader of the files (TensorFlow for prepared ones). Processor
time is reported as well as wall time, which other programs on the machine increase. Files are in the page cache.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from report import RESULTS, measurement, out_option, write_report

from keras_fixhead.data.packing import pack_dataset

START = """
import json, sys, time
from keras_fixhead.data import load_dataset
wall, processor = time.perf_counter(), time.process_time()
digest = load_dataset("cifar10", sys.argv[1]).digest
wall, processor = time.perf_counter() - wall, time.process_time() - processor
print(json.dumps({"wall": wall, "processor": processor, "digest": digest()}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="DIR", help="folder of prepared data sets")
    parser.add_argument("--rounds", type=int, default=7)
    out_option(parser, RESULTS / "data_load.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cache = {"FIXHEAD_CACHE_DIR": f"{scratch}/cache"}
        os.environ.update(cache)
        folder, index = pack_dataset("cifar10", Path(scratch), data_dir=options.folder)  # fills the cache as well
        kept = sum(file.stat().st_size for file in Path(scratch, "cache").rglob("*") if file.is_file())
        sizes = {"prepared": sum(file.stat().st_size for file in Path(options.folder, "cifar10").rglob("*")
                                 if file.is_file()), "kept": kept, "packed": index.size_bytes}
        starts = {"prepared": (options.folder, {"FIXHEAD_DATA_CACHE": "off"}), "kept": (options.folder, cache),
                  "packed": (str(folder.parent), cache)}
        seconds: dict[str, list[dict[str, float]]] = {name: [] for name in starts}
        for _ in range(options.rounds):
            for name, (data_dir, environment) in starts.items():
                seconds[name].append(start(data_dir, environment))
                print(name, seconds[name][-1], file=sys.stderr)
    assert {each["digest"] for rounds in seconds.values() for each in rounds} == {index.held_out.digest}
    write_report(options.out, [
        measurement(name=f"data_load/{name}/{clock}", metric=f"{clock} time to CIFAR-10 in memory, {name}", unit="s",
                    values=[each[clock] for each in rounds], warmup="none: each value is a fresh process",
                    config={"bytes": sizes[name], "load_average": round(os.getloadavg()[2], 1)})
        for name, rounds in seconds.items() for clock in ("wall", "processor")],
        command="python benchmarks/data_load.py DIR")


def start(data_dir: str, environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", START, data_dir], env={**os.environ, **environment},
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
