"""The container files, read like by the programs that use them."""
import functools
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "serving" / "container"
CONFIG = CONTAINER / "config"
WORKFLOW = ROOT / ".github" / "workflows" / "container.yml"
PAGE = ROOT / "docs" / "container.md"
NEVER_RUN = not (ROOT / "results" / "checks" / "container.txt").exists()
"""True until check.bash has been run with Docker and its output stored there."""

DOCKERFILES = ("Dockerfile", "Dockerfile.check")
SCRIPTS = sorted(CONTAINER.rglob("*.bash"))


def read_yaml(path):
    return YAML(typ="safe").load(path)


@functools.cache
def environment():
    """Returns the variables of .env."""
    lines = (CONTAINER / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolate(value):
    """Returns part of compose.yaml with variables replaced from .env; a KeyError names a missing one."""
    if isinstance(value, dict):
        return {key: interpolate(each) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolate(each) for each in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: environment()[found[1]], value)
    return value


def compose():
    return interpolate(read_yaml(CONTAINER / "compose.yaml"))


def instructions(name):
    """Returns a Dockerfile's instructions as (word, rest), with continued lines joined and ARGs of FROM filled in."""
    text = re.sub(r"^#.*\n", "", (CONTAINER / name).read_text(), flags=re.M)
    found = [tuple(line.split(None, 1)) for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    arguments = dict(rest.split("=", 1) for word, rest in found if word == "ARG")
    return [(word, re.sub(r"\$\{(\w+)\}", lambda got: arguments.get(got[1], got[0]), rest) if word == "FROM" else rest)
            for word, rest in found]


def instruction(name, word):
    """Returns the arguments of the only instruction with that word."""
    [rest] = [rest for each, rest in instructions(name) if each == word]
    return rest


def validate(schema, path):
    """Returns the output of check-jsonschema for a file: empty if it follows the schema."""
    done = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}",
                           "--output-format", "json", str(path)], capture_output=True, text=True)
    return json.loads(done.stdout)["errors"] + json.loads(done.stdout).get("parse_errors", [])


def words(command):
    return command if isinstance(command, list) else shlex.split(command)
