"""What TensorFlow Serving answers, as a suite that can be sent to any server.

    python -m fixhead_serving.conformance --make-models DIR      the model that the cases need
    python -m fixhead_serving.conformance URL                    the cases, and a report

Every expected answer comes from TensorFlow Serving's documentation, source or tests, and says which. None comes
from our own server. docs/conformance.md has the commands for the real container.
"""

from fixhead_serving.conformance.case import Case, Expect
from fixhead_serving.conformance.cases import CASES
from fixhead_serving.conformance.deviations import BEYOND, DEVIATIONS, Deviation
from fixhead_serving.conformance.runner import Result, run_cases

__all__ = ["BEYOND", "CASES", "DEVIATIONS", "Case", "Deviation", "Expect", "Result", "run_cases"]
