"""Docstrings as Markdown."""
import inspect
import re

_SECTION = re.compile(r"(Args|Call args|Attributes|Returns|Yields|Raises|Examples?|References?|Differs from the paper)"
                      r":(?: (.*))?$")
_ITEMS = ("Args", "Call args", "Attributes", "Raises")


def docstring_lines(doc: str) -> list[str]:
    """Returns a docstring as Markdown: its sections get a bold name, their entries become a list."""
    lines: list[str] = []
    section, body = "", []
    for line in [*doc.splitlines(), "Returns:"]:
        if found := _SECTION.match(line):
            lines += _section_lines(section, body)
            section, body = found[1], [found[2]] if found[2] else []
        else:
            body.append(line)
    return lines


def _section_lines(section: str, body: list[str]) -> list[str]:
    text = inspect.cleandoc("\n".join(["", *body])).strip().splitlines()
    if section.startswith("Reference") or section == "Differs from the paper":
        text = inspect.cleandoc(body[0] + "\n" + "\n".join(body[1:])).splitlines() if body else []
    if not section:
        return [*prose(text), ""] if text else []
    if section in _ITEMS:
        return [f"**{section}**", "", *_items(text), ""]
    if section.startswith("Example"):
        language = "pycon" if any(line.lstrip().startswith(">>>") for line in text) else "python"
        return [f"**{section}**", "", f"```{language}", *text, "```", ""]
    return [f"**{section}**", "", *prose(text), ""]


def _items(text: list[str]) -> list[str]:
    lines: list[str] = []
    for line in text:
        found = re.match(r"([\w*][\w.*, /]*?)(?: \(([^)]*)\))?: (.*)$", line)
        if found and not line.startswith(" "):
            lines.append(f"- `{found[1]}`: {escaped(found[3])}")
        elif line.strip():
            lines.append(f"    {escaped(line.strip())}" if lines else escaped(line))
    return lines


def prose(text: list[str]) -> list[str]:
    """Returns running text as Markdown; what is indented becomes code."""
    lines: list[str] = []
    for line in text:
        if line.startswith("    ") and lines and lines[-1] and not lines[-1].startswith("    "):
            lines.append("")  # an indented block of code needs an empty line above
        lines.append(line if line.startswith("    ") else escaped(line))
    return lines


def escaped(line: str) -> str:
    """Returns a line of text without characters that Markdown would take for its own."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;").replace("*", "\\*") for part in parts)
