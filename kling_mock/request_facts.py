"""The kind of a request, and its parts with which the criteria of scripts are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Final, cast

from kling_contracts.gateways import GATEWAYS, Gateway, gateway_of
from kling_mock.commands import Command, Create, Query
from kling_mock.criteria import CriterionKind
from kling_mock.http import Request, decode
from kling_mock.images.urls import locate
from kling_mock.queries import find_task
from kling_mock.records import CREATE, PICTURE, QUERY, REQUEST, CallRecord, TaskState
from kling_mock.routing import route_of
from kling_mock.stores import Snapshot, TaskKey

HEADER: Final = "header."
BODY: Final = "body."
# The criteria that need the task, so that they are compared after key and route were checked.
_OF_TASK: Final = frozenset({"nth", "status"})
_TEXT: Final = CriterionKind((str,), "a string", absent=False)
_NUMBER: Final = CriterionKind((int,), "an integer", absent=False)
_PAIRS: Final = CriterionKind((Mapping,), "a dict", absent=False)
# The criteria of each kind of request, as tests write them.
CRITERIA: Final[Mapping[str, Mapping[str, CriterionKind]]] = MappingProxyType(
    {
        QUERY: {"task": _TEXT, "nth": _NUMBER, "status": _TEXT, "account": _TEXT},
        PICTURE: {"task": _TEXT, "index": _NUMBER, "account": _TEXT},
        REQUEST: {"method": _TEXT, "path": _TEXT, "header": _PAIRS, "body": _PAIRS, "account": _TEXT},
    }
)


def is_late(kind: str, account: str | None, names: Mapping[str, object] | None) -> bool:
    """Whether a rule with these criteria can be compared only after key, route and JSON were checked."""
    if kind == CREATE:
        return False
    return account is not None or any(name in _OF_TASK or name.startswith(BODY) for name in names or ())


def kind_of(method: str, path: str, host: str, gateways: Sequence[Gateway] = GATEWAYS) -> str | None:
    """The kind of a request by method and path; None for the control API, which scripts leave alone."""
    if path.startswith("/_mock/"):
        return None
    if locate(path) is not None:
        return PICTURE if method in ("GET", "HEAD") else REQUEST
    route, tail = route_of(gateway_of(path, host, gateways), path)
    if route is None:
        return REQUEST
    if tail is None:
        return CREATE if method == "POST" else REQUEST
    return QUERY if method == "GET" else REQUEST


class RequestFacts:
    """A request as the criteria see it. `shown` is the task status in the reply that it would get."""

    def __init__(
        self, request: Request, command: Command, state: TaskState | None, shown: str | None = None
    ) -> None:
        self._request = request
        self._command = command
        self._state = state
        self._shown = shown

    def criterion(self, name: str) -> object:
        if name.startswith(HEADER):
            return self._request.header(name.removeprefix(HEADER))
        if name.startswith(BODY):
            return self._body.get(name.removeprefix(BODY))
        match name:
            case "method":
                return self._request.method
            case "path":
                return self._request.path
            case "task":
                # The id in the path, or that of the task with this external id.
                return _id_in(self._request.path) if self._state is None else self._state.record.id
            case "index":
                return _index_in(self._request.path)
            case "nth":
                return None if self._state is None else self._state.polls + self._state.unanswered + 1
            case _:
                return self._shown

    @cached_property
    def _body(self) -> Mapping[str, object]:
        if not self._request.body and isinstance(self._command, Create):  # another process has read the body
            return self._command.request.values
        try:
            body = decode(self._request.body, [])
        except ValueError:
            return {}
        return cast("dict[str, object]", body) if isinstance(body, dict) else {}


class CallFacts:
    """A call of the journal as the criteria see it; `nth` query of its task."""

    def __init__(self, call: CallRecord, nth: int | None) -> None:
        self._call = call
        self._nth = nth

    def criterion(self, name: str) -> object:
        call = self._call
        if name.startswith(HEADER):
            wanted = name.removeprefix(HEADER)
            return next((value for header, value in call.headers if header == wanted), None)
        if name.startswith(BODY):
            return None if call.request is None else call.request.get(name.removeprefix(BODY))
        match name:
            case "method":
                return call.method
            case "path":
                return call.path
            case "task":
                return call.task_id or _id_in(call.path)
            case "index":
                return _index_in(call.path)
            case "nth":
                return self._nth
            case _:
                return call.shown


def _id_in(path: str) -> str:
    place = locate(path)
    return path.rpartition("/")[2] if place is None else place.task_id


def _index_in(path: str) -> int | None:
    place = locate(path)
    return None if place is None else place.number


def task_of(snapshot: Snapshot, command: Command, request: Request) -> TaskState | None:
    """The task that a query or a download is about."""
    if isinstance(command, Query):
        return find_task(snapshot, command)
    place = locate(request.path)
    return None if place is None else snapshot.get(TaskKey(place.task_id))
