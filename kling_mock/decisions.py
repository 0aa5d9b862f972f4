"""The pure core: from a command and a snapshot of the store to a reply and the records to commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from kling_contracts.gateways import RefusalReason
from kling_mock import __version__
from kling_mock.auth import Token
from kling_mock.changed_replies import ANSWERS_RULE, reply_instead
from kling_mock.commands import (
    CheckHealth,
    Command,
    Create,
    FetchPicture,
    List,
    Query,
    Refused,
    ShowCosts,
    refused,
)
from kling_mock.decision import AuditInfo, Decision, refuse, refuse_for, refuse_short
from kling_mock.http import JSON_HEADERS, Reply, json_reply
from kling_mock.images.urls import RESULT_ORIGIN
from kling_mock.limits import Reservation, Shortage, reserve
from kling_mock.matching import Match
from kling_mock.outcomes import CreateEffects, Outcome
from kling_mock.plan import SUBMITTED, Pace, Plan, Transition
from kling_mock.queries import answer_costs, answer_download, answer_list, answer_query
from kling_mock.records import NewTask, Record, RuleUse, TaskRecord, TokenRecord
from kling_mock.render import milliseconds, task_body
from kling_mock.reply_faults import ReplyFault
from kling_mock.rng import bits_at
from kling_mock.settings import Settings
from kling_mock.stores import SCRIPTS, AccountKey, Expect, ExternalKey, RuleKey, Snapshot, TaskKey, TokenKey

if TYPE_CHECKING:
    from kling_mock.prompt_triggers import Trigger

# Describes the trigger in the prompt of a create, see `prompt_triggers`.
TRIGGER_HEADER: Final = "x-kling-mock-trigger"
# The fault `early` of callbacks: the reply to a create is late by this time.
EARLY_SECONDS: Final = 0.5
# Ids of 19 digits that exceed a signed 64-bit integer.
LONG_IDS: Final = range(9_300_000_000_000_000_000, 10**19)


def decide(
    snapshot: Snapshot, asked: tuple[Command, Token | None], settings: Settings, request_id: str, again: int
) -> Decision:
    """The decision for a command and the token of its request, if any.

    `again` is the number of earlier decisions for this request whose commit failed. A token is validated
    against system time when it is first seen, because its issuer uses system time; from then on it expires by
    the fake's clock.
    """
    command, token = asked
    if token is not None:
        return _decide_for_token(snapshot, (command, token), settings, request_id, again)
    if type(command) is Query:  # the most frequent, and faster than a pattern
        return answer_query(snapshot, command, settings, request_id)
    match command:
        case Create():
            return _create(snapshot, command, settings, request_id, again)
        case List():
            return answer_list(snapshot, command, settings, request_id)
        case ShowCosts():
            return answer_costs(snapshot, command, settings, request_id)
        case FetchPicture():
            return answer_download(snapshot, command, settings)
        case CheckHealth():
            reply = json_reply(200, {"status": "ok", "server": "kling-mock", "version": __version__})
            return Decision(reply, AuditInfo())
        case Refused():
            return refuse(command, request_id)


def _decide_for_token(
    snapshot: Snapshot, asked: tuple[Command, Token], settings: Settings, request_id: str, again: int
) -> Decision:
    command, token = asked
    known = snapshot[TokenKey(token.digest)]
    expires = snapshot.now + token.left if known is None else known
    if known is None and token.early:
        return _refuse_token(token, RefusalReason.EARLY_TOKEN, request_id)
    if snapshot.now >= expires:
        return _refuse_token(token, RefusalReason.EXPIRED_TOKEN, request_id)
    decision = decide(snapshot, (command, None), settings, request_id, again)
    if known is not None:
        return decision
    return replace(decision, records=(TokenRecord(token.digest, expires), *decision.records))


def _refuse_token(token: Token, reason: RefusalReason, request_id: str) -> Decision:
    return refuse(refused(token.gateway, reason), request_id)


# -- create


def _create(snapshot: Snapshot, command: Create, settings: Settings, request_id: str, again: int) -> Decision:
    asked, account = command.request, command.account
    scripts = snapshot[SCRIPTS]
    expect: tuple[Expect, ...] = (Expect(SCRIPTS, scripts.version),)
    external_id = asked.external_task_id
    if external_id:
        key = ExternalKey(account, external_id)
        if snapshot[key] is not None:
            return refuse_for(command, RefusalReason.DUPLICATE_ID, request_id, id=external_id)
        expect = (*expect, Expect(key, None))
    reserved = reserve(snapshot, command, settings)
    if isinstance(reserved, Shortage):
        return refuse_short(command, reserved, request_id)
    match = scripts.match(account, asked, snapshot.now, settings.seed, request_id)
    trigger = None
    if settings.prompt_triggers and "[mock" in asked.prompt:
        trigger = _trigger(asked.prompt, match)
    checked = expect, reserved, match
    if trigger is None:
        return _accept(snapshot, command, settings, request_id, again, checked)
    noted = replace(command, notes=(trigger.note, *command.notes))
    decision = _accept(snapshot, noted, settings, request_id, again, checked, trigger.outcomes)
    headers = (*decision.reply.headers, (TRIGGER_HEADER, trigger.note))
    return replace(decision, reply=replace(decision.reply, headers=headers))


def _trigger(prompt: str, match: Match | None) -> Trigger | None:
    """The trigger in a prompt, if it has one. A script takes precedence over it."""
    from kling_mock.prompt_triggers import ignored, read_trigger

    trigger = read_trigger(prompt)
    if trigger is None or match is None:
        return trigger
    return ignored(f"script #{match.rule.id} applies to the request")


def _accept(  # noqa: PLR0913, PLR0917 -- `_create`, with its intermediate results
    snapshot: Snapshot,
    command: Create,
    settings: Settings,
    request_id: str,
    again: int,
    checked: tuple[tuple[Expect, ...], Reservation, Match | None],
    outcomes: tuple[Outcome, ...] = (),
) -> Decision:
    """The decision for a create that the checks have accepted, with the outcomes of its script.

    `checked`: the preconditions of the checks, the reservation of limits, and the script that applies.
    """
    expect, reserved, match = checked
    asked, account = command.request, command.account
    script: int | None = None
    used: tuple[Record, ...] = ()
    effects = CreateEffects(command.failure, settings.pace)
    if match is not None:
        script = match.rule.id
        expect = (*expect, Expect(RuleKey(script), match.used))
        used = (RuleUse(script),)
        outcomes = match.rule.outcomes
    for outcome in outcomes:
        effects = outcome.apply(effects)
    if effects.faults:
        effects = replace(effects, faults=tuple([replace(each, script=script) for each in effects.faults]))
    faults = effects.reply_faults
    names = tuple([fault.kind for fault in faults]) if faults else ()
    if effects.refusal is not None:
        source = effects.refusal.source
        scripted = Refused(effects.refusal, "script.refuses", source, None, account, (), None, command.notes)
        decision = refuse(scripted, request_id)
        audit = replace(decision.audit, request=asked, script=script, faults=names)
        return Decision(decision.reply, audit, expect, used, faults)
    if faults and any(fault.instead for fault in faults):
        reply = reply_instead(faults, request_id)
        rule = ANSWERS_RULE if reply.status >= 400 else None
        audit = AuditInfo(account, asked, None, None, rule, script, command.notes, faults=names)
        return Decision(reply, audit, expect, used, faults)
    record, plan = _new_task(snapshot, command, settings, effects, again)
    state = Transition(SUBMITTED, snapshot.now)
    ended = command.operation.synchronous
    if ended:
        state = plan.state(record.created, (), snapshot.now)
    body = task_body(record, plan, state, settings.seed, request_id, with_result=ended)
    audit = AuditInfo(account, asked, record.id, state.status, None, script, command.notes, faults=names)
    # The number of creates also guards concurrency and balance, since only creates consume those.
    own = (Expect(AccountKey(account), record.number - 1), Expect(TaskKey(record.id), None))
    expect = (*own, *reserved.expect, *expect)
    records = (NewTask(record, plan), *reserved.records, *used)
    if settings.callback_faults and not faults:
        faults = _early_callback(record, settings)
    return Decision(Reply(200, JSON_HEADERS, body), audit, expect, records, faults)


def _early_callback(record: TaskRecord, settings: Settings) -> tuple[ReplyFault, ...]:
    """The fault of a reply with which the first callback arrives before it, if it is to."""
    early = "early" in settings.callback_faults and record.request.callback_url
    return (ReplyFault("delays", EARLY_SECONDS),) if early else ()


def _new_task(
    snapshot: Snapshot, command: Create, settings: Settings, effects: CreateEffects, again: int
) -> tuple[TaskRecord, Plan]:
    account, operation, now = command.account, command.operation, snapshot.now
    number = snapshot[AccountKey(account)].created + 1
    task_id = _new_id(command, settings.seed, number, now, again)
    record = TaskRecord(
        id=str(LONG_IDS[task_id % len(LONG_IDS)] if effects.long_id else task_id),
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
    plan = pace.plan(now, effects.failure, seed=settings.seed, what=(account, number))
    return record, replace(plan, faults=effects.faults) if effects.faults else plan


def _new_id(command: Create, seed: int, number: int, now: float, again: int) -> int:
    """A task id: milliseconds since the epoch of the id style, then bits drawn from the seed.

    Two accounts may draw the same bits within one millisecond; the commit then fails, and `again` changes
    them.
    """
    ids = command.operation.ids
    # A test may set the clock to an instant before the epoch: an id is a number without a sign all the same.
    high = max(milliseconds(now) - ids.epoch_ms, 0) << ids.low_bits
    low = bits_at(seed, number, command.account, "id") + again
    return high | (low & ((1 << ids.low_bits) - 1))
