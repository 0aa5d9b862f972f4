"""What a request can ask for, as values: the commands that `service` decides about."""

from __future__ import annotations

from msgspec import Struct

from contracts.gateways import Gateway, Refusal, Situation
from contracts.operations import Operation
from contracts.vocabulary import Source
from kling_mock.records import TaskRequest


class Create(Struct, frozen=True):
    """A task is asked for, by a body that the operation accepts."""

    gateway: Gateway
    operation: Operation
    account: str
    request: TaskRequest
    failure: str | None
    notes: tuple[str, ...]
    origin: str | None

    @property
    def units(self) -> int:
        """What the task costs, in units of the price list."""
        return self.request.n * self.operation.units_per_image.value


class Query(Struct, frozen=True):
    """One task is asked about, by its id or external id."""

    gateway: Gateway
    account: str
    id: str


class List(Struct, frozen=True):
    """A page of the tasks of one route, newest first."""

    account: str
    operations: frozenset[str]
    page: int
    size: int


class ShowCosts(Struct, frozen=True):
    """What an account has left."""

    account: str


class FetchPicture(Struct, frozen=True):
    """Result pictures need no key: whoever has the URL may look, as with the real service."""

    task_id: str
    number: int
    path: str


class CheckHealth(Struct, frozen=True):
    """Anybody may ask whether this is a fake, and alive."""


class Refused(Struct, frozen=True):
    """A request that is refused without a look at the store."""

    refusal: Refusal
    rule: str
    source: Source
    relax: str | None
    account: str | None = None
    values: tuple[tuple[str, object], ...] = ()
    allow: str | None = None
    notes: tuple[str, ...] = ()


Named = tuple[tuple[str, object], ...]
Command = Create | Query | List | ShowCosts | FetchPicture | CheckHealth | Refused


def refused(  # noqa: PLR0913 -- one refusal has this many parts, all but two of them optional
    gateway: Gateway,
    situation: Situation,
    account: str | None = None,
    values: Named = (),
    *,
    relax: str | None = None,
    allow: str | None = None,
) -> Refused:
    refusal = gateway.refusals[situation]
    return Refused(refusal, situation.value, refusal.source, relax, account, values, allow)
