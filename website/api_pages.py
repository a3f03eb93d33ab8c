"""The API reference: a page per room, from signatures and docstrings, read without importing anything."""
import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docstrings import docstring_lines, escaped, prose

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"keras_fixhead": ROOT / "keras_fixhead", "fixhead_serving": ROOT / "serving"}
PACKAGE = "keras_fixhead"
ROOMS = {
    "head": ("The layer", ("keras_fixhead.head",)),
    "losses": ("Losses and margins", ("keras_fixhead.losses",)),
    "streaming": ("Very many classes", ("keras_fixhead.streaming",)),
    "models": ("Models", ("keras_fixhead.models",)),
    "vectors": ("Class vectors", ("keras_fixhead.vectors",)),
    "data": ("Data", ("keras_fixhead.data", "keras_fixhead.data.open_images")),
    "config": ("Configuration and recipes", ("keras_fixhead.config", "keras_fixhead.recipes")),
    "training": ("Training", ("keras_fixhead.training",)),
    "runs": ("Run directories", ("keras_fixhead.runs", "keras_fixhead.runs.result")),
    "evaluation": ("Evaluation", ("keras_fixhead.evaluation",)),
    "robustness": ("Robustness", ("keras_fixhead.robustness",)),
    "analysis": ("Analysis", ("keras_fixhead.run_analysis", *(f"keras_fixhead.analysis.{name}" for name in (
        "summary", "class_vectors", "geometry", "compactness", "confusion", "similarity", "calibration", "retrieval",
        "open_set", "collapse", "intervals", "paired", "exact", "bootstrap", "over_images", "estimates",
        "components", "projection", "arrays", "definitions")))),
    "figures": ("Figures", ("keras_fixhead.figures",)),
    "reproduction": ("The paper's tables and claims", ("keras_fixhead.reproduction",)),
    "errors": ("Errors", ("keras_fixhead.errors",)),
    "client": ("Client", ("fixhead_serving.client",)),
    "export": ("Export", ("fixhead_serving.export",)),
    "server": ("Server", ("fixhead_serving.server", "fixhead_serving.rest", "fixhead_serving.protocol",
                          "fixhead_serving.local")),
    "conformance": ("Conformance", ("fixhead_serving.checks.conformance",)),
}
"""Each page of the reference: its file's name, its title, and the modules whose public names it has."""

WIDTH = 100


@dataclass(frozen=True)
class Entry:
    """A public name: where it is offered and defined, and what defines it."""

    name: str
    module: str
    defined_in: str
    node: ast.stmt
    doc: str | None


def pages() -> dict[str, str]:
    """Returns the text of each page of the API reference, by its file's name."""
    return {"README.md": _index()} | {f"{page}.md": _page(title, modules) for page, (title, modules) in ROOMS.items()}


def undocumented() -> list[str]:
    """Returns the public names, and public methods of classes, that have no docstring."""
    found = [f"{each.module}.{each.name}" for each in entries() if not each.doc]
    for each in entries():
        if isinstance(each.node, ast.ClassDef):
            found += [f"{each.module}.{each.name}.{method.name}" for method in _methods(each.node)
                      if not ast.get_docstring(method) and not _overrides(method, each)]
    return found


def entries() -> Iterator[Entry]:
    """Yields every public name of every room."""
    for _, modules in ROOMS.values():
        for module in modules:
            yield from public_entries(module)


def public_entries(module: str) -> list[Entry]:
    """Returns the public names of a module: those of `__all__`, or else what it defines without an underscore."""
    tree = tree_of(module)
    offered = public_names(tree)
    if offered is None:
        own = _definitions(tree)
        return [_entry(name, module, module, node) for name, node in own.items() if not name.startswith("_")]
    return [_entry(name, module, *_definition(name, module)) for name in offered]


def public_names(tree: ast.Module) -> list[str] | None:
    """Returns the names in a module's `__all__`, or None if it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name.value for name in getattr(node.value, "elts", ()) if isinstance(name, ast.Constant)]
    return None


def _entry(name: str, module: str, defined_in: str, node: ast.stmt) -> Entry:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return Entry(name, module, defined_in, node, ast.get_docstring(node))
    return Entry(name, module, defined_in, node, _text_below(node, tree_of(defined_in)))


def _text_below(node: ast.stmt, tree: ast.Module) -> str | None:
    """Returns the string below an assignment, which documents it."""
    following = tree.body[tree.body.index(node) + 1 :]
    value = following[0].value if following and isinstance(following[0], ast.Expr) else None
    return inspect.cleandoc(value.value) if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


_TREES: dict[str, ast.Module] = {}


def tree_of(module: str) -> ast.Module:
    """Returns the syntax tree of a module."""
    if module not in _TREES:
        _TREES[module] = ast.parse(_file(module).read_text())
    return _TREES[module]


def _file(module: str) -> Path:
    package, *parts = module.split(".")
    path = FOLDERS[package].joinpath(*parts)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.setdefault(node.name, node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name):
                found.setdefault(target.id, node)
    return found


def _definition(name: str, module: str) -> tuple[str, ast.stmt]:
    """Follows imports to the module that defines a name."""
    tree = tree_of(module)
    if name in (own := _definitions(tree)):
        return module, own[name]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _definition(alias.name, node.module)
    raise LookupError(f"{module} offers {name} without defining or importing it.")


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    functions = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [each for each in functions if not each.name.startswith("_")
            and not any("setter" in ast.unparse(decorator) for decorator in each.decorator_list)]


_OF_KERAS = {"build", "call", "get_config", "from_config", "get_build_config", "build_from_config", "result",
             "reset_state", "update_state", "compute_mask", "compute_output_shape", "compute_output_spec",
             "save_own_variables", "load_own_variables"}
"""Methods that Keras calls; its documentation describes them."""


def _overrides(method: ast.FunctionDef | ast.AsyncFunctionDef, entry: Entry) -> bool:
    """Whether a method takes its documentation from Keras or from a base class in the same module."""
    assert isinstance(entry.node, ast.ClassDef)
    around = _definitions(tree_of(entry.defined_in))
    bases = [around.get(ast.unparse(base)) for base in entry.node.bases]
    return method.name in _OF_KERAS or any(
        other.name == method.name for base in bases if isinstance(base, ast.ClassDef) for other in _methods(base))


# Pages


def _index() -> str:
    page_of = {(module, each.name): page for page, (_, modules) in ROOMS.items() for module in modules
               for each in public_entries(module)}
    lines = ["# Python reference", "", "Generated from the docstrings by `python website/write.py`.", "",
             "## keras_fixhead", "", "These names are offered by the package itself, and loaded on first use.", "",
             "| name | |", "| --- | --- |"]
    tree = tree_of(PACKAGE)
    offered = ast.literal_eval(_definitions(tree)["_PUBLIC"].value)  # type: ignore[attr-defined]
    for name, module in offered.items():
        entry = next(each for each in public_entries(module) if each.name == name)
        lines.append(f"| [`{name}`]({page_of[module, name]}.md#{_anchor(name)}) | {_cell(entry.doc)} |")
    lines += ["| `__version__` | The version of the package. |", "", "## Rooms", "",
              "Names that a room offers are public as well.", "", "| page | modules |", "| --- | --- |"]
    for page, (title, modules) in ROOMS.items():
        lines.append(f"| [{title}]({page}.md) | {', '.join(f'`{module}`' for module in modules)} |")
    return "\n".join(lines) + "\n"


def _cell(doc: str | None) -> str:
    return escaped((doc or "").splitlines()[0]).replace("|", "\\|")


def _page(title: str, modules: tuple[str, ...]) -> str:
    lines = [f"# {title}", ""]
    several = len(modules) > 1
    for module in modules:
        text = ast.get_docstring(tree_of(module)) or ""
        lines += [f"## {module}" if several else f"`import {module}`", "", *prose(text.splitlines()), ""]
        for entry in public_entries(module):
            lines += _entry_lines(entry, "###" if several else "##")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _anchor(name: str) -> str:
    return name.lower()


def _entry_lines(entry: Entry, level: str) -> list[str]:
    lines = [f"{level} {_heading(entry.name)}", ""]
    node = entry.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        lines += _code(_signature(node.name, node.args, node.returns, method=False))
    elif isinstance(node, ast.ClassDef):
        lines += _code(_class_signature(node))
    else:
        lines += _code(_constant(node))
    lines += [*docstring_lines(entry.doc or ""), ""]
    if isinstance(node, ast.ClassDef):
        for method in _methods(node):
            if doc := ast.get_docstring(method):
                lines += [f"{level}# {entry.name}.{_heading(method.name)}", "", *_code(_method_signature(method)),
                          *docstring_lines(doc), ""]
    return lines


def _heading(name: str) -> str:
    return name.replace("_", "\\_") if name.startswith("_") else name


def _code(text: str) -> list[str]:
    return ["```python", *text.splitlines(), "```", ""]


def _signature(name: str, args: ast.arguments, returns: ast.expr | None, *, method: bool) -> str:
    parts = _parameters(args)[1 if method else 0 :]
    arrow = f" -> {_hint(returns)}" if returns else ""
    line = f"{name}({', '.join(parts)}){arrow}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){arrow}"])


def _parameters(args: ast.arguments) -> list[str]:
    positional = [*args.posonlyargs, *args.args]
    defaults = [None] * (len(positional) - len(args.defaults)) + list(args.defaults)
    parts = [_parameter(each, default) for each, default in zip(positional, defaults, strict=True)]
    if args.posonlyargs:
        parts.insert(len(args.posonlyargs), "/")
    if args.vararg:
        parts.append(f"*{_parameter(args.vararg, None)}")
    elif args.kwonlyargs:
        parts.append("*")
    parts += [_parameter(each, default) for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return [*parts, f"**{_parameter(args.kwarg, None)}"] if args.kwarg else parts


def _parameter(arg: ast.arg, default: ast.expr | None) -> str:
    hint = f": {_hint(arg.annotation)}" if arg.annotation else ""
    equals = " = " if hint else "="
    return f"{arg.arg}{hint}{equals}{_value(default)}" if default else f"{arg.arg}{hint}"


def _hint(annotation: ast.expr) -> str:
    """Returns a type as source, without the quotes of a name that is defined later."""
    quoted = isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
    return str(annotation.value) if quoted else ast.unparse(annotation)  # type: ignore[attr-defined]


def _value(default: ast.expr) -> str:
    """Returns a default as source; where it names a field of `HeadConfig`, the default of that field."""
    if isinstance(default, ast.Attribute) and ast.unparse(default.value) == "HeadConfig":
        config = _definitions(tree_of(f"{PACKAGE}.head_config"))["HeadConfig"]
        assert isinstance(config, ast.ClassDef)
        for each in config.body:
            if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == default.attr and each.value:
                return ast.unparse(each.value)
    return ast.unparse(default)


def _class_signature(node: ast.ClassDef) -> str:
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return f"class {_signature(node.name, each.args, None, method=True)}"
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list) or any(
            ast.unparse(base) == "NamedTuple" for base in node.bases):
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        lines = [f"    {ast.unparse(each.target)}: {ast.unparse(each.annotation)}{_shown_default(each.value)}"
                 for each in fields if not ast.unparse(each.target).startswith("_")]
        return "\n".join([f"class {node.name}:", *lines])
    bases = ", ".join(map(ast.unparse, node.bases))
    return f"class {node.name}({bases})" if bases else f"class {node.name}"


def _shown_default(value: ast.expr | None) -> str:
    if value is None:
        return ""
    if isinstance(value, ast.Call):  # a field with its role, text and range: its default comes first, if it has one
        first = value.args[0] if value.args else None
        return f" = {ast.unparse(first)}" if isinstance(first, ast.Constant | ast.Attribute) else ""
    return f" = {ast.unparse(value)}"


def _method_signature(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    decorators = [ast.unparse(each) for each in method.decorator_list]
    if any("property" in each for each in decorators):
        hint = f": {_hint(method.returns)}" if method.returns else ""
        return f"{method.name}{hint}  # property"
    return _signature(method.name, method.args, method.returns, method="staticmethod" not in decorators)


def _constant(node: ast.stmt) -> str:
    assert isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
    value = ast.unparse(node.value)
    hint = f": {ast.unparse(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
    name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    line = f"{name}{hint} = {value}"
    return line if len(line) <= WIDTH else f"{name}{hint}"
