"""The answers of TensorFlow Serving, as a suite of cases for any server of the suite's own model.

    fixhead check conformance --make-models DIR      writes that model
    fixhead check conformance URL                    sends the cases, and reports

Every expected answer comes from TensorFlow Serving's documentation, source or tests, and cites it. None comes from our
own server. docs/conformance.md has the commands for the real container.
"""

from fixhead_serving.checks.conformance.case import Case, Expect
from fixhead_serving.checks.conformance.cases import CASES
from fixhead_serving.checks.conformance.deviations import BEYOND, DEVIATIONS, Deviation
from fixhead_serving.checks.conformance.runner import Result, check_conformance, run_cases

__all__ = ["BEYOND", "CASES", "DEVIATIONS", "Case", "Deviation", "Expect", "Result", "check_conformance", "run_cases"]
