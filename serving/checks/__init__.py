"""Checks a server from outside, over its REST interface: `fixhead check`.

    conformance   does it answer as TensorFlow Serving is documented to? Needs a server of the suite's own model
    parity        does it give the same answers as the run that its model was exported from?
"""
