"""The deliveries of callbacks: waiting for them, which are due, and which came to which URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kling_contracts.gateways import Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence, Trace
from kling_contracts.verify.exchange import Delivery
from kling_contracts.verify.model import Need, Stage, Step
from kling_contracts.verify.parts import calls_back
from kling_contracts.verify.probes import Label
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import TaskStatus

# How long after the tasks have ended callbacks may still come, and what is given to a second attempt.
PATIENCE: Final = 15.0
_PAUSE: Final = 0.1


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if not calls_back(gateway.main):
        return ()
    return (
        Step(
            name="callbacks",
            stage=Stage.ENDING,
            does="waits for the callbacks of three tasks, one of which is answered with 500 at first",
            run=_wait,
            requests=0,
            feeds=("callbacks.*", "refused.calls_nobody"),
            needs=frozenset({Need.RECEIVER}),
        ),
    )


def _wait(session: Session) -> None:
    until = session.waiter.now() + min(PATIENCE, max(session.time_left, 0))
    while True:
        session.collect()
        if _all_came(session.evidence) or session.waiter.now() >= until:
            return
        session.waiter.sleep(_PAUSE)


def _all_came(evidence: Evidence) -> bool:
    for token, trace in called(evidence).items():
        came = deliveries_to(evidence, token)
        if not due(trace) <= {task.task_status for _, task in came}:
            return False
        if token == Label.STUBBORN and not repeated(came):
            return False
    return True


def token_of(trace: Trace) -> str:
    """Which URL of ours a create gave, by its last part; empty if it gave none."""
    url = trace.created.asked_object.get("callback_url")
    return url.rpartition("/")[2] if isinstance(url, str) else ""


def called(evidence: Evidence) -> dict[str, Trace]:
    """The tasks that gave a URL of ours, by its token."""
    found: dict[str, Trace] = {}
    for trace in evidence.traces():
        token = token_of(trace)
        if token in (Label.PLAIN, Label.STUBBORN, Label.FAILING):
            found[token] = trace
    return found


def deliveries_to(evidence: Evidence, token: str) -> list[tuple[Delivery, TaskMessage]]:
    """What came to one of the URLs and has a task in it, oldest first."""
    return [
        (each, each.task) for each in evidence.deliveries if each.token == token and each.task is not None
    ]


def due(trace: Trace) -> set[TaskStatus | str]:
    """The changes that somebody saw; that a task is submitted need not be told."""
    return {each.task.task_status for each in trace.reads} - {TaskStatus.SUBMITTED}


def repeated(came: Sequence[tuple[Delivery, TaskMessage]]) -> bool:
    """Whether the first that was answered with 500 came again."""
    refused = [(at, task) for at, (each, task) in enumerate(came) if each.replied >= 500]
    return bool(refused) and any(
        task.task_status == refused[0][1].task_status for _, task in came[refused[0][0] + 1 :]
    )
