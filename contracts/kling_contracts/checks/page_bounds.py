"""The bounds of pages: what lies within is answered, what lies beyond is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kling_contracts.checks.errors import error_check, expect_refusal
from kling_contracts.checks.lists import BEYOND, WHOLE
from kling_contracts.fields import Integer
from kling_contracts.gateways import PAGING, Gateway, Situation
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Probe
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import KLING_PAGE

BOUND: Final = "page"
BAD_BOUND: Final = "bad page"


def checks(gateway: Gateway) -> tuple[Check, ...]:
    if not gateway.lists:
        return ()
    return (
        Check(
            id="lists.accepts_bounds",
            sentence="pages within the bounds are answered with an array",
            source=KLING_PAGE,
            judge=_judge_bounds,
        ),
        Check(
            id="lists.refuses_beyond",
            sentence="pages out of bounds are refused",
            source=KLING_PAGE,
            judge=_judge_refused,
        ),
        error_check(
            "errors.paging",
            "a page out of bounds is refused with the error due",
            gateway,
            [Situation.INVALID],
            lambda evidence: (each for each in evidence.of(BAD_BOUND) if each.status >= 400),
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if not gateway.lists:
        return ()
    return (
        Step(
            name="lists: bounds",
            stage=Stage.READING,
            does="pages on the bounds and beyond them",
            run=_send,
            requests=len(list(_good())) + len(list(_bad())),
            feeds=("lists.accepts_bounds", "lists.refuses_beyond", "errors.paging", "answers.*"),
        ),
    )


def _good() -> Iterator[str]:
    for parameter in _integers():
        for value in (parameter.minimum.value, parameter.maximum.value):
            yield f"{parameter.name}={value}"
    yield ""


def _bad() -> Iterator[str]:
    for parameter in _integers():
        low, high = parameter.minimum.value, parameter.maximum.value
        for value in (low - 1, -1, high + 1, "x", "1.5", "1e1", "%EF%BC%91"):
            yield f"{parameter.name}={value}"


def _integers() -> Iterator[Integer]:
    return (parameter for parameter in PAGING if isinstance(parameter, Integer))  # pyright: ignore[reportUnnecessaryIsInstance]


def _send(session: Session) -> None:
    for kind, queries in ((BOUND, _good()), (BAD_BOUND, _bad())):
        for query in queries:
            target = f"{session.create_path}?{query}" if query else session.create_path
            session.send(Probe(kind, "list", query), "GET", target)


def _judge_bounds(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in (*evidence.of(BOUND), *evidence.of(WHOLE), *evidence.of(BEYOND)):
        hearing.expect(
            exchange.status == 200 and isinstance(exchange.json_object.get("data"), list),
            f"a page within the bounds was not answered ({exchange.probe})",
            expected="200 and an array in data",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_refused(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.of(BAD_BOUND):
        expect_refusal(hearing, exchange, f"a page out of bounds was answered: {exchange.probe.tag}")
