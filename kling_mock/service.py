"""The decisions: `decide(view, command, now) -> (reply, change)`. Pure; nothing is written here.

A decision reads the view and says what the answer is and which records make it true. If the store
cannot write them because something it relied on has changed, the core asks again.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from contracts.gateways import Refusal, Situation
from contracts.messages import success_object
from contracts.rules import shorten
from contracts.vocabulary import ASSUMED, SUCCESS_MESSAGE, TaskStatus
from kling_mock import __version__
from kling_mock.accounts import Token
from kling_mock.chance import draw_bits
from kling_mock.commands import (
    CheckHealth,
    Command,
    Create,
    FetchPicture,
    List,
    Query,
    Refused,
    ShowCosts,
)
from kling_mock.messages import milliseconds, task_message
from kling_mock.pictures import RESULT_ORIGIN, result_path, sheet_of
from kling_mock.plan import Pace, Plan, Transition
from kling_mock.records import (
    Change,
    PlanRecord,
    PollRecord,
    RuleRecord,
    RuleUse,
    TaskRecord,
    TaskRequest,
    TokenRecord,
)
from kling_mock.replies import Reply, json_reply, refusal_reply, rule_header
from kling_mock.scenario import matching_rule
from kling_mock.settings import Settings
from kling_mock.stores import View


class Told(Struct, frozen=True):
    """What the journal says of an answer beside its status."""

    account: str | None = None
    request: TaskRequest | None = None
    task_id: str | None = None
    shown: TaskStatus | None = None
    rule: str | None = None
    script: int | None = None
    notes: tuple[str, ...] = ()


class Decision(Struct, frozen=True):
    """An answer, the records that make it true, and what the journal tells of it."""

    reply: Reply
    change: Change
    told: Told


def decide(
    view: View, asked: tuple[Command, Token | None], settings: Settings, now: float, request_id: str
) -> Decision:
    """The answer at `now` to a command that came with a token or without one.

    A token is judged against system time when it is first seen, since it was made by somebody else's
    clock; from then on its remaining life runs on this one.
    """
    command, token = asked
    if token is None:
        return _decide(view, command, settings, now, request_id)
    known = view.token(token.digest)
    expires = now + token.left if known is None else known
    if known is None and token.early:
        return _refuse_token(token, Situation.EARLY_TOKEN, request_id)
    if now >= expires:
        return _refuse_token(token, Situation.EXPIRED_TOKEN, request_id)
    decision = _decide(view, command, settings, now, request_id)
    seen: Change = () if known is not None else (TokenRecord(token.digest, expires),)
    return replace(decision, change=(*seen, *decision.change))


def _refuse_token(token: Token, situation: Situation, request_id: str) -> Decision:
    refusal = token.gateway.refusals[situation]
    return _refuse(Refused(refusal, situation.value, refusal.source, None), request_id)


def _decide(view: View, command: Command, settings: Settings, now: float, request_id: str) -> Decision:
    match command:
        case Create():
            return _create(view, command, settings, now, request_id)
        case Query():
            return _query(view, command, settings, now, request_id)
        case List():
            return _list(view, command, settings, now, request_id)
        case ShowCosts():
            return _costs(view, command, settings, now, request_id)
        case FetchPicture():
            return _fetch(view, command, settings, now)
        case CheckHealth():
            reply = json_reply(200, {"status": "ok", "server": "kling-mock", "version": __version__})
            return Decision(reply, (), Told())
        case Refused():
            return _refuse(command, request_id)


def _refuse(refused: Refused, request_id: str) -> Decision:
    reply = refusal_reply(
        refused.refusal,
        refused.refusal.body(request_id, **dict(refused.values)),
        rule=refused.rule,
        source=refused.source,
        relax=refused.relax,
    )
    if refused.allow is not None:
        reply = replace(reply, headers=(*reply.headers, ("allow", refused.allow)))
    return Decision(reply, (), Told(refused.account, rule=refused.rule, notes=refused.notes))


def _refuse_for(
    command: Create | Query,
    situation: Situation,
    request_id: str,
    *,
    relax: str | None = None,
    **values: object,
) -> Decision:
    refusal = command.gateway.refusals[situation]
    notes = command.notes if isinstance(command, Create) else ()
    refused = Refused(
        refusal, situation.value, refusal.source, relax, command.account, tuple(values.items()), None, notes
    )
    return _refuse(refused, request_id)


# -- create


def _create(view: View, command: Create, settings: Settings, now: float, request_id: str) -> Decision:
    asked, account = command.request, command.account
    # Before anything else is read: whoever creates a task in the meantime takes this number.
    number = view.created_count(account) + 1
    external_id = asked.external_task_id
    if external_id and view.external(account, external_id) is not None:
        return _refuse_for(command, Situation.DUPLICATE_ID, request_id, id=external_id)
    short_of = _shortage(view, command, settings, now)
    if short_of is not None:
        situation, relax = short_of
        return _refuse_for(command, situation, request_id, relax=relax)
    rule = matching_rule(view.rules(), account, asked)
    used: Change = () if rule is None else (RuleUse(rule.id, rule.uses_left),)
    if rule is not None and rule.refusal is not None:
        return _scripted_refusal(command, rule, rule.refusal, used, request_id)
    record, plan = _new_task(view, command, settings, now, number, rule)
    ended = command.operation.synchronous
    state = plan.state(now, (), now) if ended else Transition(TaskStatus.SUBMITTED, now)
    message = task_message(record, plan, state, settings.seed, with_result=ended)
    told = Told(account, asked, record.id, state.status, None, rule.id if rule else None, command.notes)
    change = (record, PlanRecord(record.id, plan, None, 0), *used)
    return Decision(_success(message, request_id, record.word), change, told)


def _shortage(view: View, command: Create, settings: Settings, now: float) -> tuple[Situation, str] | None:
    """What the account has too little of for a further task, with the setting that says how much."""
    if settings.slots is None and settings.balance is None:
        return None
    used = _usage(view, command.account, now)
    if settings.balance is not None and used.units + command.units > settings.balance:
        return Situation.NO_BALANCE, "balance"
    if settings.slots is not None and used.slots + command.request.n > settings.slots:
        return Situation.NO_SLOTS, "slots"
    return None


class _Usage(NamedTuple):
    """The images an account has unfinished, and the units it has spent; failed tasks are free."""

    slots: int
    units: int


def _usage(view: View, account: str, now: float) -> _Usage:
    slots = units = 0
    for record in view.tasks(account):
        status = state_of(view, record, now).status
        slots += 0 if status.terminal else record.request.n
        units += 0 if status is TaskStatus.FAILED else record.units
    return _Usage(slots, units)


def _new_task(  # noqa: PLR0913, PLR0917 -- all that a task is made from
    view: View, command: Create, settings: Settings, now: float, number: int, rule: RuleRecord | None
) -> tuple[TaskRecord, Plan]:
    account = command.account
    record = TaskRecord(
        id=_free_id(view, settings.seed, command, number, now),
        account=account,
        number=number,
        operation=command.operation.name,
        request=command.request,
        created=now,
        origin=command.origin or RESULT_ORIGIN,
        units=command.units,
        result=command.operation.result,
        word=command.operation.success_word.value,
    )
    failure = rule.failure if rule and rule.decides else command.failure
    pace = rule.pace if rule and rule.pace else settings.pace
    if command.operation.synchronous:
        pace = Pace.instant()
    return record, pace.plan(now, failure, seed=settings.seed, what=(account, number))


def _free_id(view: View, seed: int, command: Create, number: int, now: float) -> str:
    """A snowflake: milliseconds since its epoch, then bits that would be worker and sequence."""
    ids = command.operation.ids
    high = (milliseconds(now) - ids.epoch_ms) << ids.low_bits
    low = draw_bits(seed, command.account, number, "id")
    mask = (1 << ids.low_bits) - 1
    # The same low bits within one millisecond are rare; the next ones are as good.
    while view.task(str(high | (low & mask))) is not None:
        low += 1
    return str(high | (low & mask))


def _scripted_refusal(
    command: Create, rule: RuleRecord, refusal: Refusal, used: Change, request_id: str
) -> Decision:
    refused = Refused(
        refusal, "script.refuses", refusal.source, None, command.account, (), None, command.notes
    )
    decision = _refuse(refused, request_id)
    return Decision(decision.reply, used, replace(decision.told, request=command.request, script=rule.id))


# -- query


def state_of(view: View, record: TaskRecord, now: float) -> Transition:
    """The state of a task at `now`."""
    return view.plan(record.id).state(record.created, view.polls(record.id).times, now)


def _query(view: View, command: Query, settings: Settings, now: float, request_id: str) -> Decision:
    record = view.task(command.id)
    if record is None and command.gateway.finds_external_ids:
        record = view.external(command.account, command.id)
    if record is None or record.account != command.account:
        return _refuse_for(command, Situation.UNKNOWN_TASK, request_id, id=shorten(command.id))
    plan, polls = view.plan(record.id), view.polls(record.id)
    # Two threads may read the clock in one order and write in the other: instants never go back.
    at = max(now, polls.times[-1]) if polls.times else now
    number = polls.total + 1
    keep = plan.counted and number <= plan.ends
    times = (*polls.times, at) if keep else polls.times
    state = plan.state(record.created, times, at)
    message = task_message(record, plan, state, settings.seed)
    reply = _success(message, request_id, record.word)
    told = Told(command.account, None, record.id, state.status)
    return Decision(reply, (PollRecord(record.id, number, at, keep, plan),), told)


def _list(view: View, command: List, settings: Settings, now: float, request_id: str) -> Decision:
    mine = [record for record in view.tasks(command.account) if record.operation in command.operations]
    mine.reverse()
    first = (command.page - 1) * command.size
    shown = [
        task_message(record, view.plan(record.id), state_of(view, record, now), settings.seed)
        for record in mine[first : first + command.size]
    ]
    return Decision(_success(shown, request_id), (), Told(command.account))


def _costs(view: View, command: ShowCosts, settings: Settings, now: float, request_id: str) -> Decision:
    """An account with a balance has one resource pack of that size; any other pays as it goes."""
    packs: list[dict[str, object]] = []
    if settings.balance is not None:
        left = max(settings.balance - _usage(view, command.account, now).units, 0)
        packs.append(
            {
                "resource_pack_name": "kling-mock",
                "resource_pack_id": "kling-mock",
                "resource_pack_type": "decreasing_total",
                "total_quantity": settings.balance,
                "remaining_quantity": left,
                "status": "online" if left else "runOut",
            }
        )
    data = {"code": 0, "msg": SUCCESS_MESSAGE.value, "resource_pack_subscribe_infos": packs}
    return Decision(_success(data, request_id), (), Told(command.account))


def _success(data: object, request_id: str, word: str = SUCCESS_MESSAGE.value) -> Reply:
    return json_reply(200, success_object(data, request_id, word))


# -- result pictures


def _fetch(view: View, command: FetchPicture, settings: Settings, now: float) -> Decision:
    record = view.task(command.task_id)
    if record is None or command.number >= record.request.n:
        return _no_picture("there is no such picture (or it has expired)", relax="retention_days")
    status, _ = state_of(view, record, now)
    if status is not TaskStatus.SUCCEED:
        return _no_picture(f"the task is {status}")
    if result_path(record, command.number, settings.seed) != command.path:
        return _no_picture("the URL was altered")
    if not record.result.drawn:
        return _no_picture(f"this fake draws pictures and makes no {record.result}", status=501)
    return Decision(Reply(200, (), b"", sheet_of(record, command.number)), (), Told(task_id=record.id))


def _no_picture(why: str, relax: str | None = None, status: int = 404) -> Decision:
    rule = rule_header("result.url", ASSUMED, relax)
    headers = (("content-type", "text/plain; charset=utf-8"), (rule[0], f"{rule[1]}; {why}"))
    body = b"404 page not found\n" if status == 404 else f"{why}\n".encode()
    return Decision(Reply(status, headers, body), (), Told(rule="result.url"))
