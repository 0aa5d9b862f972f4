"""Three clients at every fault of requests: their results are those of the table in the docs."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from kling_mock.reply_faults import KINDS
from tests.together.fault_clients import CLIENTS, FAULTS, of_create, of_query

PAGE = Path(__file__).parents[2] / "docs" / "fault-clients.md"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.delenv("KLING_BASE_URL", raising=False)


def row(fault: str) -> str:
    """The row of the table for a fault: results of a query, then of a create."""
    cells = [of_query(client, FAULTS[fault]) for client in CLIENTS]
    cells += [of_create(client, FAULTS[fault]) for client in CLIENTS]
    return f"| `{fault}` | {' | '.join(cells)} |"


@pytest.mark.parametrize("fault", FAULTS)
def test_the_results_are_those_of_the_table(fault: str) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(f"| `{fault}` |")] == [row(fault)]


def test_every_fault_is_in_the_table() -> None:
    assert {fault[1:].partition("(")[0] for fault in FAULTS} == KINDS.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_kling_client_never_pays_twice(fault: str) -> None:
    """Nor does it lose a task without an error."""
    result, _, tasks = of_create("kling_client", FAULTS[fault]).partition(", ")
    assert int(tasks) <= 1
    assert result in {"right", "SubmitUncertain", "UnreadableReceipt"}
    assert of_query("kling_client", FAULTS[fault]) == "right"


@pytest.mark.parametrize("fault", FAULTS)
def test_both_forms_of_kling_client_have_the_same_results(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_sleep(_: float) -> None: ...

    monkeypatch.setattr(anyio, "sleep", no_sleep)
    for result in (of_query, of_create):
        assert result("kling_client, async", FAULTS[fault]) == result("kling_client", FAULTS[fault])
