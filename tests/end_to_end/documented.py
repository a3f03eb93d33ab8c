"""Runs a documented command in a process of its own."""
import json
import os
import subprocess
import sys


def fixhead(*arguments, cwd, environment=None):
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", *map(str, arguments), "--json"], capture_output=True,
                          text=True, cwd=cwd, env={**os.environ, **(environment or {})}, timeout=900)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if line.startswith("Warning:")]
    assert len(warned) == len(set(warned)), done.stderr  # each warning once, whatever processes it starts
    return json.loads(done.stdout)
