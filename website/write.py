"""Writes the generated pages of the site: the reference of Python and of the command line, and the tutorials.

    python website/write.py
"""
from collections.abc import Iterator
from pathlib import Path

import api_pages
import command_pages
import tutorial_pages

DOCS = Path(__file__).resolve().parents[1] / "docs"
FOLDERS = {"reference/python": api_pages.pages, "reference/commands": command_pages.pages,
           "tutorials": tutorial_pages.pages}


def files() -> Iterator[tuple[Path, str]]:
    """Yields each generated file with its text."""
    for folder, pages in FOLDERS.items():
        for name, text in pages().items():
            yield DOCS / folder / name, text


def main() -> None:
    written = dict(files())
    for folder in FOLDERS:
        for old in set((DOCS / folder).glob("*")) - set(written) - set(tutorial_pages.scripts()):
            old.unlink()
    for file, text in written.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    main()
