"""The verifier finds what it should: each witness by its own check, and nothing where nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.registry import checks_of
from kling_contracts.witnesses.catalogue import WITNESSES
from kling_contracts.witnesses.witness import Witness
from tests.profiles import EVERY_WITNESS
from tests.verify.conftest import serve
from tests.verify.pasting import scripts_of, shown_again

if TYPE_CHECKING:
    from tests.verify.conftest import Campaign

# The first witness of a check is shown on every gateway, each further one on one of them. That is `make
# witnesses`; `make test` runs the first ones only, each on one gateway, in turn, and leaves out the
# requests of many megabytes where nothing depends on them.

# What a server that is right shows as well, as it is compared with what else the run has created.
COMPARED = {"lists.complete"}
# What their scripts do not show, as these witnesses remember other things than what the check compares.
NOT_SHOWN = {
    "external_ids.unique": "it frees an id when a query has shown the end",
    "invalid_requests.no_task": "it stores something for two requests with a prompt only",
    "invalid_requests.no_callback": "it calls for a refusal together with the next callback of a task",
}
FIRST = {witness.catches: witness for witness in reversed(WITNESSES) if not witness.also}


def _runs() -> list[tuple[Witness, Gateway]]:
    runs: list[tuple[Witness, Gateway]] = []
    for at, witness in enumerate(WITNESSES):
        first = FIRST.get(witness.catches) is witness
        gateways = witness.gateways if first else witness.gateways[at % len(witness.gateways) :][:1]
        runs += [(witness, gateway) for gateway in gateways]
    return runs


def _usual(runs: list[tuple[Witness, Gateway]]) -> list[tuple[Witness, Gateway]]:
    firsts = [(witness, gateway) for witness, gateway in runs if FIRST.get(witness.catches) is witness]
    turns = {
        witness.catches: witness.gateways[at % len(witness.gateways)]
        for at, witness in enumerate(FIRST.values())
    }
    return [(witness, gateway) for witness, gateway in firsts if turns[witness.catches] is gateway]


EVERY_RUN = _runs()
RUNS = EVERY_RUN if EVERY_WITNESS else _usual(EVERY_RUN)


@pytest.mark.parametrize(
    ("witness", "gateway"), RUNS, ids=[f"{gateway.name}-{witness}" for witness, gateway in RUNS]
)
def test_found(witness: Witness, gateway: Gateway, request: pytest.FixtureRequest) -> None:
    """A run finds the fault, and says it once; what the report gives to paste, five lines, shows it again.

    It shows nothing on a server that is right.
    """
    heavy = EVERY_WITNESS or witness.catches.endswith(".max_bytes")
    campaign: Campaign = request.getfixturevalue("campaign" if heavy else "light_campaign")
    signed = witness.catches.startswith("auth.")
    outcome = campaign(gateway, witness, images=witness.images, signed=signed)
    assert outcome.found == {witness.catches} | witness.also, outcome.told
    for result in outcome.report.findings:
        script = scripts_of(result, outcome.report).httpx
        assert len(script.splitlines()) <= 5, script
        # Others count calls, or wait for some that the sequence does not have.
        if FIRST.get(witness.catches) is witness and result.check.id not in NOT_SHOWN:
            assert shown_again(outcome, result, script), script
            sound = serve(gateway, signed=signed)
            sound.clock.advance(outcome.served.clock.now() - sound.clock.now())
            again = shown_again(outcome, result, script, sound)
            assert not again or result.check.id in COMPARED, script


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_every_check_has_a_witness_of_its_own(gateway: Gateway) -> None:
    """Of every check there is a fault that it alone finds: without the check it would pass."""
    alone = {witness.catches for witness, where in EVERY_RUN if where is gateway and not witness.also}
    assert alone == {check.id for check in checks_of(gateway)}


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
@pytest.mark.parametrize("images", [20, None], ids=["tight budget", "no limit"])
def test_clean(gateway: Gateway, images: int | None, campaign: Campaign) -> None:
    """Against a server that is right every check passes; a tight budget leaves out a named few."""
    outcome = campaign(gateway, images=images, signed=True)
    assert outcome.told == ""
    assert outcome.silent == set()
    if images is None:
        assert all(result.verdict == "pass" for result in outcome.report.results)


def test_names_are_unique() -> None:
    """A witness is known by its check and its name."""
    assert len({str(witness) for witness in WITNESSES}) == len(WITNESSES)
    assert all(witness.says.endswith(".") for witness in WITNESSES)


def test_a_usual_run_leaves_out_no_check() -> None:
    """Whether all are run or a part: every check of either gateway has been seen to find something."""
    checks = {check.id for gateway in GATEWAYS for check in checks_of(gateway)}
    assert {witness.catches for witness, _ in RUNS} == checks
