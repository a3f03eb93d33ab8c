"""Sends the cases to a server, one after the other, and compares the answers."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import httpx

from fixhead_serving.checks.conformance.case import Answer, Case, Need
from fixhead_serving.checks.conformance.cases import CASES
from fixhead_serving.checks.conformance.cases.build import MODEL
from fixhead_serving.checks.conformance.deviations import DEVIATIONS
from fixhead_serving.checks.conformance.models import NAME, serve_line
from keras_fixhead.errors import ArgumentError, ServingError

Outcome = Literal["pass", "deviation", "fail", "not run"]
LOCAL_SERVER = "fixhead serve"  # the server whose deviations are known
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Result:
    """The outcome of a case; `detail` is the difference, the reason for a deviation, or what the server lacks."""

    case: Case
    outcome: Outcome
    detail: str = ""


def check_conformance(url: str, server_name: str) -> list[Result]:
    """Sends every case to a server and returns the results.

    Args:
        url: the server's address, such as `http://127.0.0.1:8501`; a path is ignored.
        server_name: as for `run_cases`.

    Raises:
        ArgumentError: (a ValueError) if the address is invalid.
        ServingError: as for `run_cases`.
    """
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise ArgumentError(f"'{url}' is not a server's address.", hint="For example: http://127.0.0.1:8501")

    async def send() -> list[Result]:
        origin = f"{address.scheme}://{address.netloc}"
        async with httpx.AsyncClient(base_url=origin, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            return await run_cases(client, CASES, server_name)

    return asyncio.run(send())


async def run_cases(client: httpx.AsyncClient, cases: Iterable[Case], server_name: str) -> list[Result]:
    """Sends cases to a server and returns the results.

    Args:
        client: a client with the server's address.
        cases: the cases to send.
        server_name: deviations are only accepted from a server whose name starts with `fixhead serve`.

    Raises:
        ServingError: if the server cannot be reached, or does not serve version 2 of the suite's model.
    """
    available = await _available(client)
    return [await _run(client, case, available, server_name.startswith(LOCAL_SERVER)) for case in cases]


async def _available(client: httpx.AsyncClient) -> set[Need]:
    hint = f"Serve the suite's model: fixhead check conformance --make-models DIR && {serve_line(f'DIR/{NAME}')}"
    try:
        answer = await client.get(f"{MODEL}/versions/2")
    except httpx.HTTPError as error:
        raise ServingError(f"No answer from {client.base_url}: {error}.", hint=hint) from None
    if answer.status_code != 200:
        text = f"{client.base_url} does not serve version 2 of the suite's model '{NAME}' ({answer.status_code})."
        raise ServingError(text, hint=hint)
    probes: dict[Need, str] = {"version 1": f"{MODEL}/versions/1", "labels": f"{MODEL}/labels/canary/metadata"}
    return {need for need, path in probes.items() if (await client.get(path)).status_code == 200}


async def _run(client: httpx.AsyncClient, case: Case, available: set[Need], deviates: bool) -> Result:
    lacking = [need for need in case.needs if need not in available]
    if lacking:
        return Result(case, "not run", f"the server has no {', '.join(lacking)}")
    try:
        response = await client.request(case.method, case.path, content=case.body or None, headers=dict(case.headers))
    except httpx.HTTPError as error:
        return Result(case, "fail", f"no answer: {type(error).__name__}: {error}")
    answer = Answer(response.status_code, response.content, response.headers.get("content-type", ""))
    difference = case.expect.difference(answer)
    if difference is None:
        return Result(case, "pass")
    deviation = DEVIATIONS.get(case.name) if deviates else None
    if deviation is not None and deviation.expect.difference(answer) is None:
        return Result(case, "deviation", deviation.reason)
    return Result(case, "fail", difference)
