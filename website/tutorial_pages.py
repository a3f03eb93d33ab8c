"""Tutorials: from one script each, a page and a notebook.

A script alternates between strings at the level of the module, which are Markdown, and code.
"""
import ast
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "tutorials"
NOTE = "Download it: [notebook]({name}.ipynb), [script]({name}.py)."


def pages() -> dict[str, str]:
    """Returns the text of each page and notebook, by its file's name; the scripts themselves are written by hand."""
    found = {"README.md": _index()}
    for script in scripts():
        found[f"{script.stem}.md"] = page(script)
        found[f"{script.stem}.ipynb"] = notebook(script)
    return found


def scripts() -> list[Path]:
    """Returns the scripts, in the order of their names."""
    return sorted(FOLDER.glob("*.py"))


def parts(source: str) -> Iterator[tuple[str, str]]:
    """Yields the parts of a script: ('markdown' or 'code', text).

    Example:
        >>> list(parts('\"\"\"# Title\"\"\"\\nx = 1\\n'))
        [('markdown', '# Title'), ('code', 'x = 1')]
    """
    lines, code_from = source.splitlines(), 0
    nodes: list[ast.stmt] = ast.parse(source).body
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            if code := "\n".join(lines[code_from : node.lineno - 1]).strip("\n"):
                yield "code", code
            yield "markdown", node.value.value.strip()
            assert node.end_lineno is not None
            code_from = node.end_lineno
    if code := "\n".join(lines[code_from:]).strip("\n"):
        yield "code", code


def page(script: Path) -> str:
    """Returns the page of a tutorial."""
    (_, first), *others = parts(script.read_text())
    title, _, text = first.partition("\n")
    lines = [title, "", text.strip(), "", NOTE.format(name=script.stem)]
    for kind, each in others:
        lines += ["", *(["```python", each, "```"] if kind == "code" else [each])]
    return "\n".join(lines) + "\n"


def notebook(script: Path) -> str:
    """Returns the notebook of a tutorial, without outputs."""
    cells = []
    for number, (kind, text) in enumerate(parts(script.read_text())):
        name = hashlib.sha256(f"{script.stem} {number}".encode()).hexdigest()[:8]
        cell = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
        cells.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps({"cells": cells, "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
                       "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False) + "\n"


def _index() -> str:
    lines = ["# Tutorials", "", "Each is one script, from which its page and notebook are generated, and which the "
             "tests run with few steps (`TUTORIAL_SMOKE=1`).", "", "| tutorial | |", "| --- | --- |"]
    for script in scripts():
        title, _, text = next(parts(script.read_text()))[1].partition("\n")
        sentence = " ".join(text.split()).split(". ")[0].removesuffix(".")
        lines.append(f"| [{title.removeprefix('# ')}]({script.stem}.md) | {sentence}. |")
    return "\n".join(lines) + "\n"
