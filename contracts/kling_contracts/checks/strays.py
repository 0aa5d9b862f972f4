"""Requests that go astray: wrong methods and unknown paths."""

from __future__ import annotations

from typing import Final

from kling_contracts.checks.errors import error_message
from kling_contracts.checks.unknown_ids import nobody
from kling_contracts.gateways import Gateway, Situation
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange, Probe
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step

METHOD: Final = "method"
PATH: Final = "path"


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="errors.wrong_method",
            sentence="a wrong method is refused with 404, or with 405 and in Allow what is right",
            source=gateway.refusals[Situation.WRONG_METHOD].source,
            judge=_judge_method,
        ),
        Check(
            id="errors.unknown_path",
            sentence="an unknown path is refused with 404, as an error",
            source=gateway.refusals[Situation.NO_ROUTE].source,
            judge=_judge_path,
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="methods and paths",
            stage=Stage.READING,
            does="methods and paths that do not exist",
            run=_send,
            requests=8,
            feeds=("errors.wrong_method", "errors.unknown_path", "answers.*"),
        ),
    )


def _send(session: Session) -> None:
    create = session.create_path
    one = f"{create}/{nobody(session)}"
    for method, target in (
        ("DELETE", create),
        ("PUT", create),
        ("PATCH", create),
        ("DELETE", one),
        ("PUT", one),
        ("POST", one),
    ):
        session.send(Probe(METHOD, "task" if target == one else "create", method), method, target)
    session.send(
        Probe(PATH, "", "unknown"), "GET", f"{session.evidence.gateway.prefix}/v1/images/nowhere/{'1' * 18}"
    )
    session.send(Probe(PATH, "", "deeper"), "GET", f"{one}/deeper")


def _judge_method(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.of(METHOD):
        right = "POST" if exchange.probe.about == "create" else "GET"
        allowed = {word.strip() for word in (exchange.header("allow") or "").split(",") if word.strip()}
        told = right in allowed and exchange.method not in allowed
        hearing.expect(
            (exchange.status == 404 or (exchange.status == 405 and told)) and _says_why(exchange),
            f"{exchange.probe.tag} was not refused rightly",
            expected=f"404, or 405 with Allow: {right}; an error in a shape of the API",
            actual=f"{exchange.shown}; Allow: {', '.join(sorted(allowed)) or 'none'}",
            shown=(exchange,),
        )


def _judge_path(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.of(PATH):
        # Behind an id there may be a router that takes the whole rest for an id.
        right = (404,) if exchange.probe.tag == "unknown" else (400, 404)
        hearing.expect(
            exchange.status in right and _says_why(exchange),
            "an unknown path was not refused as an error of this API",
            expected="404, and an error in a shape of the API",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _says_why(exchange: Exchange) -> bool:
    """Whether an error has one of the shapes of errors, and a text. What is no JSON is another finding."""
    if not isinstance(exchange.json, dict):
        return True
    return exchange.error_shape is not None and bool(error_message(exchange))
