"""Servers that crash: no answer, or 500."""

from __future__ import annotations

import json
from typing import Final

import httpx

from kling_contracts.gateways import KLING, RefusalReason
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response, subjects_in
from tests.contracts.verify.faulty_servers.refusals import malformed

group: Final = Group()


def _depth(content: bytes) -> int:
    return len(content) - len(content.lstrip(b"["))


@group.before("responses.always")
def drops_bad_json(request: Request) -> None:
    """The connection is closed for a body that is not JSON."""
    if malformed(request):
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


@group.before("responses.always")
def drops_odd_ids(request: Request) -> None:
    """The connection is closed for an id with NUL."""
    if "\0" in request.task_id:
        raise httpx.ReadError("connection reset")


class _DropsSome(FaultyServer):
    """The connection is closed for every fiftieth request of one kind."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._count = 0

    def count(self) -> None:
        self._count += 1
        if self._count % 50 == 0:
            raise httpx.ReadError("connection reset")


@group.server("responses.always")
class DropsEveryFiftieth(_DropsSome):
    """The connection is sometimes closed before the response."""

    def before(self, request: Request) -> None:
        if request.task_id:
            self.count()


@group.server("responses.always")
class DropsEveryFiftiethCreate(_DropsSome):
    """The connection is sometimes closed before the response to a create, which is answered if repeated."""

    def before(self, request: Request) -> None:
        if request.creates:
            self.count()


@group.before("requests.upgrade")
def loses_the_body_of_an_upgrade_offer(request: Request) -> None:
    """The parser takes all that follows an Upgrade header for another protocol."""
    if "upgrade" in request.headers:
        request.content = b""


@group.server("requests.upgrade")
class RefusesUpgradeOffers(FaultyServer):
    """An Upgrade header is refused with 426."""

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        if "upgrade" in request.headers:
            response.status = 426
        return response


@group.server("responses.no_server_error")
class FailsOnBadJSON(FaultyServer):
    """A body that is not JSON causes a server error."""

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        return (
            self.refuse(RefusalReason.INTERNAL) if malformed(request) and response.status == 400 else response
        )


@group.server("responses.no_server_error")
class FailsOnNull(FaultyServer):
    """The body null causes a server error."""

    def serve(self, request: Request) -> Response:
        return (
            self.refuse(RefusalReason.INTERNAL)
            if request.creates and request.raw == b"null"
            else self.right(request)
        )


@group.server("responses.no_server_error")
class FailsOnSurrogates(FaultyServer):
    """A lone surrogate causes a server error."""

    def serve(self, request: Request) -> Response:
        try:
            json.dumps(request.peek.get("prompt"), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return self.refuse(RefusalReason.INTERNAL)
        return self.right(request)


@group.server("responses.no_server_error")
class FailsOnDepth(FaultyServer):
    """A deeply nested body causes a server error."""

    def serve(self, request: Request) -> Response:
        return self.refuse(RefusalReason.INTERNAL) if _depth(request.raw) > 1000 else self.right(request)


@group.server("responses.no_server_error")
class FailsOnHugeNumbers(FaultyServer):
    """A very large number causes a server error."""

    def serve(self, request: Request) -> Response:
        given = request.peek.get("n") if request.creates else None
        huge = isinstance(given, int) and abs(given) >= 2**63
        return self.refuse(RefusalReason.INTERNAL) if huge else self.right(request)


@group.server("responses.no_server_error")
class FailsOnWrongTypes(FaultyServer):
    """A prompt of another type causes a server error."""

    def serve(self, request: Request) -> Response:
        wrong = request.creates and not isinstance(request.peek.get("prompt", ""), str | None)
        return self.refuse(RefusalReason.INTERNAL) if wrong else self.right(request)


@group.server("responses.no_server_error")
class FailsOnStrayItems(FaultyServer):
    """A subject that is not an object causes a server error."""

    def serve(self, request: Request) -> Response:
        broken = not all(isinstance(item, dict) for item in subjects_in(request))
        return self.refuse(RefusalReason.INTERNAL) if broken else self.right(request)


@group.server("responses.no_server_error")
class FailsOnLongIds(FaultyServer):
    """A long id causes a server error."""

    def serve(self, request: Request) -> Response:
        return self.refuse(RefusalReason.INTERNAL) if len(request.task_id) > 255 else self.right(request)


@group.server("responses.no_server_error", KLING)
class FailsOnPages(FaultyServer):
    """A page parameter that is not a number causes a server error."""

    def serve(self, request: Request) -> Response:
        wrong = request.lists and not request.page.get("pageNum", "1").lstrip("-").isascii()
        wrong = wrong or (request.lists and request.page.get("pageNum") == "x")
        return self.refuse(RefusalReason.INTERNAL) if wrong else self.right(request)
