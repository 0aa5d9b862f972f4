"""Published answers of the live service break no rule that has a source: each is judged by all checks."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kling_contracts.captures import Capture, MessageKind, captures
from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.registry import checks_of
from kling_contracts.verify.bodies import minimal
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import CheckContext
from kling_contracts.verify.probes import Probe, ProbeKind
from tests.contracts.test_captures import completed

JSON_TYPE = (("content-type", "application/json"),)


def gateway_of(capture: Capture) -> Gateway:
    return KLING if "kling" in capture.name else COMETAPI


def exchange(gateway: Gateway, body: dict[str, object], at: float) -> Exchange:
    """A query that is answered with a body at a time in Unix seconds."""
    return Exchange(
        number=0,
        probe=Probe(ProbeKind.UNKNOWN_ID, "1"),
        credential="first",
        method="GET",
        target=f"{gateway.create_path}/1",
        headers=(),
        body=b"",
        sent_at=at - 0.1,
        received_at=at,
        status=200,
        answer_headers=JSON_TYPE,
        answer=json.dumps(body).encode(),
    )


def replayed(capture: Capture, gateway: Gateway) -> Evidence:
    """The evidence of a run whose server gave the captured answer.

    Of a query, the create before it is not captured; its answer is made from the times of the task.
    """
    body = completed(capture) | ({"request_id": "masked"} if "request_id" in capture.omitted else {})
    evidence = Evidence(gateway=gateway)
    if capture.kind is MessageKind.ERROR:
        kind = ProbeKind.BUSY if capture.status == 429 else ProbeKind.UNKNOWN_ID
        answer = replace(exchange(gateway, body, 1.0), status=capture.status, probe=Probe(kind, "1"))
        evidence.exchanges.append(answer)
        return evidence
    task = body["data"]
    assert isinstance(task, dict)
    begin = {name: task[name] for name in ("task_id", "created_at")} | {
        "task_status": "submitted",
        "updated_at": task["created_at"],
        "task_info": task.get("task_info", {}),
    }
    created = body if capture.kind is MessageKind.CREATED else body | {"request_id": "made", "data": begin}
    external = (task.get("task_info") or {}).get("external_task_id")
    asked = minimal(gateway.main) | ({"external_task_id": external} if external else {})
    at = int(task["created_at"]) / 1000 + 0.1
    evidence.exchanges.append(
        replace(
            exchange(gateway, created, at),
            method="POST",
            target=gateway.create_path,
            body=json.dumps(asked).encode(),
            probe=Probe(ProbeKind.ACCEPT, "captured"),
        )
    )
    if capture.kind is MessageKind.STATE:
        read = exchange(gateway, body, int(task["updated_at"]) / 1000 + 0.1)
        evidence.exchanges.append(replace(read, number=1, probe=Probe(ProbeKind.POLL, str(task["task_id"]))))
    return evidence


@pytest.mark.parametrize("capture", captures(), ids=lambda capture: capture.name)
def test_captured_answers_are_no_findings(capture: Capture) -> None:
    gateway = gateway_of(capture)
    evidence = replayed(capture, gateway)
    found: list[str] = []
    examined = 0
    for check in checks_of(gateway):
        if check.id == "outcomes.succeeds":
            continue  # the pictures of the request are unknown
        context = CheckContext()
        check.judge(evidence, context)
        examined += context.examined
        found += [f"{check.id}: {each.sentence}: {each.actual}" for each in context.failures]
    assert found == []
    assert examined > 5
