"""Answering a request, as steps: read, decide, commit; again if a precondition of the commit failed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from kling_contracts.gateways import COMETAPI, RefusalReason
from kling_contracts.vocabulary import HTTP_STANDARD
from kling_mock.changed_replies import with_faults
from kling_mock.decision import AuditInfo
from kling_mock.header_facts import HEADER_OVERHEAD, HeaderFacts, header_facts
from kling_mock.http import Headers, Reply, Request, json_reply, picture_reply, rule_header
from kling_mock.images.urls import PictureInfo
from kling_mock.journal_limits import kept_request
from kling_mock.limits import limit_keys
from kling_mock.records import CallRecord
from kling_mock.request_decisions import decide_request
from kling_mock.rng import uuid_at
from kling_mock.routing import parse_request
from kling_mock.settings import Settings
from kling_mock.stores import (
    Change,
    Commit,
    Expect,
    Read,
    Snapshot,
    StateNotKept,
    Steps,
    Ticket,
    TokenKey,
)
from kling_mock.time_skip import skip_keys

REQUESTS = Ticket("requests")
# The journal truncates longer paths and headers, and longer lists of notes.
METHOD_KEPT = 64
PATH_KEPT = 4_096
HEADERS_KEPT = 65_536
NOTES_KEPT = 50
MESSAGE_KEPT = 500

Draw = Callable[[PictureInfo], tuple[bytes, str]]


class Answer(Struct, frozen=True):
    """A reply and its journal entry."""

    reply: Reply
    call: CallRecord


def answer(request: Request, settings: Settings, system: float, draw: Draw) -> Steps[Answer]:
    """The steps that answer a request.

    `system` is system time in Unix seconds; `draw` makes the PNG of a result picture and its entity tag.
    """
    facts = header_facts(request.headers)
    asked = command, token = parse_request(request, facts, settings, system)
    keys = command.keys
    limits = limit_keys(command, settings)
    if limits:
        keys = (*keys, *limits)
    if settings.clock_mode != "run":
        keys = (*keys, *skip_keys(command))
    if token is not None:
        keys = (TokenKey(token.digest), *keys)
    snapshot: Snapshot = yield Read((REQUESTS, *keys))
    request_id = uuid_at(settings.seed, snapshot[REQUESTS], "request")
    for again in count():
        decision = decide_request(snapshot, request, asked, settings, request_id, again)
        reply = decision.reply
        if reply.picture is not None:
            reply = picture_reply(request, *draw(reply.picture))
        if decision.reply_faults:
            reply = with_faults(reply, decision.reply_faults)
        audit = decision.audit
        if reply.delivery is not None:
            audit = replace(audit, notes=(reply.delivery.describe(), *audit.notes))
        now = snapshot.now if decision.at is None else decision.at
        call = _entry(request, facts, reply.status, audit, now, request_id)
        failed: Expect | None = yield Commit(Change(decision.expect, (*decision.records, call)))
        if failed is None:
            return Answer(reply, call)
        snapshot = yield Read(keys)
    raise AssertionError("unreachable: the loop has no end")


def failed_answer(request: Request, bug: Exception, now: float) -> Answer:
    """The answer to a request for which the fake itself failed with the exception `bug`."""
    refusal, request_id = COMETAPI.refusals[RefusalReason.INTERNAL], str(uuid4())
    # Only the type: the text of an exception may contain anything, a key for example.
    note = f"internal error of kling-mock: {type(bug).__name__}, see Fake.check()"
    audit = AuditInfo(rule=RefusalReason.INTERNAL.value, notes=(note,))
    reply = json_reply(refusal.status, refusal.body(request_id))
    facts = header_facts(request.headers)
    return Answer(reply, _entry(request, facts, refusal.status, audit, now, request_id))


STATE_RULE: Final = "server.state"


def unkept_answer(request: Request, problem: StateNotKept, now: float) -> Answer:
    """The answer to a request whose change the store cannot keep; its entry is not in the journal."""
    text = str(problem)
    error = {"message": text, "type": "kling_mock_error", "param": "state", "code": "state_not_kept"}
    reply = json_reply(503, {"error": error}, (rule_header(STATE_RULE, HTTP_STANDARD, text),))
    audit = AuditInfo(rule=STATE_RULE, message=text)
    return Answer(reply, _entry(request, header_facts(request.headers), 503, audit, now, str(uuid4())))


def _entry(  # noqa: PLR0913, PLR0917 -- the parts of a request and its reply
    request: Request, facts: HeaderFacts, status: int, audit: AuditInfo, now: float, request_id: str
) -> CallRecord:
    path, notes = request.path, audit.notes
    kept, kept_bytes = kept_request(audit.request, request.body)
    headers, size = facts.kept, facts.size
    if len(path) > PATH_KEPT:
        path = f"{path[:PATH_KEPT]}... ({len(path)} characters)"
    if size > HEADERS_KEPT:
        headers = _shortened(headers)
        size = HEADERS_KEPT
    if len(notes) > NOTES_KEPT:
        notes = (*notes[:NOTES_KEPT], f"and {len(notes) - NOTES_KEPT} more")
    return CallRecord(
        now,
        audit.account,
        request.method[:METHOD_KEPT],
        path,
        headers,
        kept,
        status,
        audit.task_id,
        audit.shown,
        audit.rule,
        audit.script,
        notes,
        size,
        audit.message and audit.message[:MESSAGE_KEPT],
        kept_bytes,
        audit.actual,
        audit.faults,
        request_id,
    )


def _shortened(headers: Headers) -> Headers:
    """The headers up to `HEADERS_KEPT` bytes, the last one truncated."""
    kept: list[tuple[str, str]] = []
    left = HEADERS_KEPT
    for name, value in headers:
        left -= len(name) + len(value) + HEADER_OVERHEAD
        kept.append((name[:HEADERS_KEPT], value if left >= 0 else value[:left] + "..."))
        if left <= 0:
            break
    return tuple(kept)
