"""Decisions about reading: queries of a task, lists, the costs of an account, downloads of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, cast

from msgspec.structs import replace

from kling_contracts.gateways import RefusalReason
from kling_contracts.rules import shorten
from kling_contracts.vocabulary import ASSUMED, SUCCESS_MESSAGE, TaskStatus
from kling_mock.commands import REDIRECTED, FetchPicture, List, Query, ShowCosts
from kling_mock.decision import AuditInfo, Decision, refuse_for, refuse_short, success
from kling_mock.faults import FaultUse, Moment, change_task, is_shown, see, uses_of
from kling_mock.http import JSON_HEADERS, Reply, json_reply, rule_header
from kling_mock.images.urls import picture_info, result_path
from kling_mock.limits import NOTHING, Reservation, Shortage, packs_of, reserve
from kling_mock.plan import Transition
from kling_mock.records import FaultRecord, PollRecord, TaskState
from kling_mock.render import task_body, task_message
from kling_mock.reply_faults import ReplyFault
from kling_mock.settings import Settings
from kling_mock.stores import AccountKey, Expect, ExternalKey, Snapshot, TaskKey
from kling_mock.time_skip import time_skip


def answer_query(snapshot: Snapshot, command: Query, settings: Settings, request_id: str) -> Decision:
    reserved = NOTHING
    if settings.poll_rate is not None or settings.poll_rate_total is not None:
        found = reserve(snapshot, command, settings)
        if isinstance(found, Shortage):
            return refuse_short(command, found, request_id)
        reserved = found
    state = find_task(snapshot, command)
    if state is None:
        return refuse_for(command, RefusalReason.UNKNOWN_TASK, request_id, id=shorten(command.id))
    skip = None if settings.clock_mode == "run" else time_skip(snapshot, state)
    now = snapshot.now if skip is None else skip.now
    decision = _answer(state, now, command, settings, request_id, reserved)
    if skip is None:
        return decision
    expect, records = (*decision.expect, *skip.expect), (*decision.records, skip.record)
    return replace(decision, expect=expect, records=records, at=skip.now)


def _answer(  # noqa: PLR0913, PLR0917 -- `answer_query`, with its task and its instant
    state: TaskState,
    now: float,
    command: Query,
    settings: Settings,
    request_id: str,
    reserved: Reservation,
) -> Decision:
    record, plan = state.record, state.plan
    counts = plan.counted and state.polls < plan.ends
    shown = plan.state(record.created, (*state.times, now) if counts else state.times, now)
    counts = counts or (bool(settings.callback_faults) and _shows_end(state, shown))
    poll = PollRecord(record.id, now if counts else None)
    if plan.faults:
        return _faulty(state, shown, now, command, settings, request_id, reserved, poll)
    reply = Reply(200, JSON_HEADERS, task_body(record, plan, shown, settings.seed, request_id))
    audit = AuditInfo(command.account, None, record.id, shown.status)
    expected = Expect(TaskKey(record.id), state.version)
    if reserved is NOTHING:
        return Decision(reply, audit, (expected,), (poll,))
    return Decision(reply, audit, (expected, *reserved.expect), (poll, *reserved.records))


def _shows_end(state: TaskState, shown: Transition) -> bool:
    """Whether this is the first query that shows the end: the fault `late` of callbacks waits for it."""
    return shown.status.terminal and (not state.times or state.times[-1] < shown.at)


def _faulty(  # noqa: PLR0913, PLR0917 -- the parts of a query that has been read so far
    state: TaskState,
    actual: Transition,
    now: float,
    command: Query,
    settings: Settings,
    request_id: str,
    reserved: Reservation,
    poll: PollRecord,
) -> Decision:
    """The reply to a query of a task with faults. A query to which the task is unknown is not counted."""
    record, plan = state.record, state.plan
    sight = see(plan.faults, state.fault_uses, Moment(*actual, record.created, now))
    expect = (Expect(TaskKey(record.id), state.version), *reserved.expect)
    uses = FaultRecord(record.id, sight.uses)
    names = tuple([fault.kind for fault in sight.faults])
    if sight.hidden:
        refused = refuse_for(command, RefusalReason.UNKNOWN_TASK, request_id, id=shorten(command.id))
        audit = replace(refused.audit, task_id=record.id, actual=actual.status, faults=names)
        return Decision(refused.reply, audit, expect, (uses, *reserved.records))
    shown = actual
    if sight.status is not actual.status:
        shown = plan.earlier(sight.status, record.created, (*state.times, now), now)
    message = task_message(record, plan, shown, settings.seed)
    change_task(message, sight.faults)
    bare = "changes_shape" in names
    reply = json_reply(200, message) if bare else success(message, request_id, record.word)
    word = cast("str", message["task_status"])
    differs = None if word == actual.status else actual.status
    audit = AuditInfo(command.account, None, record.id, word, actual=differs, faults=names)
    return Decision(reply, audit, expect, (poll, uses, *reserved.records))


def find_task(snapshot: Snapshot, command: Query) -> TaskState | None:
    """The task of the account with this id or, where the gateway supports that, with this external id."""
    state = snapshot[TaskKey(command.id)]
    if state is not None and state.record.account == command.account:
        return state
    return snapshot[ExternalKey(command.account, command.id)] if command.gateway.finds_external_ids else None


def answer_list(snapshot: Snapshot, command: List, settings: Settings, request_id: str) -> Decision:
    now, states = snapshot.now, snapshot[command.keys[0]]
    shown = [task_message(each.record, each.plan, each.at(now), settings.seed) for each in states]
    return Decision(success(shown, request_id), AuditInfo(command.account))


def answer_costs(snapshot: Snapshot, command: ShowCosts, settings: Settings, request_id: str) -> Decision:
    """The resource packs of an account: those of the settings `packs` or `balance`, or none."""
    packs = [
        {
            "resource_pack_name": "kling-mock",
            "resource_pack_id": "kling-mock" if number == 1 else f"kling-mock-{number}",
            "resource_pack_type": "decreasing_total",
            "total_quantity": pack.size,
            "remaining_quantity": pack.left,
            "status": "online" if pack.left else "runOut",
        }
        for number, pack in enumerate(packs_of(settings, snapshot[AccountKey(command.account)].units), 1)
    ]
    data = {"code": 0, "msg": SUCCESS_MESSAGE.value, "resource_pack_subscribe_infos": packs}
    return Decision(success(data, request_id), AuditInfo(command.account))


# -- results


def answer_download(snapshot: Snapshot, command: FetchPicture, settings: Settings) -> Decision:
    state = snapshot[TaskKey(command.task_id)]
    if state is None or command.number >= state.record.request.n:
        return _no_result("the picture does not exist or has expired", relax="retention_days")
    record, status = state.record, state.at(snapshot.now).status
    if status is not TaskStatus.SUCCEED:
        return _no_result(f"the task has no result; its status is {status}")
    marked = command.watermark
    if result_path(record, command.number, settings.seed, watermark=marked) != command.path:
        return _no_result("the URL was altered")
    if not record.result.drawn:
        return _no_result(f"kling-mock draws images only, not {record.result}", status=501)
    if marked and not record.request.watermark:
        return _no_result("the request did not enable watermarks")
    info = picture_info(record, command.number, watermark=marked)
    decision = Decision(Reply(200, (), b"", info), AuditInfo(task_id=record.id))
    return _faulty_download(decision, state, snapshot.now, command) if state.plan.faults else decision


def _faulty_download(decision: Decision, state: TaskState, now: float, command: FetchPicture) -> Decision:
    """The download of a picture of a task with faults. The target of a redirect is right."""
    record, faults = state.record, state.plan.faults
    moment = Moment(*state.at(now), record.created, now)
    uses = uses_of(faults, state.fault_uses)
    found = [at for at, fault in enumerate(faults) if fault.kind == "pictures_are"]
    if not found or command.redirected:
        return decision
    at = found[0]
    possible, before = uses[at]
    shown = is_shown(faults[at], uses[at], moment)
    uses[at] = FaultUse(possible + 1, before + shown)
    audit = replace(decision.audit, faults=("pictures_are",) if shown else ())
    expect, records = (Expect(TaskKey(record.id), state.version),), (FaultRecord(record.id, tuple(uses)),)
    if not shown:
        return replace(decision, expect=expect, records=records)
    how, delay = cast("tuple[str, float]", faults[at].value)
    if how in ("truncated", "slow"):
        fault = ReplyFault("cuts", (None, "close")) if how == "truncated" else ReplyFault("delays", delay)
        return Decision(decision.reply, audit, expect, records, (fault,))
    wrong = _WRONG[how](command)
    audit = replace(audit, rule=wrong.audit.rule, message=wrong.audit.message)
    return Decision(wrong.reply, audit, expect, records)


def _refused_download(_: FetchPicture) -> Decision:
    body = b"<Error><Code>AccessDenied</Code></Error>"
    return Decision(Reply(403, (("content-type", "application/xml"),), body), AuditInfo())


def _expired_download(_: FetchPicture) -> Decision:
    return _no_result("the picture does not exist or has expired", relax="retention_days")


def _redirected_download(command: FetchPicture) -> Decision:
    return Decision(Reply(302, (("location", f"{command.path}?{REDIRECTED}"),), b""), AuditInfo())


def _page_download(_: FetchPicture) -> Decision:
    headers = (("content-type", "text/html; charset=utf-8"),)
    return Decision(Reply(200, headers, b"<!doctype html><p>Please log in</p>"), AuditInfo())


_WRONG: Final[Mapping[str, Callable[[FetchPicture], Decision]]] = MappingProxyType(
    {
        "refused": _refused_download,
        "expired": _expired_download,
        "redirect": _redirected_download,
        "html": _page_download,
    }
)


def _no_result(why: str, relax: str | None = None, status: int = 404) -> Decision:
    rule = rule_header("result.url", ASSUMED, relax)
    headers = (("content-type", "text/plain; charset=utf-8"), (rule[0], f"{rule[1]}; {why}"))
    body = b"404 page not found\n" if status == 404 else f"{why}\n".encode()
    return Decision(Reply(status, headers, body), AuditInfo(rule="result.url", message=why))
