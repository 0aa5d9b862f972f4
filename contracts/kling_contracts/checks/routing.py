"""Routing: wrong methods, unknown paths, unknown task ids, similar ids, and equivalent URLs of one id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

from kling_contracts.checks.histories import finds_nothing
from kling_contracts.checks.refusals import NO_SERVER_ERROR, error_check, error_message, expect_refusal
from kling_contracts.gateways import ErrorShape, Gateway, RefusalReason
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.parts import EXTERNAL_ID, has
from kling_contracts.verify.probes import Label, Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.verify.text import percent_encoded
from kling_contracts.vocabulary import ASSUMED, HTTP_STANDARD, KLING_ERRORS, KLING_LIVE, SEED, URI, Source

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
# The checks of the step `similar ids`, which needs a task.
NEAR_ID_CHECKS: Final = ("routing.near_ids", "routing.equivalent_urls", "routing.query_string")


def path_checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="errors.wrong_method",
            sentence="a wrong method is refused with 404 or 405",
            source=_source_of_method(gateway),
            judge=_judge_method,
        ),
        Check(
            id="errors.allow",
            sentence="a 405 lists the allowed methods in Allow",
            source=HTTP_STANDARD,
            judge=_judge_allow,
        ),
        Check(
            id="errors.unknown_path",
            sentence="an unknown path is refused with 404 and an error body",
            source=gateway.refusals[RefusalReason.NO_ROUTE].source,
            judge=_judge_path,
        ),
    )


def _source_of_method(gateway: Gateway) -> Source:
    """Kling's table of errors has a row for a wrong method; no source settles it for other gateways."""
    refusal = gateway.refusals[RefusalReason.WRONG_METHOD]
    return KLING_ERRORS if refusal.shape is ErrorShape.KLING else refusal.source


def path_steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="methods and paths",
            stage=Stage.READING,
            description="methods and paths that do not exist",
            run=_send_unrouted,
            requests=8,
            checks=("errors.wrong_method", "errors.allow", "errors.unknown_path", "responses.*"),
        ),
    )


def _send_unrouted(session: Session) -> None:
    create = session.create_path
    one = f"{create}/{session.unknown_id}"
    for method, target in (
        ("DELETE", create),
        ("PUT", create),
        ("PATCH", create),
        ("DELETE", one),
        ("PUT", one),
        ("POST", one),
    ):
        session.send(Probe(ProbeKind.METHOD, "task" if target == one else "create", method), method, target)
    session.send(
        Probe(ProbeKind.PATH, "", "unknown"),
        "GET",
        f"{session.evidence.gateway.prefix}/v1/images/nowhere/{'1' * 18}",
    )
    session.send(Probe(ProbeKind.PATH, "", "deeper"), "GET", f"{one}/deeper")


def _judge_method(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.METHOD):
        context.expect(
            exchange.status in (404, 405) and _has_api_error_shape(exchange),
            f"{exchange.probe.tag} was not refused as a wrong method",
            expected="404 or 405, and an error in a shape of the API",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_allow(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.METHOD):
        if exchange.status != 405:
            continue
        right = "POST" if exchange.probe.about == "create" else "GET"
        allowed = {word.strip() for word in (exchange.header("allow") or "").split(",") if word.strip()}
        context.expect(
            right in allowed and exchange.method not in allowed,
            f"a 405 for {exchange.probe.tag} does not list the allowed methods",
            expected=f"Allow: {right}",
            actual=f"{exchange.shown}; Allow: {', '.join(sorted(allowed)) or 'none'}",
            shown=(exchange,),
        )


def _judge_path(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.PATH):
        # A router may treat everything after the path of the API as an id, and answer 400.
        right = (404,) if exchange.probe.tag == "unknown" else (400, 404)
        context.expect(
            exchange.status in right and _has_api_error_shape(exchange),
            "an unknown path was not refused with an error of this API",
            expected="404, and an error in a shape of the API",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _has_api_error_shape(exchange: Exchange) -> bool:
    """Whether an error has an error shape of the API and a message; true for a body that is not JSON.

    CometAPI has answered `{"code": null, "message": "404"}` for a route that it did not offer.
    """
    if not isinstance(exchange.json, dict):
        return True
    shaped = exchange.error_shape is not None or exchange.json_object.get("code", 0) is None
    return shaped and bool(error_message(exchange))


def unknown_id_checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="routing.unknown_ids",
            sentence="a query for a task that does not exist is refused",
            source=KLING_LIVE,
            judge=_judge_unknown,
            unless=(NO_SERVER_ERROR,),
        ),
        error_check(
            "errors.unknown_task",
            "a query for a task that does not exist is refused with the expected error",
            gateway,
            [RefusalReason.UNKNOWN_TASK],
            lambda evidence: evidence.of(ProbeKind.UNKNOWN_ID),
        ),
    )


def unknown_id_steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="unknown ids",
            stage=Stage.READING,
            description="queries for ids of no task",
            run=_send_unknown,
            requests=len(_PLAIN) + len(_ODD),
            checks=("routing.unknown_ids", "errors.unknown_task", "responses.*"),
        ),
    )


def _send_unknown(session: Session) -> None:
    for task_id in _PLAIN:
        session.query(ProbeKind.UNKNOWN_ID, task_id)
    for task_id in _ODD:
        session.send(Probe(ProbeKind.ODD_ID, "id", task_id[:40]), "GET", f"{session.create_path}/{task_id}")


def _judge_unknown(evidence: Evidence, context: CheckContext) -> None:
    for kind in () if finds_nothing(evidence) else (ProbeKind.UNKNOWN_ID, ProbeKind.ODD_ID):
        for exchange in evidence.of(kind):
            expect_refusal(context, exchange, "a query for a task that does not exist was not refused")


def near_id_checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="routing.near_ids",
            sentence="a query with an id similar to a task's id does not show the task",
            source=SEED,
            judge=_judge_near,
        ),
        Check(
            id="routing.equivalent_urls",
            sentence="a task is found with percent-encoded characters in its id",
            source=URI,
            judge=_judge_same(with_query=False),
        ),
        Check(
            id="routing.query_string",
            sentence="a task is found with an unknown parameter in the query string",
            source=ASSUMED,
            judge=_judge_same(with_query=True),
        ),
    )


def near_id_steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="similar ids",
            stage=Stage.RUNNING,
            description="queries for ids that differ in one character from a task's id, "
            "and for equivalent URLs of that id",
            run=_send_near,
            requests=11,
            checks=(*NEAR_ID_CHECKS, "responses.*"),
        ),
    )


def _send_near(session: Session) -> None:
    histories = session.evidence.histories()
    history = next((each for each in histories if each.created.credential == "first"), None)
    if history is None:
        return
    task_id = history.id
    near = [*_nearly(task_id), f"0{task_id}", f"%2B{task_id}", f"{task_id}%20"]
    if session.evidence.gateway.finds_external_ids and has(session.operation, EXTERNAL_ID):
        external_id = session.external_id(Label.FIRST)
        near += [*_nearly(external_id), external_id.upper()]
    for asked in near:
        session.send(Probe(ProbeKind.NEAR_ID, unquote(asked)), "GET", f"{session.create_path}/{asked}")
    # The plain id first: the equivalent URLs are judged only if it shows the task.
    for form in (task_id, percent_encoded(task_id), f"{task_id}?_=1"):
        session.send(Probe(ProbeKind.SAME_ID, task_id, form), "GET", f"{session.create_path}/{form}")


def _nearly(known: str) -> list[str]:
    """The id with another last character, without it, and with one more."""
    end = "1" if known[-1] == "0" else "0"
    return [known[:-1] + end, known[:-1], known + end]


def _judge_near(evidence: Evidence, context: CheckContext) -> None:
    for exchange in () if finds_nothing(evidence) else evidence.of(ProbeKind.NEAR_ID):
        task, asked = exchange.task, exchange.probe.about
        # With sequential ids, a similar id may belong to another task.
        context.expect(
            task is None or asked in (task.task_id, task.external_task_id),
            f"a query for {asked!r} showed another task",
            expected="a refusal",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_same(*, with_query: bool) -> Callable[[Evidence, CheckContext], None]:
    """A judge of the equivalent URLs of a task, if the plain URL shows it."""

    def judge(evidence: Evidence, context: CheckContext) -> None:
        forms = list(evidence.of(ProbeKind.SAME_ID))
        plain = next((it for it in forms if it.probe.tag == it.probe.about and _shows_task(it)), None)
        for exchange in forms if plain else ():
            if exchange is not plain and exchange.status < 500 and ("?" in exchange.probe.tag) is with_query:
                context.expect(
                    _shows_task(exchange),
                    f"a task was not found as {exchange.probe.tag}",
                    expected=f"the task {exchange.probe.about}",
                    actual=exchange.shown,
                    shown=(*([plain] if plain else []), exchange),
                )

    return judge


def _shows_task(exchange: Exchange) -> bool:
    return exchange.task is not None and exchange.task.task_id == exchange.probe.about
