"""The cases, by topic."""

from fixhead_serving.checks.conformance.case import Case
from fixhead_serving.checks.conformance.cases import (
    columns_and_outputs,
    json_and_gzip,
    models_and_versions,
    routes,
    rows,
    values,
)

CASES: list[Case] = [
    case
    for module in (routes, models_and_versions, rows, columns_and_outputs, values, json_and_gzip)
    for case in module.CASES
]
"""All cases, in the order in which they are sent."""
