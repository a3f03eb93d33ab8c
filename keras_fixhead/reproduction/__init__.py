"""The paper's tables and claims as data, the runs that test them, verdicts, and the page of evidence.

The paper is arXiv:2011.08704, "Redesigning the classification layer by randomizing the class representation vectors".
`fixhead reproduce` runs its cells, and `fixhead report` shows what their results say.
"""
from keras_fixhead.reproduction.claims.verdict import STATES, Expectation, Verdict, combine, verdict
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
from keras_fixhead.reproduction.planning.cells import Cell, Decisions, cell, plan
from keras_fixhead.reproduction.planning.plans import PLANS, blocks_named
from keras_fixhead.reproduction.results import Results, decide, read_evidence, read_results

__all__ = ["FAILED", "PLANS", "STATES", "Cell", "Claim", "Decisions", "Expectation", "PaperTable", "Results", "Verdict",
           "blocks_named", "cell", "combine", "decide", "paper_claim", "paper_claims", "paper_correlations",
           "paper_table", "paper_tables", "plan", "read_evidence", "read_results", "verdict"]
