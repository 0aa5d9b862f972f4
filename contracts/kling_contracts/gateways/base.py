"""A gateway as data: hosts, path prefix, routes, and its error responses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import NamedTuple, cast

from kling_contracts.gateways.refusals import Refusal, RefusalReason
from kling_contracts.operations import Operation
from kling_contracts.rules import Rule
from kling_contracts.suggestions import did_you_mean
from kling_contracts.vocabulary import Source


class Route(NamedTuple):
    """A path of a gateway, and the operations that share it; `optional` ones must be enabled.

    The operation of a body is the first whose selector is a key of the body, else the one without a selector,
    else the first.
    """

    tail: str
    operations: tuple[Operation, ...]
    source: Source
    optional: tuple[Operation, ...] = ()

    def operation(self, body: object, enabled: Collection[str] = ()) -> Operation:
        """The operation of a decoded body; `enabled` are the names of enabled optional operations."""
        offered = (*self.operations, *(each for each in self.optional if each.name in enabled))
        keys = cast("dict[str, object]", body).keys() if isinstance(body, dict) else ()
        plain = [each for each in offered if each.selector is None]
        chosen = [each for each in offered if each.selector in keys]
        return (*chosen, *plain, *offered)[0]

    def sole_operation(self, enabled: Collection[str] = ()) -> Operation | None:
        """An operation that is that of every body which is valid for it, if the declarations show one.

        It is the first: if it is the only one, or if it requires the key that selects it.
        """
        first = self.operations[0]
        if len(self.operations) == 1 and not (enabled and self.optional):
            return first
        return first if first.selector in first.required_keys else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Gateway:
    """One provider of the service. Gateways are singletons and compare by identity.

    `finds_external_ids`: a query accepts the external id as well. `lists`: GET on a create path lists tasks.
    `takes_tokens`: the bearer may be a signed token (JWT). `looks_for_model_first`: the model is checked
    before everything else in the body. `focus` is the operation for clients, checks and documents; None: the
    first operation of the first route.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    prefix: str
    routes: tuple[Route, ...]
    refusals: Mapping[RefusalReason, Refusal]
    source: Source
    finds_external_ids: bool
    lists: bool
    takes_tokens: bool
    looks_for_model_first: bool
    focus: Operation | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def main(self) -> Operation:
        """The operation for clients, checks and documents: `focus`, or the first one."""
        return self.focus or self.routes[0].operations[0]

    def focused(self, operation: Operation) -> Gateway:
        """A copy of the gateway with `operation` as `main`. Raises LookupError if no route offers it."""
        return self if operation is self.main else _focused(self, operation)

    def route_of(self, operation: Operation) -> Route:
        """The route that offers an operation. Raises LookupError if there is none."""
        for route in self.routes:
            if operation in (*route.operations, *route.optional):
                return route
        raise LookupError(f"{self.title} has no route for the operation {operation.name!r}")

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of all routes, optional ones included."""
        return tuple(each for route in self.routes for each in (*route.operations, *route.optional))

    def find_operation(self, name: str) -> Operation:
        """The operation of this name. Raises LookupError, which suggests or lists names."""
        known = {each.name: each for each in self.operations}
        if name not in known:
            raise LookupError(f"{self.title}: unknown operation {name!r}; {did_you_mean(name, known)}")
        return known[name]

    @cached_property
    def create_path(self) -> str:
        """The path of create requests of the main operation."""
        return self.path(self.route_of(self.main))

    @cached_property
    def create_paths(self) -> Mapping[str, Route]:
        """The path of create requests of every route."""
        return {self.path(route): route for route in self.routes}

    @cached_property
    def costs_path(self) -> str:
        """The path of the account's resource packs; many clients use it to validate a key."""
        return f"{self.prefix}/account/costs"

    @property
    def base_url(self) -> str:
        """The URL of the real service, without the prefix."""
        return f"https://{self.hosts[0]}"

    def path(self, route: Route) -> str:
        """The path of create requests of a route, with the prefix of the gateway."""
        return f"{self.prefix}/v1/{route.tail}"

    def refusal_for(self, rule: Rule) -> Refusal:
        """The error response for a broken rule: that of the rule's id (unknown model), else of INVALID."""
        named = [reason for reason in self.refusals if reason.value == rule.id]
        return self.refusals[named[0] if named else RefusalReason.INVALID]


@cache
def _focused(gateway: Gateway, operation: Operation) -> Gateway:
    gateway.route_of(operation)
    return replace(gateway, focus=operation)
