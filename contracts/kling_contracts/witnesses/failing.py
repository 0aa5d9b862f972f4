"""Servers that break down: no answer, or 500."""

from __future__ import annotations

import json
from typing import Final

import httpx

from kling_contracts.gateways import KLING, RefusalReason
from kling_contracts.witnesses.message import Answer, Ask, subjects_in
from kling_contracts.witnesses.refusal import malformed
from kling_contracts.witnesses.witness import Behind, Faulty, Group

group: Final = Group()


def _depth(content: bytes) -> int:
    return len(content) - len(content.lstrip(b"["))


@group.before("answers.always")
def drops_bad_json(ask: Ask) -> None:
    """The connection breaks where a body is no JSON."""
    if malformed(ask):
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


@group.before("answers.always")
def drops_odd_ids(ask: Ask) -> None:
    """A NUL in an id kills the worker."""
    if "\0" in ask.task_id:
        raise httpx.ReadError("connection reset")


@group.server("answers.always")
class DropsEveryFiftieth(Faulty):
    """Now and then a connection breaks before the answer."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._count = 0

    def before(self, ask: Ask) -> None:
        if ask.task_id:
            self._count += 1
            if self._count % 50 == 0:
                raise httpx.ReadError("connection reset")


@group.server("answers.no_server_error")
class FailsOnBadJSON(Faulty):
    """A body that is no JSON is a failure of the server."""

    def serve(self, ask: Ask) -> Answer:
        answer = self.right(ask)
        return self.refuse(RefusalReason.INTERNAL) if malformed(ask) and answer.status == 400 else answer


@group.server("answers.no_server_error")
class FailsOnNull(Faulty):
    """null for a body is a failure of the server."""

    def serve(self, ask: Ask) -> Answer:
        return self.refuse(RefusalReason.INTERNAL) if ask.creates and ask.raw == b"null" else self.right(ask)


@group.server("answers.no_server_error")
class FailsOnSurrogates(Faulty):
    """A lone surrogate cannot be written to the database."""

    def serve(self, ask: Ask) -> Answer:
        try:
            json.dumps(ask.peek.get("prompt"), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return self.refuse(RefusalReason.INTERNAL)
        return self.right(ask)


@group.server("answers.no_server_error")
class FailsOnDepth(Faulty):
    """Deep nesting is too much for the parser."""

    def serve(self, ask: Ask) -> Answer:
        return self.refuse(RefusalReason.INTERNAL) if _depth(ask.raw) > 1000 else self.right(ask)


@group.server("answers.no_server_error")
class FailsOnHugeNumbers(Faulty):
    """A number that fits into no register is too much."""

    def serve(self, ask: Ask) -> Answer:
        given = ask.peek.get("n") if ask.creates else None
        huge = isinstance(given, int) and abs(given) >= 2**63
        return self.refuse(RefusalReason.INTERNAL) if huge else self.right(ask)


@group.server("answers.no_server_error")
class FailsOnWrongTypes(Faulty):
    """A prompt of another type is looked at as if it were a text."""

    def serve(self, ask: Ask) -> Answer:
        wrong = ask.creates and not isinstance(ask.peek.get("prompt", ""), str | None)
        return self.refuse(RefusalReason.INTERNAL) if wrong else self.right(ask)


@group.server("answers.no_server_error")
class FailsOnStrayItems(Faulty):
    """An element that is no object breaks the loop over the subjects."""

    def serve(self, ask: Ask) -> Answer:
        broken = not all(isinstance(item, dict) for item in subjects_in(ask))
        return self.refuse(RefusalReason.INTERNAL) if broken else self.right(ask)


@group.server("answers.no_server_error")
class FailsOnLongIds(Faulty):
    """A long id does not fit into its column."""

    def serve(self, ask: Ask) -> Answer:
        return self.refuse(RefusalReason.INTERNAL) if len(ask.task_id) > 255 else self.right(ask)


@group.server("answers.no_server_error", KLING)
class FailsOnPages(Faulty):
    """A page that is no number is a failure of the server."""

    def serve(self, ask: Ask) -> Answer:
        wrong = ask.lists and not ask.page.get("pageNum", "1").lstrip("-").isascii()
        wrong = wrong or (ask.lists and ask.page.get("pageNum") == "x")
        return self.refuse(RefusalReason.INTERNAL) if wrong else self.right(ask)
