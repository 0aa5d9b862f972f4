"""The control API as a function of a request: access, routing, parameters, handler, reply."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from kling_contracts.help_links import help_link
from kling_contracts.suggestions import close_names
from kling_mock.control_api import server
from kling_mock.control_api.access import Peer, check_access, check_page_access
from kling_mock.control_api.endpoints import ENDPOINTS, Endpoint
from kling_mock.control_api.feed import EventFeed
from kling_mock.control_api.models import MEDIA_TYPES, EventStream, HTMLPage, PlainText, PNGImage, StateLines
from kling_mock.control_api.problems import ErrorBody, ErrorInfo, Problem
from kling_mock.control_api.reading import BODY_BYTES, read_body, read_json, read_query
from kling_mock.control_api.redacted import Redaction
from kling_mock.dashboard import page_reply
from kling_mock.fake import Fake
from kling_mock.http import JSON_TYPE, Headers, Reply, Request
from kling_mock.stores import StateNotKept

# Pages of other origins can neither read nor embed a response, with any element.
PRIVATE: Final[Headers] = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
)


# Not the header `link`, whose relative addresses are those of the server; the page may be in the repository.
HELP_HEADER: Final = "x-kling-mock-help"

# Handlers after which no earlier event is of use.
REPLACING: Final = (server.reset, server.write_state)


class ControlAPI:
    """The control API of one fake. `answer` may block; it may be called by several threads."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake
        self._redaction = Redaction(fake)

    def answer(self, request: Request, peer: Peer) -> Reply | EventStream:
        """The reply to a request, or the stream of events.

        Never raises: an internal error gets 500, and `fake.check()` raises it.
        """
        token = self.fake.settings.control_token
        try:
            page = page_reply(request)
            if page is not None:
                check_page_access(request, peer, token)
                return page
            check_access(request, peer, token)
            result = self._result(request)
            if isinstance(result, EventStream):
                return EventStream(request.header("last-event-id") or result.after, result.account)
            return self._reply(200, result)
        except Problem as problem:
            return self._refusal(problem)
        except StateNotKept as problem:
            return self._refusal(Problem(503, str(problem)))
        except Exception as bug:  # noqa: BLE001 -- the client must get a reply
            self.fake.report(bug)
            return self._refusal(Problem(500, "an internal error occurred; Fake.check() raises it"))

    @cached_property
    def feed(self) -> EventFeed:
        """The events from the first use of this property on."""
        return EventFeed(self.fake, self.encode)

    def _result(self, request: Request) -> object:
        endpoint, values = _route(request)
        signature = endpoint.signature
        arguments: dict[str, Any] = dict(values)
        if signature.query is not None:
            arguments["query"] = read_query(request.query, signature.query)
        elif request.query:
            raise Problem(422, "this path has no parameters", "?")
        limit = self.body_limit(request)
        if request.size > limit:
            raise Problem(413, f"the body must have at most {limit} bytes; got {request.size}", "")
        if endpoint.needs_body and not request.body.strip():
            raise Problem(422, "this path needs a JSON body", "")
        if signature.raw:
            arguments["content"] = request.body
        elif signature.body is not None:
            arguments["body"] = read_body(request.body, signature.body)
        elif endpoint.method != "GET" and read_json(request.body) not in ({}, None):
            raise Problem(422, "this path has no body", "")
        result = endpoint.handler(self.fake, **arguments)
        if endpoint.handler in REPLACING and "feed" in vars(self):
            self.feed.restart()
        return result

    def body_limit(self, request: Request) -> int:
        """The size in bytes of the largest accepted body of a request; its own body is not read."""
        with suppress(Problem):
            endpoint, _ = _route(request)
            if endpoint.signature.raw:
                return self.fake.settings.body_cap
        return BODY_BYTES

    def _refusal(self, problem: Problem) -> Reply:
        headers: Headers = () if problem.allow is None else (("allow", problem.allow),)
        if problem.status == 401:
            headers = (("www-authenticate", "Bearer"),)
        link = help_link([str(problem.status), Problem.__name__], problem.message)
        headers = (*headers, (HELP_HEADER, link))
        body = ErrorBody(ErrorInfo(problem.message, problem.pointer, problem.nearest))
        return self._reply(problem.status, body, headers)

    def _reply(self, status: int, result: object, headers: Headers = ()) -> Reply:
        if isinstance(result, HTMLPage | PlainText | PNGImage | StateLines):
            return Reply(status, (("content-type", MEDIA_TYPES[type(result)]), *PRIVATE), result.content)
        return Reply(status, (JSON_TYPE, *PRIVATE, *headers), self.encode(result))

    def encode(self, result: object) -> bytes:
        """A model as JSON without secrets."""
        return msgspec.json.encode(self._redaction.hide(msgspec.to_builtins(result)))


def _route(request: Request) -> tuple[Endpoint, dict[str, str]]:
    """The endpoint of a request and the values in its path."""
    parts = request.path.split("/")
    found = [each for each in ENDPOINTS if _fits(parts, _template(each.path))]
    if not found:
        path = unquote(request.path)[:200]
        nearest = close_names(path, list(dict.fromkeys(each.path for each in ENDPOINTS)))
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise Problem(404, f"unknown path {path!r}{hint}", None, nearest)
    # A literal segment takes precedence over a parameter.
    best = min(each.path.count("{") for each in found)
    found = [each for each in found if each.path.count("{") == best]
    method = "GET" if request.method == "HEAD" else request.method
    for endpoint in found:
        if endpoint.method == method:
            values = zip(_template(endpoint.path), parts, strict=True)
            return endpoint, {name[1:-1]: unquote(part) for name, part in values if name.startswith("{")}
    allowed = [each.method for each in found] + ["HEAD"] * any(each.method == "GET" for each in found)
    allow = ", ".join(allowed)
    raise Problem(405, f"{method[:20]!r}: the methods of this path are {allow}", None, (), allow)


@lru_cache(maxsize=256)
def _template(path: str) -> tuple[str, ...]:
    return tuple(path.split("/"))


def _fits(parts: list[str], template: tuple[str, ...]) -> bool:
    return len(parts) == len(template) and all(
        part if name.startswith("{") else part == name for part, name in zip(parts, template, strict=True)
    )
