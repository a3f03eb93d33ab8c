"""Writes the generated parts of docs/conformance.md from the record, the declared deviations and the campaign.

    python benchmarks/conformance_page.py
"""

from campaign import DOCUMENTED
from campaign import SCHEMA as CAMPAIGN_SCHEMA
from report import RESULTS, ROOT, write_block

from fixhead_serving.checks.conformance import BEYOND, CASES, DEVIATIONS
from fixhead_serving.checks.conformance.report import SCHEMA, record_table
from keras_fixhead.json_files import read_json

PAGE = ROOT / "docs" / "conformance.md"


def blocks() -> dict[str, list[str]]:
    """Returns the generated parts by name, as lines of Markdown."""
    campaign = read_json(RESULTS / "checks" / "campaign.json", schema=CAMPAIGN_SCHEMA)
    seen = [
        f"| {status} | {meaning} | {campaign['statuses'].get(str(status), 0):,} |"
        for status, meaning in DOCUMENTED.items()
    ]
    return {
        "cases": [f"The suite has {len(CASES)} cases."],
        "record": record_table(read_json(RESULTS / "conformance.json", schema=SCHEMA)),
        "deviations": [
            "| case | reason |", "| --- | --- |", *(f"| {name} | {each.reason} |" for name, each in DEVIATIONS.items()),
        ],
        "beyond": [f"- {sentence}" for sentence in BEYOND],
        "statuses": [
            "| status | when | answers |", "| --- | --- | --- |", *seen, "",
            f"Seed {campaign['seed']}: {campaign['requests']:,} requests, of which {campaign['reached_a_model']:,} "
            f"reached a model, {campaign['sentinels']:,} were sentinels, and {campaign['not_http_and_unanswered']:,} "
            f"were not HTTP and got no answer. Faults: {len(campaign['faults'])}.",
        ],
    }  # fmt: skip


if __name__ == "__main__":
    for name, lines in blocks().items():
        write_block(name, lines, PAGE)
