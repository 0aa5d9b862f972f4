"""The verifier finds each faulty server by its own check, and reports nothing about a correct server."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.registry import SUITE, checks_of
from tests.contracts.verify.conftest import serve, suite_of
from tests.contracts.verify.faulty_servers.base import Fault
from tests.contracts.verify.faulty_servers.catalogue import FAULTS, described
from tests.contracts.verify.pasting import scripts_of, shown_again
from tests.profiles import FULL
from tests.rows import some_rows

if TYPE_CHECKING:
    from tests.contracts.verify.conftest import Campaign

# `make faulty-servers` runs the first fault of each check on every gateway and each further fault on one of
# them, with all checks, so that no other check finds it. Every push runs only the first faults, each on one
# gateway in turn, with only the check that must find it, and the requests that it needs.

# Checks that need the evidence of other steps to find their first fault.
NOT_ALONE = {
    "external_ids.unique": "its own step repeats an id immediately; this fault frees it when the task ends",
}

# Checks whose script also fails on a correct server: it compares with other tasks of the run.
COMPARED = {"lists.complete"}
# Checks whose script does not reproduce the failure, because the fault depends on other state.
NOT_SHOWN = {
    "external_ids.unique": "the server frees an id when a query has shown the end",
    "invalid_requests.no_task": "the server stores a task only for two requests with a prompt",
    "lists.one_task": "the list does not reveal which create made two tasks",
    "invalid_requests.no_callback": "the server sends it together with the next callback of a task",
}
FIRST = {fault.catches: fault for fault in reversed(FAULTS) if not fault.also}


def _runs() -> list[tuple[Fault, Gateway]]:
    runs: list[tuple[Fault, Gateway]] = []
    for at, fault in enumerate(FAULTS):
        first = FIRST.get(fault.catches) is fault
        gateways = fault.gateways if first else fault.gateways[at % len(fault.gateways) :][:1]
        runs += [(fault, gateway) for gateway in gateways]
    return runs


def _usual(runs: list[tuple[Fault, Gateway]]) -> list[tuple[Fault, Gateway]]:
    firsts = [(fault, gateway) for fault, gateway in runs if FIRST.get(fault.catches) is fault]
    turns = {
        fault.catches: fault.gateways[at % len(fault.gateways)] for at, fault in enumerate(FIRST.values())
    }
    return [(fault, gateway) for fault, gateway in firsts if turns[fault.catches] is gateway]


# The checks whose scripts are executed: in `make test` a third of them.
REPRODUCED = set(FIRST) if FULL else set(list(FIRST)[::3])
EVERY_RUN = _runs()
RUNS = EVERY_RUN if FULL else _usual(EVERY_RUN)


# In `make test`: one check of each kind of rule, such as `refuses.*.max_length`, except one with bodies of
# 14 MB; and every second check that is not about a rule.
RULES = [check_id for check_id in FIRST if check_id.startswith(("accepts.", "refuses."))]
KINDS = {(each.partition(".")[0], each.rpartition(".")[2]): each for each in reversed(RULES)}
USUAL = {*KINDS.values(), *[check_id for check_id in FIRST if check_id not in RULES][::2]}
USUAL.discard(KINDS["accepts", "max_bytes"])


@some_rows(
    ("fault", "gateway"),
    RUNS,
    usual=lambda run: run[0].catches in USUAL,
    ids=[f"{gateway.name}-{fault}" for fault, gateway in RUNS],
)
def test_found(fault: Fault, gateway: Gateway, campaign: Campaign) -> None:
    """A run finds the fault with its check only; the script of the report, five lines, reproduces it.

    On a correct server the script does not show the failure.
    """
    signed = fault.catches.startswith("auth.")
    only = () if FULL or fault.catches in NOT_ALONE else (fault.catches,)
    suite = SUITE if FULL else suite_of((fault.catches,))
    outcome = campaign(gateway, fault, images=fault.images, signed=signed, only=only, suite=suite)
    assert outcome.found == {fault.catches} | fault.also, outcome.findings
    for result in outcome.report.findings:
        script = scripts_of(result, outcome.report).httpx
        assert len(script.splitlines()) <= 5, script
        # Further faults may count calls, or depend on calls that the script does not repeat.
        if FIRST.get(fault.catches) is fault and result.check.id in REPRODUCED - NOT_SHOWN.keys():
            assert shown_again(outcome, result, script), script
            sound = serve(gateway, signed=signed)
            sound.clock.advance(outcome.served.clock.now() - sound.clock.now())
            again = shown_again(outcome, result, script, sound)
            assert not again or result.check.id in COMPARED, script


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_every_check_has_a_fault_of_its_own(gateway: Gateway) -> None:
    """Every check has a fault that no other check finds."""
    alone = {fault.catches for fault, where in EVERY_RUN if where is gateway and not fault.also}
    assert alone == {check.id for check in checks_of(gateway)}


CLEAN = [(gateway, images) for gateway in GATEWAYS for images in (20, None)]


@pytest.mark.parametrize(
    ("gateway", "images"),
    CLEAN if FULL else [(GATEWAYS[0], 20), (GATEWAYS[1], None)],
    ids=lambda value: getattr(value, "name", f"{value or 'any number of'} images"),
)
def test_clean(gateway: Gateway, images: int | None, campaign: Campaign) -> None:
    """On a correct server every check passes; a small budget omits only checks that need more images."""
    outcome = campaign(gateway, images=images, signed=True)
    assert outcome.findings == ""
    assert outcome.undecided == set()
    if images is None:
        open_ = {result.check.id for result in outcome.report.results if result.verdict != "pass"}
        assert open_ == {"concurrency.freed"}  # the server has no limit


def test_names_are_unique() -> None:
    """A fault is identified by its check and its name."""
    assert len({str(fault) for fault in FAULTS}) == len(FAULTS)
    assert all(fault.description.endswith(".") for fault in FAULTS)


def test_the_published_descriptions_are_up_to_date() -> None:
    """On failure: make docs."""
    published = files("kling_contracts").joinpath("checks", "faults.json")
    assert published.read_text(encoding="utf-8") == described()


def test_the_runs_of_a_push_cover_every_check() -> None:
    """Every check of both gateways finds a fault in `make test` or `make exhaustive`."""
    checks = {check.id for gateway in GATEWAYS for check in checks_of(gateway)}
    assert {fault.catches for fault, _ in RUNS} == checks
