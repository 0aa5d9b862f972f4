"""From a request to the command it is: key, route, method, then what the route takes. Stateless.

The order of the checks is that of `contracts.gateways.Situation`. What can only be said with a look at
the store (unknown tasks, duplicate ids, slots) is decided in `service`.
"""

from __future__ import annotations

import re
from typing import Final, cast
from urllib.parse import parse_qs, unquote_to_bytes

from contracts.gateways import PAGING, Gateway, Route, Situation, gateway_of
from contracts.rules import Reading, shorten
from kling_mock.accounts import Denied, Token
from kling_mock.authentication import credential_of
from kling_mock.commands import (
    CheckHealth,
    Command,
    FetchPicture,
    List,
    Named,
    Query,
    Refused,
    ShowCosts,
    refused,
)
from kling_mock.creation import read_create, refused_by
from kling_mock.pictures import locate
from kling_mock.replies import Request
from kling_mock.settings import Settings

HEALTH_PATH: Final = "/_mock/health"
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}")


def understand(request: Request, settings: Settings, system: float) -> tuple[Command, Token | None]:
    """What a request asks for, and the token it came with, if any. `system` is system time. Pure."""
    path = request.path
    gateway = gateway_of(path, request.header("host") or "", settings.gateways)
    open_to_all = CheckHealth() if path == HEALTH_PATH else _picture(path)
    if open_to_all is not None:
        if request.method in ("GET", "HEAD"):
            return open_to_all, None
        named: Named = (("method", shorten(request.method)),)
        return refused(gateway, Situation.WRONG_METHOD, None, named, allow="GET, HEAD"), None
    credential = credential_of(request, settings, gateway, system)
    if isinstance(credential, Denied):
        situation, parts = credential
        relax = "keys" if settings.keys and situation is not Situation.NO_KEY else None
        return refused(gateway, situation, None, (("parts", parts),), relax=relax), None
    return _read_route(request, settings, gateway, credential.account), credential.token


def _picture(path: str) -> FetchPicture | None:
    place = locate(path)
    return None if place is None else FetchPicture(*place)


def _read_route(request: Request, settings: Settings, gateway: Gateway, account: str) -> Command:
    path, method = request.path, request.method
    costs = path == gateway.costs_path
    route, tail = _route(gateway, path)
    if route is None and not costs:
        named: Named = (("method", shorten(method)), ("path", shorten(path)))
        return refused(gateway, Situation.NO_ROUTE, account, named)
    creates = route is not None and tail is None
    allowed = (["GET"] if not creates or gateway.lists else []) + (["POST"] if creates else [])
    if method not in allowed:
        named = (("method", shorten(method)),)
        return refused(gateway, Situation.WRONG_METHOD, account, named, allow=", ".join(allowed))
    if route is None:
        return ShowCosts(account)
    if tail is not None:
        return Query(gateway, account, tail)
    if method == "GET":
        return _read_list(request, settings, gateway, route, account)
    return read_create(request, settings, gateway, route, account)


def _read_list(
    request: Request, settings: Settings, gateway: Gateway, route: Route, account: str
) -> List | Refused:
    """A page is asked for in the query string, where every value is text."""
    given = parse_qs(request.query, keep_blank_values=True)
    reading = Reading()
    numbers: list[int] = []
    for parameter in PAGING:
        # A parameter that comes twice has no meaning, and its values no number in common.
        text = ",".join(given.get(parameter.name, []))
        value: object = int(text) if _WHOLE.fullmatch(text) else text
        read = parameter.default if text == "" else parameter.read(value, parameter.name, reading)
        numbers.append(cast("int", read or 0))
    if reading.violations:
        return refused_by(reading.violations[0], settings, gateway, account, ())
    operations = frozenset(each.name for each in (*route.operations, *route.optional))
    return List(account, operations, numbers[0], numbers[1])


def _route(gateway: Gateway, path: str) -> tuple[Route | None, str | None]:
    """The route of a path and the id behind it, if there is one."""
    route = gateway.create_paths.get(path)
    if route is not None:
        return route, None
    create, _, segment = path.rpartition("/")
    route = gateway.create_paths.get(create)
    if route is None or not segment:
        return None, None
    return route, unquote_to_bytes(segment).decode("utf-8", "replace")
