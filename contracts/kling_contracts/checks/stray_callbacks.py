"""Stray callbacks: none follows a request that was refused."""

from __future__ import annotations

from kling_contracts.checks.deliveries import called
from kling_contracts.checks.refusing import REFUSE, REFUSED, refused
from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import read_task
from kling_contracts.verify.parts import calls_back
from kling_contracts.vocabulary import ASSUMED


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if not calls_back(gateway.main):
        return ()
    return (
        Check(
            id="refused.calls_nobody",
            sentence="a refused request is followed by no callback",
            source=ASSUMED,
            judge=_judge,
        ),
    )


def _judge(evidence: Evidence, hearing: Hearing) -> None:
    asked = [each for each in refused(evidence) if "callback_url" in each.asked_object]
    if not asked or not called(evidence):
        return
    # The id of a refused request is used again by a valid one, whose URL is another.
    strays = [
        each
        for each in evidence.deliveries
        if each.token == REFUSED and not _accepted_elsewhere(evidence, read_task(each.json))
    ]
    hearing.expect(
        not strays,
        "a refused request was followed by a callback",
        expected="none",
        actual=strays[0].shown if strays else "none",
        shown=(asked[0], *strays[:1]),
    )


def _accepted_elsewhere(evidence: Evidence, task: TaskMessage | None) -> bool:
    return task is not None and any(
        each.accepted and each.task is not None and each.task.task_id == task.task_id
        for each in evidence.of(REFUSE)
    )
