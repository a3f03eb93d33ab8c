"""The cases, by what they are about."""

from fixhead_serving.conformance.case import Case
from fixhead_serving.conformance.cases import formats, json_and_gzip, models_and_versions, routes, values

CASES: list[Case] = [
    case for module in (routes, models_and_versions, formats, values, json_and_gzip) for case in module.CASES
]
