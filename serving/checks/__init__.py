"""Checks of a server from outside, over its REST interface: `fixhead check`.

    conformance   does it answer as TensorFlow Serving is documented to? For servers that serve the suite's own model
    parity        does it answer as the run does that its model was exported from?
"""
