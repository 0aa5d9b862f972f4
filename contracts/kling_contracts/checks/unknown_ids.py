"""Ids that no task has, in every shape."""

from __future__ import annotations

from typing import Final

from kling_contracts.checks.errors import error_check, expect_refusal
from kling_contracts.gateways import Gateway, Situation
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Probe
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import KLING_LIVE

KIND: Final = "unknown"
ODD: Final = "odd id"

_PLAIN: Final = ("878106242831892487", "0", "-1", "1" * 40, "no-such-task", "CjMT7WdSwWcAAAAAALvB3g")
_ODD: Final = (
    "%20",
    "%00",
    "%2F",
    "..%2F..",
    "%F0%9F%98%80",
    "%FF",
    "%27%20OR%20%271%27%3D%271",
    "a%0D%0Ab",
    "9" * 2000,
)


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="unknown_ids.refused",
            sentence="a query for a task that does not exist is refused",
            source=KLING_LIVE,
            judge=_judge,
        ),
        error_check(
            "errors.unknown_task",
            "a query for a task that does not exist is refused with the error due",
            gateway,
            [Situation.UNKNOWN_TASK],
            lambda evidence: evidence.of(KIND),
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="unknown ids",
            stage=Stage.READING,
            does="queries for ids that no task has",
            run=_send,
            requests=len(_PLAIN) + len(_ODD),
            feeds=("unknown_ids.*", "errors.unknown_task", "answers.*"),
        ),
    )


def nobody(session: Session) -> str:
    """An id of this run that no task has."""
    return session.external_id("nobody")


def _send(session: Session) -> None:
    for task_id in _PLAIN:
        session.query(KIND, task_id)
    for task_id in _ODD:
        session.send(Probe(ODD, "id", task_id[:40]), "GET", f"{session.create_path}/{task_id}")


def _judge(evidence: Evidence, hearing: Hearing) -> None:
    for kind in (KIND, ODD):
        for exchange in evidence.of(kind):
            expect_refusal(hearing, exchange, "a task that does not exist was shown")
