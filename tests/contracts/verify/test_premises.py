"""No vacuous pass: a check whose premise no answer shows is inconclusive.

The premises: a valid create is accepted, a task is found, callbacks arrive, and so on. Each server here lacks
some of them; together they lack the premise of every check, except those that any answer decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from kling_contracts.gateways import GATEWAYS, KLING, RefusalReason
from kling_contracts.registry import checks_of
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import CheckContext, Verdict
from kling_contracts.verify.probes import Probe, ProbeKind
from tests.contracts.verify.conftest import Campaign
from tests.contracts.verify.faulty_servers.base import Fault, FaultyServer
from tests.contracts.verify.faulty_servers.messages import Callback, Request, Response
from tests.rows import some_rows

# The checks without a premise: any answer to their requests decides them.
ALWAYS = {
    "accepts.valid",
    "auth.required",
    "auth.scheme_case",
    "auth.token.early",
    "auth.token.expired",
    "auth.token.issuer",
    "auth.token.signature",
    "auth.wrong_key",
    "errors.bad_json",
    "errors.paging",
    "errors.unknown_model",
    "errors.unknown_path",
    "errors.unknown_task",
    "errors.validation",
    "errors.wrong_method",
    "lists.accepts_bounds",
    "requests.upgrade",
    "responses.always",
    "responses.error_status",
    "responses.json",
    "responses.no_echo",
    "responses.no_internals",
    "responses.no_key",
    "responses.no_server_error",
    "responses.request_id",
    "responses.request_id_unique",
}


def refuse(server: FaultyServer, reason: RefusalReason, response: Response) -> None:
    refusal = server.refuse(reason)
    response.status, response.json = refusal.status, refusal.json


class RefusesAll(FaultyServer):
    """Refuses every request as invalid."""

    def serve(self, request: Request) -> Response:
        return self.refuse(RefusalReason.INVALID)


class FindsNothing(FaultyServer):
    """Creates tasks that no query finds."""

    def after(self, request: Request, response: Response) -> None:
        if request.task_id and response.status == 200:
            refuse(self, RefusalReason.UNKNOWN_TASK, response)


class Sparse(FaultyServer):
    """No callbacks, lists, 405, task_info, images beyond the first, or indices in errors."""

    def after(self, request: Request, response: Response) -> None:
        if request.lists and response.status == 200:
            refuse(self, RefusalReason.INVALID, response)
        if request.creates and response.status == 200 and request.peek.get("n", 1) not in (1, None, ""):
            refuse(self, RefusalReason.INVALID, response)
        response.status = 404 if response.status == 405 else response.status
        for task in response.tasks:
            task.pop("task_info", None)
        if response.status == 400:
            response.content = re.sub(rb"\[\d+\]", b"", response.content)

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        return ()


FOUND = {
    "account_isolation.tasks",
    "lifecycle.ends",
    "lifecycle.found",
    "lifecycle.own_task",
    "routing.equivalent_urls",
    "routing.near_ids",
    "routing.query_string",
    "routing.unknown_ids",
}
SHOWN = {
    "account_isolation.lists",
    "callbacks.bare",
    "callbacks.body",
    "callbacks.content_type",
    "callbacks.no_key",
    "callbacks.not_early",
    "callbacks.order",
    "callbacks.retry",
    "callbacks.stops",
    "callbacks.url",
    "concurrency.freed",
    "errors.allow",
    "errors.element",
    "external_ids.echoed",
    "invalid_requests.no_callback",
    "invalid_requests.no_task",
    "lifecycle.images.distinct",
    "lifecycle.processing",
    "lifecycle.running.message",
    "lifecycle.time.moves",
    "lists.complete",
    "lists.entry_is_query",
    "lists.newest_first",
    "lists.one_task",
    "lists.pages",
    "lists.refuses_beyond",
    "polling.no_observer_effect",
    "polling.no_timestamp_effect",
}


def without(server: type[FaultyServer], campaign: Campaign, only: Iterable[str] = ()) -> set[str]:
    """The inconclusive checks on a server; its tasks end at once, so that nothing waits."""
    fault = Fault(name="lacking", catches="", description="", make=server)
    outcome = campaign(KLING, fault, images=1000, signed=True, pace="instant", only=only)
    return {result.check.id for result in outcome.report.having(Verdict.INCONCLUSIVE)}


def test_a_server_that_refuses_every_request(light_campaign: Campaign) -> None:
    checks = {check.id for check in checks_of(KLING)}
    assert without(RefusesAll, light_campaign) == checks - ALWAYS - {"routing.unknown_ids"}


@some_rows(("server", "checks"), [(Sparse, SHOWN), (FindsNothing, FOUND)], usual=2)
def test_a_server_without_premises(
    server: type[FaultyServer], checks: set[str], light_campaign: Campaign
) -> None:
    assert without(server, light_campaign, checks) == checks


def answered(number: int, method: str, kind: ProbeKind) -> Exchange:
    """A create or a query whose answer shows the task 1 as submitted."""
    task = {"task_id": "1", "task_status": "submitted", "created_at": 10**12, "updated_at": 10**12}
    return Exchange(
        number=number,
        probe=Probe(kind, "1"),
        credential="first",
        method=method,
        target=KLING.create_path,
        headers=(),
        body=b"{}" if method == "POST" else b"",
        sent_at=10.0**9,
        received_at=10.0**9,
        status=200,
        answer=json.dumps({"code": 0, "message": "SUCCEED", "data": task}).encode(),
    )


def test_a_task_that_stays_submitted() -> None:
    """Rules about results, ends and changes are not examined; the others are."""
    exchanges = [answered(0, "POST", ProbeKind.ACCEPT), answered(1, "GET", ProbeKind.POLL)]
    evidence = Evidence(gateway=KLING, exchanges=exchanges)
    examined: set[str] = set()
    for check in checks_of(KLING):
        context = CheckContext()
        check.judge(evidence, context)
        if context.examined and check.id.startswith("lifecycle."):
            examined.add(check.id.removeprefix("lifecycle."))
    assert examined == {
        *("at_once", "clock", "created", "own_task", "running.message", "shape", "status.word"),
        *("time.created", "time.decreasing", "time.order", "time.unchanged", "time.unit"),
    }


def test_every_check_is_listed() -> None:
    """Each check of a gateway has a premise that a server here lacks, or is in the list of those without."""
    checks = {check.id for gateway in GATEWAYS for check in checks_of(gateway)}
    kling = {check.id for check in checks_of(KLING)}
    assert all("scence_image" in it or it.endswith("min_items") for it in checks - kling)
    assert checks >= ALWAYS | FOUND | SHOWN
