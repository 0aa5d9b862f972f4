"""Servers that are wrong about keys."""

from __future__ import annotations

from typing import Final

from kling_contracts.gateways import KLING, RefusalReason
from kling_contracts.witnesses.message import Answer, Ask, as_object
from kling_contracts.witnesses.witness import Behind, Faulty, Group

group: Final = Group()


class KnowsKeys(Faulty):
    """Remembers the Authorization headers that were good, and what tasks were made with them."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.good: list[str] = []
        self.owners: dict[str, str] = {}

    def serve(self, ask: Ask) -> Answer:
        header = ask.headers.get("authorization", "")
        answer = self.right(ask)
        if ask.is_api and answer.status != 401 and header not in self.good:
            self.good.append(header)
        if ask.creates and answer.task:
            self.owners[str(answer.task["task_id"])] = header
        return self.again(ask, answer)

    def again(self, ask: Ask, answer: Answer) -> Answer:
        return answer

    def as_first(self, ask: Ask) -> Answer:
        """The answer that the first good key gets."""
        ask.headers["authorization"] = self.good[0]
        return self.right(ask)


@group.server("auth.required")
class OpenQueries(KnowsKeys):
    """Queries need no key."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        return self.as_first(ask) if ask.task_id and not ask.headers.get("authorization") else answer


@group.server("auth.required")
class ForbiddenWithoutKey(KnowsKeys):
    """Without a key there is 403."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status == 401 and not ask.headers.get("authorization"):
            answer.status = 403
        return answer


@group.server("auth.required")
class EmptyHeader(KnowsKeys):
    """An empty header is as good as a key."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        return self.as_first(ask) if ask.headers.get("authorization") == "" else answer


@group.server("auth.required", KLING)
class OpenLists(KnowsKeys):
    """Lists need no key."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        return self.as_first(ask) if ask.lists and not ask.headers.get("authorization") else answer


@group.server("auth.wrong_key")
class AnyKey(KnowsKeys):
    """Any key is good that looks like one."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        return self.as_first(ask) if answer.status == 401 and ask.key.startswith("sk-") else answer


@group.server("auth.wrong_key")
class PrefixOfAKey(KnowsKeys):
    """The beginning of a key is enough."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        right = bool(ask.key) and bool(self.good) and self.good[0].startswith(ask.headers["authorization"])
        return self.as_first(ask) if answer.status == 401 and right else answer


@group.server("auth.wrong_key")
class KeyAndMore(KnowsKeys):
    """What follows a key is not looked at."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        header = ask.headers.get("authorization", "")
        right = answer.status == 401 and any(header.startswith(good) for good in self.good)
        return self.as_first(ask) if right else answer


@group.server("auth.wrong_key")
class KeysInAnyCase(KnowsKeys):
    """Keys are compared without regard to case."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        header = ask.headers.get("authorization", "").lower()
        right = answer.status == 401 and header in [good.lower() for good in self.good]
        return self.as_first(ask) if right else answer


@group.server("auth.wrong_key")
class AnyScheme(KnowsKeys):
    """Whatever stands before the key is skipped."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        header = ask.headers.get("authorization", "")
        right = answer.status == 401 and any(good.endswith(header.rpartition(" ")[2]) for good in self.good)
        return self.as_first(ask) if right and len(header) > 10 and "Bearer" not in header else answer


@group.server("auth.wrong_key")
class WrongKeyForbidden(KnowsKeys):
    """A wrong key gets 403."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status == 401 and ask.key and ask.key.count(".") != 2:
            answer.status = 403
        return answer


@group.server("auth.first")
class BodyFirst(KnowsKeys):
    """The body is looked at before the key."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status == 401 and ask.creates and "subject_image_list" not in ask.peek:
            return self.refuse(RefusalReason.INVALID)
        return answer


@group.server("auth.first")
class JSONFirst(KnowsKeys):
    """The body is parsed before the key is looked at."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if answer.status == 401 and ask.creates and ask.json is None:
            return self.refuse(RefusalReason.BAD_JSON)
        return answer


@group.server("auth.scheme_case")
class BearerExactly(Faulty):
    """The scheme has to be written Bearer."""

    def serve(self, ask: Ask) -> Answer:
        exact = ask.headers.get("authorization", "Bearer").startswith("Bearer")
        if not exact and ask.headers["authorization"].lower().startswith("bearer"):
            del ask.headers["authorization"]
        return self.right(ask)


class _Tokens(KnowsKeys):
    """One kind of bad token passes, known by the code that the right server refuses it with."""

    codes: frozenset[int] = frozenset()

    def again(self, ask: Ask, answer: Answer) -> Answer:
        bad = answer.status == 401 and answer.peek.get("code") in self.codes and ask.key.count(".") == 2
        return self.as_first(ask) if bad and self.wanted(ask) else answer

    def wanted(self, ask: Ask) -> bool:
        return True


@group.server("auth.token.expired", KLING)
class ExpiredTokens(_Tokens):
    """Nobody looks when a token expires."""

    codes = frozenset({1004})


@group.server("auth.token.expired", KLING)
class ExpiredCode(KnowsKeys):
    """An expired token is refused with the wrong code."""

    def again(self, ask: Ask, answer: Answer) -> Answer:
        if answer.peek.get("code") == 1004:
            answer.body["code"] = 1002
        return answer


@group.server("auth.token.early", KLING)
class EarlyTokens(_Tokens):
    """Nobody looks from when on a token is valid."""

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
    """Nobody looks at the signature of a token."""

    codes = frozenset({1000, 1002})

    def wanted(self, ask: Ask) -> bool:
        known = {_claims(good.partition(" ")[2]).get("iss") for good in self.good if good.count(".") == 2}
        return ask.headers["authorization"].startswith("Bearer ") and _claims(ask.key).get("iss") in known


@group.server("auth.token.issuer", KLING)
class AnyIssuer(_Tokens):
    """Nobody looks who issued a token."""

    codes = frozenset({1000, 1002})

    def wanted(self, ask: Ask) -> bool:
        return str(_claims(ask.key).get("iss")).endswith("-nobody")


@group.server("auth.token.unsigned", KLING)
class AlgorithmNone(_Tokens):
    """A token may say that it needs no signature."""

    codes = frozenset({1000, 1002})

    def wanted(self, ask: Ask) -> bool:
        return ask.key.endswith(".")
