"""Task lists: complete, newest first, in pages within bounds; entries equal the answers to queries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

from kling_contracts.checks.histories import is_consistent
from kling_contracts.checks.refusals import NO_SERVER_ERROR, error_check, expect_refusal
from kling_contracts.gateways import PAGING, Gateway, RefusalReason
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.lost_requests import lost_creates
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.session import Session
from kling_contracts.vocabulary import ASSUMED, DEFAULT_PAGE_SIZE, KLING_PAGE, PAGE_SIZE_MAXIMUM, SAFETY

# The largest page; a longer list is not read completely.
PAGE_SIZE: Final = PAGE_SIZE_MAXIMUM.value
# Page sizes that divide the number of tasks and that do not, and the most pages of a size that are read.
_SIZES: Final = (2, 3, PAGE_SIZE)
_MOST_PAGES: Final = 12


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (*_bound_checks(gateway), *_list_checks(gateway))


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (*_bound_steps(gateway), *_list_steps(gateway))


def _list_checks(gateway: Gateway) -> tuple[Check, ...]:
    if not gateway.lists:
        return ()
    return (
        Check(
            id="lists.newest_first",
            sentence="a list begins with the newest task",
            source=ASSUMED,
            judge=_judge_order,
        ),
        Check(
            id="lists.pages",
            sentence="the pages of any size, concatenated, are the whole list",
            source=KLING_PAGE,
            judge=_judge_pages,
        ),
        Check(
            id="lists.complete",
            sentence="a list contains every created task",
            source=KLING_PAGE,
            judge=_judge_complete,
        ),
        Check(
            id="lists.one_task",
            sentence="a create makes exactly one task",
            source=SAFETY,
            judge=_judge_one,
        ),
        Check(
            id="lists.entry_is_query",
            sentence="an entry of a list equals the answer to a query for that task",
            source=KLING_PAGE,
            judge=_judge_entries,
        ),
    )


def _list_steps(gateway: Gateway) -> tuple[Step, ...]:
    if not gateway.lists:
        return ()
    return (
        Step(
            name="lists: while tasks run",
            stage=Stage.RUNNING,
            description="the list while tasks are running",
            run=list_whole(ProbeKind.LIST_WHILE_RUNNING),
            requests=1,
            checks=("lists.complete", "responses.*"),
        ),
        Step(
            name="lists: pages",
            stage=Stage.ENDED,
            description="the whole list in pages of several sizes, and a query for each entry",
            run=_send_pages,
            requests=2 * _MOST_PAGES + 20,
            checks=("lists.*", "responses.*"),
        ),
    )


def list_whole(kind: ProbeKind) -> Callable[[Session], None]:
    """A step that requests the first page of the largest size."""

    def run(session: Session) -> None:
        session.send(Probe(kind, "list"), "GET", page_path(session, 1, PAGE_SIZE))

    return run


def page_path(session: Session, number: int, size: int) -> str:
    """Path and query of a page of the list; the first page is number 1."""
    return f"{session.create_path}?pageNum={number}&pageSize={size}"


def _send_pages(session: Session) -> None:
    for size in _SIZES:
        for number in range(1, _MOST_PAGES + 1):
            target = page_path(session, number, size)
            if not session.send(Probe(ProbeKind.PAGES, "list", f"{size}"), "GET", target).listed:
                break
    session.send(Probe(ProbeKind.LIST_WITHOUT_PAGE, "list"), "GET", session.create_path)
    whole = session.send(Probe(ProbeKind.LIST, "list"), "GET", page_path(session, 1, PAGE_SIZE))
    if len(whole.listed) < PAGE_SIZE:
        session.send(Probe(ProbeKind.PAGE_BEYOND, "list"), "GET", page_path(session, 2, PAGE_SIZE))
    mine = {history.id for history in session.evidence.histories()}
    for task in whole.listed:
        if task.task_id in mine:
            session.query(ProbeKind.LISTED, task.task_id)


def _judge_order(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.LIST):
        created = [task.created_at or 0 for task in exchange.listed]
        if len(set(created)) > 1:
            context.expect(
                created == sorted(created, reverse=True),
                "the list does not begin with the newest task",
                expected="descending created_at",
                actual=", ".join(map(str, created[:6])),
                shown=(exchange,),
            )


def _judge_pages(evidence: Evidence, context: CheckContext) -> None:
    whole = next(evidence.of(ProbeKind.LIST), None)
    if whole is None or len(whole.listed) < 2:
        return
    ids = [task.task_id for task in whole.listed]
    for size in _SIZES:
        pages = [each for each in evidence.of(ProbeKind.PAGES) if each.probe.tag == str(size)]
        joined = [task.task_id for page in pages for task in page.listed]
        # A long list is compared only up to the last page that was requested.
        fits = all(len(page.listed) <= size for page in pages)
        context.expect(
            fits and joined == ids[: len(joined)] and len(joined) >= min(len(ids), size * _MOST_PAGES),
            f"the pages of size {size} are not the whole list",
            expected=f"{len(ids)} tasks in {-(-len(ids) // size)} pages",
            actual=" + ".join(str(len(page.listed)) for page in pages) or "none",
            shown=(whole, *pages[:3]),
        )

    usual = DEFAULT_PAGE_SIZE.value
    for exchange in evidence.of(ProbeKind.LIST_WITHOUT_PAGE):
        context.expect(
            [task.task_id for task in exchange.listed] == ids[:usual],
            "the list without pageNum and pageSize is not the first page of the default size",
            expected=f"{min(len(ids), usual)} tasks",
            actual=f"{len(exchange.listed)} tasks",
            shown=(whole, exchange),
        )


def _judge_complete(evidence: Evidence, context: CheckContext) -> None:
    for exchange in (*evidence.of(ProbeKind.LIST_WHILE_RUNNING), *evidence.of(ProbeKind.LIST)):
        if not exchange.is_list or len(exchange.listed) >= PAGE_SIZE:
            continue
        listed = {task.task_id for task in exchange.listed}
        for history in evidence.histories():
            if history.created.credential == "first" and history.created.number < exchange.number:
                context.expect(
                    history.id in listed,
                    "a created task is missing from the list",
                    expected=history.id,
                    actual=f"{len(listed)} other tasks",
                    shown=(history.created, exchange),
                )


def _judge_one(evidence: Evidence, context: CheckContext) -> None:
    """Compare the list at the end with the tasks of the run; `invalid_requests.no_task` has the refusals."""
    before, whole = next(evidence.of(ProbeKind.LIST_BEFORE), None), next(evidence.of(ProbeKind.LIST), None)
    created = [each.created for each in evidence.histories() if each.created.credential == "first"]
    if before is None or whole is None or not created or len(whole.listed) >= PAGE_SIZE:
        return
    if not (before.is_list and whole.is_list):
        return
    known = {history.id for history in evidence.histories()}
    for exchange in (before, *evidence.of(ProbeKind.LIST_AFTER)):
        known |= {task.task_id for task in exchange.listed}
    new = [task.task_id for task in whole.listed if task.task_id not in known]
    unknown = [each for each in lost_creates(evidence) if each.number < whole.number]
    context.expect(
        len(new) <= len(unknown),
        f"{len(created)} creates made {len(created) + len(new)} tasks",
        expected=f"{len(created)} tasks",
        actual=f"also {', '.join(new[:3])}",
        shown=(before, created[-1], whole),
    )


def _judge_entries(evidence: Evidence, context: CheckContext) -> None:
    whole = next(evidence.of(ProbeKind.LIST), None)
    if whole is None:
        return
    entries = {task.task_id: task for task in whole.listed}
    # Tasks whose end was observed before the list was requested.
    ended = {
        history.id
        for history in evidence.histories()
        if history.end and history.end.shown.number < whole.number
    }
    steady = {history.id for history in evidence.histories() if is_consistent(history)}
    for exchange in evidence.of(ProbeKind.LISTED):
        task, entry = exchange.task, entries.get(exchange.probe.about)
        if task is None or entry is None or entry.task_id not in steady or task.task_id != entry.task_id:
            continue
        if entry.task_id not in ended and not getattr(entry.task_status, "terminal", False):
            continue
        context.expect(
            entry == task,
            "an entry of the list differs from the answer to a query",
            expected=exchange.shown,
            actual=json.dumps(entry.to_wire())[:160],
            shown=(whole, exchange),
        )


def _bound_checks(gateway: Gateway) -> tuple[Check, ...]:
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
            unless=(NO_SERVER_ERROR,),
        ),
        error_check(
            "errors.paging",
            "a page out of bounds is refused with the expected error",
            gateway,
            [RefusalReason.INVALID],
            lambda evidence: (each for each in evidence.of(ProbeKind.BAD_PAGE) if each.status >= 400),
        ),
    )


def _bound_steps(gateway: Gateway) -> tuple[Step, ...]:
    if not gateway.lists:
        return ()
    return (
        Step(
            name="lists: bounds",
            stage=Stage.READING,
            description="pages at the bounds and beyond them",
            run=_send_bounds,
            requests=len(list(_good())) + len(list(_bad())),
            checks=("lists.accepts_bounds", "lists.refuses_beyond", "errors.paging", "responses.*"),
        ),
    )


def _good() -> Iterator[str]:
    for parameter in PAGING:
        for value in (parameter.minimum.value, parameter.maximum.value):
            yield f"{parameter.name}={value}"
    yield ""


def _bad() -> Iterator[str]:
    for parameter in PAGING:
        low, high = parameter.minimum.value, parameter.maximum.value
        for value in (low - 1, -1, high + 1, "x", "1.5", "1e1", "%EF%BC%91"):
            yield f"{parameter.name}={value}"


def _send_bounds(session: Session) -> None:
    for kind, queries in ((ProbeKind.PAGE_BOUND, _good()), (ProbeKind.BAD_PAGE, _bad())):
        for query in queries:
            target = f"{session.create_path}?{query}" if query else session.create_path
            session.send(Probe(kind, "list", query), "GET", target)


def _judge_bounds(evidence: Evidence, context: CheckContext) -> None:
    for exchange in (
        *evidence.of(ProbeKind.PAGE_BOUND),
        *evidence.of(ProbeKind.LIST),
        *evidence.of(ProbeKind.PAGE_BEYOND),
    ):
        context.expect(
            exchange.is_list,
            f"a page within the bounds was not answered with a list ({exchange.probe})",
            expected="200 and an array in data",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_refused(evidence: Evidence, context: CheckContext) -> None:
    if not any(exchange.is_list for exchange in evidence.of(ProbeKind.PAGE_BOUND)):
        return  # every list is refused
    for exchange in evidence.of(ProbeKind.BAD_PAGE):
        expect_refusal(context, exchange, f"a page out of bounds was not refused: {exchange.probe.tag}")
