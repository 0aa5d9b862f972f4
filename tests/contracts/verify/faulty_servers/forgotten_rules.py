"""Servers that do not check one rule, derived from the operations."""

from __future__ import annotations

from functools import partial
from typing import Final

from kling_contracts.gateways import GATEWAYS, Gateway
from kling_contracts.rules import Effect
from kling_contracts.verify.bodies import faults, minimal
from tests.contracts.verify.faulty_servers.base import Behind, FaultyServer, Group
from tests.contracts.verify.faulty_servers.messages import Object, Request

group: Final = Group()


def repair(gateway: Gateway, body: Object, name: str) -> None:
    """Replace a field by a valid value, or remove it, so that the correct server accepts the request."""
    operation = gateway.main
    body.pop(name, None)
    body |= {key: value for key, value in minimal(operation).items() if key == name}


class Forgetful(FaultyServer):
    """Does not check one rule."""

    def __init__(self, rule: str, behind: Behind) -> None:
        super().__init__(behind)
        self._rule = rule
        self._operation = behind.gateway.main

    def before(self, request: Request) -> None:
        if not request.creates or not request.peek:
            return
        violations = self._operation.read(request.peek).violations
        if violations and all(each.rule.id == self._rule for each in violations):
            for each in violations:
                repair(self.gateway, request.body, each.field.partition("[")[0])


def _rules(gateway: Gateway) -> dict[str, str]:
    """The sentences of the rules that refuse a request, by id."""
    rules = (fault.rule for fault in faults(gateway.main))
    return {rule.id: rule.sentence for rule in rules if rule.effect is Effect.REFUSED}


def _collect() -> None:
    rules = {gateway: _rules(gateway) for gateway in GATEWAYS}
    sentences = {rule: sentence for each in rules.values() for rule, sentence in each.items()}
    for rule, sentence in sentences.items():
        mine = tuple(gateway for gateway in GATEWAYS if rule in rules[gateway])
        group.add(
            f"refuses.{rule}",
            "the rule is forgotten",
            f"The rule is not checked: {sentence}.",
            partial(Forgetful, rule),
            mine,
        )


_collect()
