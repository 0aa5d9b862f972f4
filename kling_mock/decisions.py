"""The pure core: from a command and a snapshot of the store to a reply and the records to commit."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from kling_contracts.gateways import RefusalReason
from kling_contracts.messages import success_object
from kling_contracts.rules import shorten
from kling_contracts.vocabulary import ASSUMED, SUCCESS_MESSAGE, TaskStatus
from kling_mock import __version__
from kling_mock.auth import Token
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
from kling_mock.http import Reply, json_reply, refusal_reply, rule_header
from kling_mock.images.urls import RESULT_ORIGIN, picture_info, result_path
from kling_mock.limits import Shortage, packs_of, reserve
from kling_mock.outcomes import CreateEffects
from kling_mock.plan import Pace, Plan, Transition
from kling_mock.records import (
    NewTask,
    PollRecord,
    Record,
    RuleUse,
    TaskRecord,
    TaskRequest,
    TaskState,
    TokenRecord,
)
from kling_mock.render import milliseconds, task_message
from kling_mock.rng import draw_bits
from kling_mock.settings import Settings
from kling_mock.stores import (
    SCRIPTS,
    AccountKey,
    Expect,
    ExternalKey,
    RuleKey,
    Snapshot,
    TaskKey,
    TokenKey,
)


class AuditInfo(Struct, frozen=True):
    """The parts of a journal entry that depend on the decision."""

    account: str | None = None
    request: TaskRequest | None = None
    task_id: str | None = None
    shown: TaskStatus | None = None
    rule: str | None = None
    script: int | None = None
    notes: tuple[str, ...] = ()
    message: str | None = None


class Decision(Struct, frozen=True):
    """A reply, the records to write with their preconditions, and its part of the journal entry."""

    reply: Reply
    audit: AuditInfo
    expect: tuple[Expect, ...] = ()
    records: tuple[Record, ...] = ()


def decide(
    snapshot: Snapshot, asked: tuple[Command, Token | None], settings: Settings, request_id: str, again: int
) -> Decision:
    """The decision for a command and the token of its request, if any.

    `again` is the number of earlier decisions for this request whose commit failed. A token is validated
    against system time when it is first seen, because its issuer uses system time; from then on it expires by
    the fake's clock.
    """
    command, token = asked
    if token is None:
        return _decide(snapshot, command, settings, request_id, again)
    known = snapshot[TokenKey(token.digest)]
    expires = snapshot.now + token.left if known is None else known
    if known is None and token.early:
        return _refuse_token(token, RefusalReason.EARLY_TOKEN, request_id)
    if snapshot.now >= expires:
        return _refuse_token(token, RefusalReason.EXPIRED_TOKEN, request_id)
    decision = _decide(snapshot, command, settings, request_id, again)
    if known is not None:
        return decision
    return replace(decision, records=(TokenRecord(token.digest, expires), *decision.records))


def _refuse_token(token: Token, reason: RefusalReason, request_id: str) -> Decision:
    refusal = token.gateway.refusals[reason]
    return _refuse(Refused(refusal, reason.value, refusal.source, None), request_id)


def _decide(
    snapshot: Snapshot, command: Command, settings: Settings, request_id: str, again: int
) -> Decision:
    match command:
        case Create():
            return _create(snapshot, command, settings, request_id, again)
        case Query():
            return _query(snapshot, command, settings, request_id)
        case List():
            return _list(snapshot, command, settings, request_id)
        case ShowCosts():
            return _costs(snapshot, command, settings, request_id)
        case FetchPicture():
            return _fetch(snapshot, command, settings)
        case CheckHealth():
            reply = json_reply(200, {"status": "ok", "server": "kling-mock", "version": __version__})
            return Decision(reply, AuditInfo())
        case Refused():
            return _refuse(command, request_id)


def _refuse(refused: Refused, request_id: str) -> Decision:
    values = dict(refused.values)
    reply = refusal_reply(
        refused.refusal,
        refused.refusal.body(request_id, **values),
        rule=refused.rule,
        source=refused.source,
        relax=refused.relax,
    )
    if refused.allow is not None:
        reply = replace(reply, headers=(*reply.headers, ("allow", refused.allow)))
    message = refused.refusal.text(**values)
    return Decision(
        reply, AuditInfo(refused.account, rule=refused.rule, notes=refused.notes, message=message)
    )


def _refuse_for(
    command: Create | Query,
    reason: RefusalReason,
    request_id: str,
    *,
    relax: str | None = None,
    **values: object,
) -> Decision:
    refusal = command.gateway.refusals[reason]
    notes = command.notes if isinstance(command, Create) else ()
    refused = Refused(
        refusal, reason.value, refusal.source, relax, command.account, tuple(values.items()), None, notes
    )
    return _refuse(refused, request_id)


def _refuse_short(command: Create | Query, shortage: Shortage, request_id: str) -> Decision:
    decision = _refuse_for(command, shortage.reason, request_id, relax=shortage.setting)
    if not shortage.headers:
        return decision
    reply = decision.reply
    return replace(decision, reply=replace(reply, headers=(*reply.headers, *shortage.headers)))


# -- create


def _create(snapshot: Snapshot, command: Create, settings: Settings, request_id: str, again: int) -> Decision:
    asked, account = command.request, command.account
    external_id = asked.external_task_id
    if external_id and snapshot[ExternalKey(account, external_id)] is not None:
        return _refuse_for(command, RefusalReason.DUPLICATE_ID, request_id, id=external_id)
    reserved = reserve(snapshot, command, settings)
    if isinstance(reserved, Shortage):
        return _refuse_short(command, reserved, request_id)
    scripts = snapshot[SCRIPTS]
    match = scripts.match(account, asked)
    script = None if match is None else match.rule.id
    expect: tuple[Expect, ...] = (Expect(SCRIPTS, scripts.version),)
    used: tuple[Record, ...] = ()
    effects = CreateEffects(command.failure, settings.pace)
    if match is not None:
        expect = (*expect, Expect(RuleKey(match.rule.id), match.used))
        used = (RuleUse(match.rule.id),)
        for outcome in match.rule.outcomes:
            effects = outcome.apply(effects)
    if effects.refusal is not None:
        source = effects.refusal.source
        refused = Refused(effects.refusal, "script.refuses", source, None, account, (), None, command.notes)
        decision = _refuse(refused, request_id)
        return Decision(decision.reply, replace(decision.audit, request=asked, script=script), expect, used)
    record, plan = _new_task(snapshot, command, settings, effects, again)
    state = Transition(TaskStatus.SUBMITTED, snapshot.now)
    ended = command.operation.synchronous
    if ended:
        state = plan.state(record.created, (), snapshot.now)
    message = task_message(record, plan, state, settings.seed, with_result=ended)
    audit = AuditInfo(account, asked, record.id, state.status, None, script, command.notes)
    # The number of creates also guards concurrency and balance, since only creates consume those.
    own = (Expect(AccountKey(account), record.number - 1), Expect(TaskKey(record.id), None))
    expect = (*own, *reserved.expect, *expect)
    if external_id:
        expect = (*expect, Expect(ExternalKey(account, external_id), None))
    reply = _success(message, request_id, record.word)
    return Decision(reply, audit, expect, (NewTask(record, plan), *reserved.records, *used))


def _new_task(
    snapshot: Snapshot, command: Create, settings: Settings, effects: CreateEffects, again: int
) -> tuple[TaskRecord, Plan]:
    account, operation, now = command.account, command.operation, snapshot.now
    number = snapshot[AccountKey(account)].created + 1
    record = TaskRecord(
        id=_snowflake(command, settings.seed, number, now, again),
        account=account,
        number=number,
        operation=operation.name,
        request=command.request,
        created=now,
        origin=command.origin or RESULT_ORIGIN,
        units=command.units,
        result=operation.result,
        word=operation.success_word.value,
    )
    pace = Pace.instant() if operation.synchronous else effects.pace
    return record, pace.plan(now, effects.failure, seed=settings.seed, what=(account, number))


def _snowflake(command: Create, seed: int, number: int, now: float, again: int) -> str:
    """A task id: milliseconds since the epoch of the id style, then bits drawn from the seed.

    Two accounts may draw the same bits within one millisecond; the commit then fails, and `again` changes
    them.
    """
    ids = command.operation.ids
    # A test may set the clock to an instant before the epoch: an id is a number without a sign all the same.
    high = max(milliseconds(now) - ids.epoch_ms, 0) << ids.low_bits
    low = draw_bits(seed, command.account, number, "id") + again
    return str(high | (low & ((1 << ids.low_bits) - 1)))


# -- query


def _query(snapshot: Snapshot, command: Query, settings: Settings, request_id: str) -> Decision:
    reserved = reserve(snapshot, command, settings)
    if isinstance(reserved, Shortage):
        return _refuse_short(command, reserved, request_id)
    state = _find(snapshot, command)
    if state is None:
        return _refuse_for(command, RefusalReason.UNKNOWN_TASK, request_id, id=shorten(command.id))
    record, plan, now = state.record, state.plan, snapshot.now
    counts = plan.counted and state.polls < plan.ends
    shown = plan.state(record.created, (*state.times, now) if counts else state.times, now)
    message = task_message(record, plan, shown, settings.seed)
    return Decision(
        _success(message, request_id, record.word),
        AuditInfo(command.account, None, record.id, shown.status),
        (Expect(TaskKey(record.id), state.version), *reserved.expect),
        (PollRecord(record.id, now if counts else None), *reserved.records),
    )


def _find(snapshot: Snapshot, command: Query) -> TaskState | None:
    """The task of the account with this id or, where the gateway supports that, with this external id."""
    state = snapshot[TaskKey(command.id)]
    if state is not None and state.record.account == command.account:
        return state
    return snapshot[ExternalKey(command.account, command.id)] if command.gateway.finds_external_ids else None


def _list(snapshot: Snapshot, command: List, settings: Settings, request_id: str) -> Decision:
    now, states = snapshot.now, snapshot[command.keys[0]]
    shown = [task_message(each.record, each.plan, each.at(now), settings.seed) for each in states]
    return Decision(_success(shown, request_id), AuditInfo(command.account))


def _costs(snapshot: Snapshot, command: ShowCosts, settings: Settings, request_id: str) -> Decision:
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
    return Decision(_success(data, request_id), AuditInfo(command.account))


def _success(data: object, request_id: str, word: str = SUCCESS_MESSAGE.value) -> Reply:
    return json_reply(200, success_object(data, request_id, word))


# -- results


def _fetch(snapshot: Snapshot, command: FetchPicture, settings: Settings) -> Decision:
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
    return Decision(Reply(200, (), b"", info), AuditInfo(task_id=record.id))


def _no_result(why: str, relax: str | None = None, status: int = 404) -> Decision:
    rule = rule_header("result.url", ASSUMED, relax)
    headers = (("content-type", "text/plain; charset=utf-8"), (rule[0], f"{rule[1]}; {why}"))
    body = b"404 page not found\n" if status == 404 else f"{why}\n".encode()
    return Decision(Reply(status, headers, body), AuditInfo(rule="result.url", message=why))
