"""Servers with errors in authentication."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from kling_contracts.gateways import KLING, RefusalReason
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Request, Response, as_object

group: Final = Group()


class KnowsKeys(FaultyServer):
    """Stores the accepted Authorization headers and the tasks created with them."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.good: list[str] = []
        self.owners: dict[str, str] = {}

    def serve(self, request: Request) -> Response:
        header = request.headers.get("authorization", "")
        response = self.right(request)
        if request.is_api and response.status != 401 and header not in self.good:
            self.good.append(header)
        if request.creates and response.task:
            self.owners[str(response.task["task_id"])] = header
        return self.again(request, response)

    def again(self, request: Request, response: Response) -> Response:
        return response

    def as_first(self, request: Request) -> Response:
        """The response to the same request with the first accepted key."""
        request.headers["authorization"] = self.good[0]
        return self.right(request)


@group.server("auth.required")
class OpenQueries(KnowsKeys):
    """Queries need no key."""

    def again(self, request: Request, response: Response) -> Response:
        return (
            self.as_first(request)
            if request.task_id and not request.headers.get("authorization")
            else response
        )


@group.server("auth.required")
class ForbiddenWithoutKey(KnowsKeys):
    """A request without a key is answered with 403."""

    def again(self, request: Request, response: Response) -> Response:
        if response.status == 401 and not request.headers.get("authorization"):
            response.status = 403
        return response


@group.server("auth.required")
class EmptyHeader(KnowsKeys):
    """An empty Authorization header is accepted."""

    def again(self, request: Request, response: Response) -> Response:
        return self.as_first(request) if request.headers.get("authorization") == "" else response


@group.server("auth.required", KLING)
class OpenLists(KnowsKeys):
    """Lists need no key."""

    def again(self, request: Request, response: Response) -> Response:
        return (
            self.as_first(request) if request.lists and not request.headers.get("authorization") else response
        )


@group.server("auth.wrong_key")
class AnyKey(KnowsKeys):
    """Any key that begins with sk- is accepted."""

    def again(self, request: Request, response: Response) -> Response:
        return (
            self.as_first(request) if response.status == 401 and request.key.startswith("sk-") else response
        )


@group.server("auth.wrong_key")
class PrefixOfAKey(KnowsKeys):
    """A prefix of a key is accepted."""

    def again(self, request: Request, response: Response) -> Response:
        right = (
            bool(request.key)
            and bool(self.good)
            and self.good[0].startswith(request.headers["authorization"])
        )
        return self.as_first(request) if response.status == 401 and right else response


@group.server("auth.wrong_key")
class KeyAndMore(KnowsKeys):
    """Characters after a valid key are ignored."""

    def again(self, request: Request, response: Response) -> Response:
        header = request.headers.get("authorization", "")
        right = response.status == 401 and any(header.startswith(good) for good in self.good)
        return self.as_first(request) if right else response


@group.server("auth.wrong_key")
class KeysInAnyCase(KnowsKeys):
    """Keys are compared case-insensitively."""

    def again(self, request: Request, response: Response) -> Response:
        header = request.headers.get("authorization", "").lower()
        right = response.status == 401 and header in [good.lower() for good in self.good]
        return self.as_first(request) if right else response


@group.server("auth.wrong_key")
class AnyScheme(KnowsKeys):
    """The scheme before the key is ignored."""

    def again(self, request: Request, response: Response) -> Response:
        header = request.headers.get("authorization", "")
        right = response.status == 401 and any(good.endswith(header.rpartition(" ")[2]) for good in self.good)
        return self.as_first(request) if right and len(header) > 10 and "Bearer" not in header else response


@group.server("auth.wrong_key")
class WrongKeyForbidden(KnowsKeys):
    """An invalid key is answered with 403."""

    def again(self, request: Request, response: Response) -> Response:
        if response.status == 401 and request.key and request.key.count(".") != 2:
            response.status = 403
        return response


@group.server("auth.first")
class BodyFirst(KnowsKeys):
    """The body is validated before the key is checked."""

    def again(self, request: Request, response: Response) -> Response:
        if response.status == 401 and request.creates and "subject_image_list" not in request.peek:
            return self.refuse(RefusalReason.INVALID)
        return response


@group.server("auth.first")
class JSONFirst(KnowsKeys):
    """The body is parsed before the key is checked."""

    def again(self, request: Request, response: Response) -> Response:
        if response.status == 401 and request.creates and request.json is None:
            return self.refuse(RefusalReason.BAD_JSON)
        return response


@group.server("auth.scheme_case")
class BearerExactly(FaultyServer):
    """The scheme Bearer is compared case-sensitively."""

    def serve(self, request: Request) -> Response:
        exact = request.headers.get("authorization", "Bearer").startswith("Bearer")
        if not exact and request.headers["authorization"].lower().startswith("bearer"):
            del request.headers["authorization"]
        return self.right(request)


class _Tokens(KnowsKeys):
    """Accepts one kind of invalid token, identified by the refusal code of the correct server."""

    codes: frozenset[int] = frozenset()

    def again(self, request: Request, response: Response) -> Response:
        bad = (
            response.status == 401 and response.peek.get("code") in self.codes and request.key.count(".") == 2
        )
        return self.as_first(request) if bad and self.wanted(request) else response

    def wanted(self, request: Request) -> bool:
        return True


@group.server("auth.token.expired", KLING)
class ExpiredTokens(_Tokens):
    """Expired tokens are accepted."""

    codes = frozenset({1004})


@group.server("auth.token.expired", KLING)
class ExpiredCode(KnowsKeys):
    """An expired token is refused with the wrong code."""

    def again(self, request: Request, response: Response) -> Response:
        if response.peek.get("code") == 1004:
            response.body["code"] = 1002
        return response


@group.server("auth.token.early", KLING)
class EarlyTokens(_Tokens):
    """Tokens are accepted before their nbf time."""

    codes = frozenset({1003})


def _claims(token: str) -> dict[str, object]:
    import base64
    import json

    part = token.split(".")[1]
    try:
        return as_object(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))
    except ValueError:
        return {}


@group.server("auth.token.signature", KLING)
class UnsignedTokens(_Tokens):
    """The signature of a token is not verified."""

    codes = frozenset({1000, 1002})

    def wanted(self, request: Request) -> bool:
        known = {_claims(good.partition(" ")[2]).get("iss") for good in self.good if good.count(".") == 2}
        return (
            request.headers["authorization"].startswith("Bearer ")
            and _claims(request.key).get("iss") in known
        )


@group.server("auth.token.issuer", KLING)
class AnyIssuer(_Tokens):
    """The issuer of a token is not checked."""

    codes = frozenset({1000, 1002})

    def wanted(self, request: Request) -> bool:
        return str(_claims(request.key).get("iss")).endswith("-unknown")


@group.server("auth.token.unsigned", KLING)
class AlgorithmNone(_Tokens):
    """Unsigned tokens (alg: none) are accepted."""

    codes = frozenset({1000, 1002})

    def wanted(self, request: Request) -> bool:
        return request.key.endswith(".")


@group.server("auth.required")
class KeyInTheQuery(FaultyServer):
    """A key in the query string is accepted."""

    def before(self, request: Request) -> None:
        key = dict(parse_qsl(request.query)).get("api_key")
        if key and "authorization" not in request.headers:
            request.headers["authorization"] = f"Bearer {key}"
