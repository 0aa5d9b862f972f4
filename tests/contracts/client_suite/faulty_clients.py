"""Runs the client suite against clients with one fault each."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from zlib import crc32

import pytest

from kling_contracts.client_suite import list_properties
from kling_contracts.client_suite.harness import Inconclusive
from kling_contracts.client_suite.suite import check_property
from kling_contracts.gateways import COMETAPI
from tests.contracts.client_suite.plain_client import PlainClient
from tests.profiles import FULL

# The ids of the properties that a client breaks, without "client.", separated by spaces.
FaultyClients = Mapping[type[PlainClient], str]

# Beside the expected properties, `make exhaustive` checks a client by one in PART of the others, a different
# part for each client.
PART = 6

# Properties that exist for every rule and field are slow, and only sent requests can break them. They are run
# for clients that send wrong requests, and for three rules only.
LONG = ("client.sends_only_valid", "client.accepts_valid[", "client.encodes_exactly", "client.omits_unset")
RULES = (
    "sends_only_valid[prompt.max_length]",
    "accepts_valid[prompt.max_length]",
    "valid[aspect_ratio.enum]",
)

PROPERTIES = cache(lambda: tuple(list_properties(PlainClient())))


def caught(
    client: PlainClient, expected: str, request: pytest.FixtureRequest, *, others: bool
) -> dict[str, str]:
    """The reports of the properties that the client breaks, by id: of the expected ones, or of the others."""
    sends_wrongly = any(f"client.{expected}".startswith(name.rstrip("[")) for name in LONG)
    reports: dict[str, str] = {}
    for at, each in enumerate(PROPERTIES(), crc32(type(client).__name__.encode())):
        if (each.id.removeprefix("client.") in expected.split()) is others:
            continue
        if others and not FULL and at % PART:
            continue
        if not each.id.startswith(LONG) or (
            sends_wrongly and ("_valid[" not in each.id or each.id.endswith(RULES))
        ):
            with suppress(Inconclusive):
                reports[each.id] = check_property(each, client, COMETAPI, request, examples=4)
    return {name: report for name, report in reports.items() if report}


def require_caught(
    client: type[PlainClient], expected: str, request: pytest.FixtureRequest, *, others: bool
) -> None:
    """Check that a faulty client breaks the expected properties, or (`others`) that it breaks no others."""
    reports = caught(client(), expected, request, others=others)
    broken = set() if others else {f"client.{name}" for name in expected.split()}
    assert set(reports) == broken, "\n".join(reports.values())
