"""A decision: the reply to a request, its journal entry and the records to write; decisions that refuse."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from kling_contracts.gateways import RefusalReason
from kling_contracts.vocabulary import SUCCESS_MESSAGE, TaskStatus
from kling_contracts.wire_objects import success_object
from kling_mock.commands import Create, Query, Refused, refused
from kling_mock.http import Reply, json_reply, refusal_reply
from kling_mock.limits import Shortage
from kling_mock.records import Record
from kling_mock.reply_faults import ReplyFault
from kling_mock.stores import Expect
from kling_mock.task_request import TaskRequest


class AuditInfo(Struct, frozen=True):
    """The parts of a journal entry that depend on the decision."""

    account: str | None = None
    request: TaskRequest | None = None
    task_id: str | None = None
    shown: str | None = None
    rule: str | None = None
    script: int | None = None
    notes: tuple[str, ...] = ()
    message: str | None = None
    actual: TaskStatus | None = None
    faults: tuple[str, ...] = ()


class Decision(Struct, frozen=True):
    """A reply, the records to write with their preconditions, and its part of the journal entry.

    `reply_faults` change the reply after its picture was drawn. `at` is the instant of the reply in Unix
    seconds if the request moves the clock; None: that of the snapshot.
    """

    reply: Reply
    audit: AuditInfo
    expect: tuple[Expect, ...] = ()
    records: tuple[Record, ...] = ()
    reply_faults: tuple[ReplyFault, ...] = ()
    at: float | None = None


def refuse(command: Refused, request_id: str) -> Decision:
    """The decision that refuses a request."""
    values = dict(command.values)
    reply = refusal_reply(
        command.refusal,
        command.refusal.body(request_id, **values),
        rule=command.rule,
        source=command.source,
        relax=command.relax,
    )
    if command.allow is not None:
        reply = replace(reply, headers=(*reply.headers, ("allow", command.allow)))
    message = command.refusal.text(**values)
    audit = AuditInfo(
        command.account, command.request, None, None, command.rule, None, command.notes, message
    )
    return Decision(reply, audit)


def refuse_for(
    command: Create | Query,
    reason: RefusalReason,
    request_id: str,
    *,
    relax: str | None = None,
    **values: object,
) -> Decision:
    """The decision that refuses a request for a reason; `relax` is the setting that would allow it."""
    found = refused(command.gateway, reason, command.account, tuple(values.items()), relax=relax)
    if isinstance(command, Create):
        found = replace(found, notes=command.notes, request=command.request)
    return refuse(found, request_id)


def refuse_short(command: Create | Query, shortage: Shortage, request_id: str) -> Decision:
    """The decision that refuses a request beyond a limit."""
    decision = refuse_for(command, shortage.reason, request_id, relax=shortage.setting)
    if not shortage.headers:
        return decision
    reply = decision.reply
    return replace(decision, reply=replace(reply, headers=(*reply.headers, *shortage.headers)))


def success(data: object, request_id: str, word: str = SUCCESS_MESSAGE.value) -> Reply:
    """The reply to a successful request; `word` is its `message`."""
    return json_reply(200, success_object(data, request_id, word))
