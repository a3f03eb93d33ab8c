"""The site: generated pages are current, nothing public is undocumented, every page can be found, every link works."""
import importlib
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "website"))
api_pages, command_pages, docstrings, tutorial_pages, write = map(
    importlib.import_module, ("api_pages", "command_pages", "docstrings", "tutorial_pages", "write"))

PAGES = sorted(DOCS.rglob("*.md"))


def test_generated_pages_are_current():
    """If this fails: python website/write.py."""
    expected = dict(write.files())

    assert [file.name for file, text in expected.items() if not file.exists() or file.read_text() != text] == []
    assert {file for folder in write.FOLDERS for file in (DOCS / folder).iterdir()} == {
        *expected, *tutorial_pages.scripts()}


def test_every_public_name_has_a_docstring():
    assert len(list(api_pages.entries())) > 200
    assert api_pages.undocumented() == []


def test_every_package_with_public_names_has_a_page():
    covered = {module for _, modules in api_pages.ROOMS.values() for module in modules} | {"keras_fixhead"}
    for package, folder in api_pages.FOLDERS.items():
        for file in folder.rglob("__init__.py"):
            module = ".".join([package, *file.parent.relative_to(folder).parts])
            if api_pages.public_names(api_pages.tree_of(module)) is not None:
                assert module in covered, module
    analyses = {f"keras_fixhead.analysis.{file.stem}" for file in (ROOT / "keras_fixhead" / "analysis").glob("*.py")}
    assert analyses - covered == {"keras_fixhead.analysis.__init__"}


def test_every_public_name_of_the_package_is_in_the_index_of_the_reference():
    import keras_fixhead

    index = (DOCS / "reference" / "python" / "README.md").read_text()
    assert [name for name in keras_fixhead.__all__ if f"`{name}`" not in index] == []


def test_every_command_and_option_is_documented():
    assert command_pages.undocumented() == []
    assert command_pages._split_default("May be repeated  [default: all].") == ("May be repeated.", "all")
    pages = command_pages.pages()
    for words, command in command_pages.commands(command_pages.cli, ("fixhead",)):
        page = pages["README.md" if len(words) == 1 else f"{words[1]}.md"]
        assert f"# {' '.join(words)}\n" in page
        for option in command_pages.options_of(command):
            assert all(re.search(f"`{name}[ `]", page) for name in option.opts)


def test_the_navigation_has_every_page_once():
    listed = re.findall(r"[\w/.-]+\.md$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)

    assert sorted(listed) == [page.relative_to(DOCS).as_posix() for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_and_pictures_are_in_the_site(page):
    text = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", page.read_text())
    for target in re.findall(r"\]\(([^)#: ]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).is_file(), target
        assert (page.parent / target).resolve().is_relative_to(DOCS), target


def test_sections_of_a_docstring_become_lists_and_code():
    doc = """Returns x.

Args:
    x: a number in <0, 1>,
        or None.
    **more: others.

Raises:
    ArgumentError: (a ValueError) if not.

Example:
    >>> f(1)
    1
"""

    assert "\n".join(docstrings.docstring_lines(doc)) == """Returns x.

**Args**

- `x`: a number in &lt;0, 1>,
    or None.
- `**more`: others.

**Raises**

- `ArgumentError`: (a ValueError) if not.

**Example**

```pycon
>>> f(1)
1
```
"""


def test_a_script_alternates_between_text_and_code(tmp_path):
    script = tmp_path / "a_tutorial.py"
    script.write_text('''"""\n# Title\n\nFirst text. More.\n"""\n\nx = """\nno text\n"""\n\n\n"""\n## Next\n"""\n''')

    assert list(tutorial_pages.parts(script.read_text())) == [
        ("markdown", "# Title\n\nFirst text. More."), ("code", 'x = """\nno text\n"""'), ("markdown", "## Next")]
    assert tutorial_pages.page(script).endswith('```python\nx = """\nno text\n"""\n```\n\n## Next\n')
    cells = json.loads(tutorial_pages.notebook(script))["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "markdown"]
    assert "".join(cells[1]["source"]) == 'x = """\nno text\n"""'
