"""The paper's tables and claims as data: arXiv:2011.08704, numbers as printed, statements in our words."""
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from keras_fixhead.catalog import look_up
from keras_fixhead.errors import ArgumentError
from keras_fixhead.json_files import read_json

SOURCE = "arXiv:2011.08704"
FAILED = "failed"
"""Replaces a number for which the paper prints NaN: the training did not converge."""

_SCHEMA = 1


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper.

    Attributes:
        number: its number in the paper.
        section: the section that discusses it.
        what: what it shows, and what the paper leaves open about it.
        fields: fields that all its cells share.
        axes: the axes that identify its cells, for example ('dataset', 'model', 'class_vectors').
        cells: names along the axes -> percent; None for a dash in the paper, `FAILED` for NaN. Empty if the
            table's body is missing in the available copy.
    """

    number: str
    section: str
    what: str
    fields: Mapping[str, Any]
    axes: tuple[str, ...]
    cells: Mapping[tuple[str, ...], float | str | None]

    def gains(self) -> dict[tuple[str, ...], float]:
        """Returns fixed minus learned, in points, by the other axes; only for pairs of two numbers.

        Example:
            >>> round(paper_table(1).gains()["stl10", "resnet18"], 1)
            4.4
        """
        *_, last = self.axes
        if last != "class_vectors":
            return {}
        pairs = {names[:-1]: (value, self.cells[*names[:-1], "learned"]) for names, value in self.cells.items()
                 if names[-1] == "fixed"}
        return {names: fixed - learned for names, (fixed, learned) in pairs.items()
                if isinstance(fixed, float) and isinstance(learned, float)}


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        id: our name for it.
        short: the claim in a few words, for a figure or a list.
        section: the section that makes it.
        tables: the paper's tables about it.
        statement: the claim in our words.
        quantity: what is measured to decide it, with its unit.
        paper: the numbers that the paper prints about it, or that follow from its tables.
    """

    id: str
    short: str
    section: str
    tables: tuple[str, ...]
    statement: str
    quantity: str
    paper: Mapping[str, float]


def paper_table(number: int | str) -> PaperTable:
    """Returns a table of the paper.

    Raises:
        ArgumentError: (a ValueError) if it has no table with this number.

    Example:
        >>> paper_table(2).cells["cifar100", "resnet18", "learned"]
        27.1
    """
    entry = look_up(_content("tables")["tables"], str(number), "table of the paper")
    return PaperTable(str(number), entry["section"], entry["what"], entry["fields"], tuple(entry["axes"]),
                      {tuple(names): value for *names, value in entry["rows"]})


def paper_tables() -> dict[str, PaperTable]:
    """Returns all tables of the paper by their numbers."""
    return {number: paper_table(number) for number in _content("tables")["tables"]}


def paper_correlations() -> dict[str, dict[str, float]]:
    """Returns the paper's Spearman correlations of class-vector cosines and errors: head -> data set -> number.

    Example:
        >>> paper_correlations()["dot"]["cifar100"]
        0.61
    """
    return {head: dict(_content("tables")["correlations"][head]) for head in ("dot", "cos")}


def paper_claims() -> dict[str, Claim]:
    """Returns the paper's claims by their names."""
    return {each["id"]: Claim(each["id"], each["short"], each["section"], tuple(each["tables"]), each["statement"],
                              each["quantity"], each["paper"]) for each in _content("claims")["claims"]}


def paper_claim(name: str) -> Claim:
    """Returns a claim of the paper.

    Raises:
        ArgumentError: (a ValueError) if there is no claim with this name.

    Example:
        >>> paper_claim("dot-gain-up-to-4").paper["max"]
        4.4
    """
    return look_up(paper_claims(), name, "claim")


@functools.cache
def _content(name: str) -> dict[str, Any]:
    with resources.as_file(resources.files("keras_fixhead.reproduction") / f"{name}.json") as path:
        content = read_json(path, schema=_SCHEMA)
    if content["source"] != SOURCE:
        raise ArgumentError(f"{name}.json describes {content['source']}, not {SOURCE}.")
    return content
