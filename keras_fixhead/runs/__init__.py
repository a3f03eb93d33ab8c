"""The output of a run: its directory (`directory`) and its result, exported or not (`result`)."""
from keras_fixhead.runs.directory import (
    SCHEMA,
    Run,
    UnwrittenRun,
    continued,
    create_run,
    extended,
    list_runs,
    make_folder,
    open_run,
    resumed,
)

__all__ = ["SCHEMA", "Run", "UnwrittenRun", "continued", "create_run", "extended", "list_runs",
           "make_folder", "open_run", "resumed"]
