"""The paper as data, and what measured runs say of it: tables, claims, the cells that are run, and verdicts.

The paper is arXiv:2011.08704, "Redesigning the classification layer by randomizing the class representation vectors".
"""
from keras_fixhead.reproduction.cells import Cell, cell
from keras_fixhead.reproduction.paper import (
    FAILED,
    Claim,
    PaperTable,
    paper_claim,
    paper_claims,
    paper_correlations,
    paper_table,
    paper_tables,
)
from keras_fixhead.reproduction.plan import BLOCKS, plan
from keras_fixhead.reproduction.results import Result, Results, read_result, read_results
from keras_fixhead.reproduction.verdicts import STATES, Expectation, Verdict, combine, verdict

__all__ = ["BLOCKS", "FAILED", "STATES", "Cell", "Claim", "Expectation", "PaperTable", "Result", "Results", "Verdict",
           "cell", "combine", "paper_claim", "paper_claims", "paper_correlations", "paper_table", "paper_tables",
           "plan", "read_result", "read_results", "verdict"]
