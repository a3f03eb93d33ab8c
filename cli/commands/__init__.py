"""The commands of `fixhead`, one module each: parse the options, call the library, print the result."""

COMMANDS = {
    "demo": "Train, export, serve and test two small models, start to end.",
    "train": "Train a model; write a run directory.",
    "sweep": "Train a grid of configurations, each run only once.",
    "compare": "Compare runs, paired over seeds, with intervals.",
    "analyze": "Measure and draw what class vectors and features of runs look like.",
    "reproduce": "Measure tables and figures of the paper: run what is missing.",
    "report": "Write what results say about the paper: Markdown, CSV, JSON, LaTeX and one HTML page.",
    "evaluate": "Measure the accuracy of a trained run, on its own data or on others.",
    "predict": "Classify pictures with a run or a server.",
    "robustness": "Measure the accuracy of runs or servers on corrupted images.",
    "export": "Write a trained run as a SavedModel for serving.",
    "publish": "Publish a trained run's model on Hugging Face or Kaggle, with its model card.",
    "serve": "Serve exported models over REST.",
    "check": "Check a server: its protocol, or its answers against a run.",
    "data": "Show, check, pack and verify data sets, write corrupted images, and gather test sets.",
    "list": "List data sets, models, recipes, runs and more; with NAME, everything about one of them.",
    "show": "Show what is known about a run.",
    "doctor": "Report versions, devices, data sets and extras.",
    "completion": "Print a script that completes fixhead's commands in your shell.",
}
"""Each command's name, which is also that of its module, and the first line of its help, for `fixhead --help`."""
