"""Lists: every task, the newest first, page after page, in entries that say what a query says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from kling_contracts.checks.conduct import is_steady
from kling_contracts.gateways import Gateway
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Probe
from kling_contracts.verify.session import Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import ASSUMED, DEFAULT_PAGE_SIZE, KLING_PAGE, PAGE_SIZE_MAXIMUM

WHOLE: Final = "list"
PAGES: Final = "pages"
WHILE: Final = "list while tasks run"
UNASKED: Final = "list without a page"
BEYOND: Final = "page beyond the end"
LISTED: Final = "query"
# So many tasks go on a page: a list that is longer is not seen whole.
MOST: Final = PAGE_SIZE_MAXIMUM.value
# Sizes that do and do not divide the number of tasks; so many pages are asked for at most.
_SIZES: Final = (2, 3, MOST)
_MOST_PAGES: Final = 12


def checks(gateway: Gateway) -> tuple[Check, ...]:
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
            sentence="the pages of any size, one after another, are the whole list",
            source=KLING_PAGE,
            judge=_judge_pages,
        ),
        Check(
            id="lists.complete",
            sentence="a list has every task that was created",
            source=KLING_PAGE,
            judge=_judge_complete,
        ),
        Check(
            id="lists.entry_is_query",
            sentence="an entry of a list is what a query for that task answers",
            source=KLING_PAGE,
            judge=_judge_entries,
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    if not gateway.lists:
        return ()
    return (
        Step(
            name="lists: while tasks run",
            stage=Stage.RUNNING,
            does="the list while tasks are running",
            run=list_whole(WHILE),
            requests=1,
            feeds=("lists.complete", "answers.*"),
        ),
        Step(
            name="lists: pages",
            stage=Stage.ENDED,
            does="the whole list in pages of several sizes, and a query for each entry",
            run=_send_pages,
            requests=2 * _MOST_PAGES + 20,
            feeds=("lists.*", "answers.*"),
        ),
    )


def list_whole(kind: str) -> Callable[[Session], None]:
    """Asks for the list, or as much of it as goes on a page."""

    def run(session: Session) -> None:
        session.send(Probe(kind, "list"), "GET", page_path(session, 1, MOST))

    return run


def page_path(session: Session, number: int, size: int) -> str:
    """Where a page of the list is asked for, the first being number 1."""
    return f"{session.create_path}?pageNum={number}&pageSize={size}"


def _send_pages(session: Session) -> None:
    for size in _SIZES:
        for number in range(1, _MOST_PAGES + 1):
            target = page_path(session, number, size)
            if not session.send(Probe(PAGES, "list", f"{size}"), "GET", target).listed:
                break
    session.send(Probe(UNASKED, "list"), "GET", session.create_path)
    whole = session.send(Probe(WHOLE, "list"), "GET", page_path(session, 1, MOST))
    if len(whole.listed) < MOST:
        session.send(Probe(BEYOND, "list"), "GET", page_path(session, 2, MOST))
    mine = {trace.id for trace in session.evidence.traces()}
    for task in whole.listed:
        if task.task_id in mine:
            session.query(LISTED, task.task_id)


def _judge_order(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.of(WHOLE):
        created = [task.created_at or 0 for task in exchange.listed]
        if len(set(created)) > 1:
            hearing.expect(
                created == sorted(created, reverse=True),
                "the list does not begin with the newest task",
                expected="created_at falls",
                actual=", ".join(map(str, created[:6])),
                shown=(exchange,),
            )


def _judge_pages(evidence: Evidence, hearing: Hearing) -> None:
    whole = next(evidence.of(WHOLE), None)
    if whole is None or len(whole.listed) < 2:
        return
    ids = [task.task_id for task in whole.listed]
    for size in _SIZES:
        pages = [each for each in evidence.of(PAGES) if each.probe.tag == str(size)]
        joined = [task.task_id for page in pages for task in page.listed]
        # A long list is compared as far as its pages were asked for.
        fits = all(len(page.listed) <= size for page in pages)
        hearing.expect(
            fits and joined == ids[: len(joined)] and len(joined) >= min(len(ids), size * _MOST_PAGES),
            f"the pages of size {size} are not the whole list",
            expected=f"{len(ids)} tasks in {-(-len(ids) // size)} pages",
            actual=" + ".join(str(len(page.listed)) for page in pages) or "none",
            shown=(whole, *pages[:3]),
        )

    usual = DEFAULT_PAGE_SIZE.value
    for exchange in evidence.of(UNASKED):
        hearing.expect(
            [task.task_id for task in exchange.listed] == ids[:usual],
            "the list without a page and a size is not the first page of the usual size",
            expected=f"{min(len(ids), usual)} tasks",
            actual=f"{len(exchange.listed)} tasks",
            shown=(whole, exchange),
        )


def _judge_complete(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in (*evidence.of(WHILE), *evidence.of(WHOLE)):
        if len(exchange.listed) >= MOST:
            continue
        listed = {task.task_id for task in exchange.listed}
        for trace in evidence.traces():
            if trace.created.who == "first" and trace.created.number < exchange.number:
                hearing.expect(
                    trace.id in listed,
                    "a task that was created is not in the list",
                    expected=trace.id,
                    actual=f"{len(listed)} others",
                    shown=(trace.created, exchange),
                )


def _judge_entries(evidence: Evidence, hearing: Hearing) -> None:
    whole = next(evidence.of(WHOLE), None)
    if whole is None:
        return
    entries = {task.task_id: task for task in whole.listed}
    # Tasks whose end was seen before the list was asked for.
    ended = {trace.id for trace in evidence.traces() if trace.end and trace.end.shown.number < whole.number}
    steady = {trace.id for trace in evidence.traces() if is_steady(trace)}
    for exchange in evidence.of(LISTED):
        task, entry = exchange.task, entries.get(exchange.probe.about)
        if task is None or entry is None or entry.task_id not in steady or task.task_id != entry.task_id:
            continue
        if entry.task_id not in ended and not getattr(entry.task_status, "terminal", False):
            continue
        hearing.expect(
            entry == task,
            "an entry of the list is not what a query answers",
            expected=exchange.shown,
            actual=json.dumps(entry.to_wire())[:160],
            shown=(whole, exchange),
        )
