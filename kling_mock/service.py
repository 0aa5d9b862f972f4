"""Answering a request, as steps: read, decide, commit, and decide again if something changed in between."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from msgspec import Struct

from kling_mock.accounts import without_secrets
from kling_mock.chance import draw_uuid
from kling_mock.decisions import Told, decide
from kling_mock.pictures import Sheet
from kling_mock.records import CallRecord
from kling_mock.replies import Headers, Reply, Request, picture_reply
from kling_mock.routing import understand
from kling_mock.settings import Settings
from kling_mock.stores import Change, Commit, Expect, Read, Snapshot, Steps, Ticket, TokenKey

REQUESTS = Ticket("requests")
# Of a request that is longer than any real one, the journal keeps the beginning.
PATH_KEPT = 4_096
HEADERS_KEPT = 100
VALUE_KEPT = 4_096
NOTES_KEPT = 50

Draw = Callable[[Sheet], tuple[bytes, str]]


class Answer(Struct, frozen=True):
    """A reply, and the call as it was journaled."""

    reply: Reply
    call: CallRecord


def answer(request: Request, settings: Settings, system: float, draw: Draw) -> Steps[Answer]:
    """The reply to a request. `system` is system time; `draw` makes a result picture and its entity tag."""
    command, token = understand(request, settings, system)
    keys = command.keys if token is None else (TokenKey(token.digest), *command.keys)
    snapshot: Snapshot = yield Read((REQUESTS, *keys))
    request_id = draw_uuid(settings.seed, "request", snapshot[REQUESTS])
    for again in count():
        decision = decide(snapshot, (command, token), settings, request_id, again)
        reply = decision.reply
        if reply.picture is not None:
            reply = picture_reply(request, *draw(reply.picture))
        call = _entry(request, reply.status, decision.told, snapshot.now)
        failed: Expect | None = yield Commit(Change(decision.expect, (*decision.records, call)))
        if failed is None:
            return Answer(reply, call)
        snapshot = yield Read(keys)
    raise AssertionError("unreachable: the loop has no end")


def _entry(request: Request, status: int, told: Told, now: float) -> CallRecord:
    path, headers, notes = request.path, without_secrets(request.headers), told.notes
    if len(path) > PATH_KEPT:
        path = f"{path[:PATH_KEPT]}... ({len(path)} characters)"
    if len(headers) > HEADERS_KEPT or any(len(value) > VALUE_KEPT for _, value in headers):
        headers = _shortened(headers)
    if len(notes) > NOTES_KEPT:
        notes = (*notes[:NOTES_KEPT], f"and {len(notes) - NOTES_KEPT} more")
    return CallRecord(
        now,
        told.account,
        request.method,
        path,
        headers,
        told.request,
        status,
        told.task_id,
        told.shown,
        told.rule,
        told.script,
        notes,
    )


def _shortened(headers: Headers) -> Headers:
    return tuple([(name[:VALUE_KEPT], value[:VALUE_KEPT]) for name, value in headers[:HEADERS_KEPT]])
