"""Requests as typed values: the commands. `keys` are the store keys that `decide` needs for a command."""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

from msgspec import Struct

from kling_contracts.gateways import Gateway, Refusal, RefusalReason
from kling_contracts.operations import Operation
from kling_contracts.vocabulary import Source
from kling_mock.auth import Token
from kling_mock.http import Request
from kling_mock.stores import SCRIPTS, AccountKey, ExternalKey, Key, PageKey, ScriptsKey, TaskKey
from kling_mock.task_request import TaskRequest


class Create(Struct, frozen=True):
    """Create a task. `failure` is its `task_status_msg` if it will fail; `origin` begins its result URLs."""

    gateway: Gateway
    operation: Operation
    account: str
    request: TaskRequest
    failure: str | None
    notes: tuple[str, ...]
    origin: str | None

    @property
    def keys(self) -> tuple[Key[Any], ...]:
        external_id = self.request.external_task_id
        taken = (ExternalKey(self.account, external_id),) if external_id else ()
        return (AccountKey(self.account), SCRIPTS, *taken)

    @property
    def units(self) -> int:
        """The price of the task, in units of the price list."""
        return self.request.n * self.operation.units_per_image.value


@final
class Query(Struct, frozen=True):
    """Get one task by its id or, where the gateway supports that, by its external id."""

    gateway: Gateway
    account: str
    id: str

    @property
    def keys(self) -> tuple[Key[Any], ...]:
        by_id = TaskKey(self.id)
        if self.gateway.finds_external_ids:
            return (by_id, ExternalKey(self.account, self.id), SCRIPTS)
        return (by_id, SCRIPTS)


class List(Struct, frozen=True):
    """Get a page of the tasks of one route, newest first."""

    account: str
    operations: frozenset[str]
    page: int
    size: int

    @property
    def keys(self) -> tuple[PageKey, ScriptsKey]:
        return (PageKey(self.account, self.operations, (self.page - 1) * self.size, self.size), SCRIPTS)


class ShowCosts(Struct, frozen=True):
    """Get the remaining balance of an account."""

    account: str

    @property
    def keys(self) -> tuple[AccountKey, ScriptsKey]:
        return (AccountKey(self.account), SCRIPTS)


class FetchPicture(Struct, frozen=True):
    """Get a result picture. Needs no key, as on the real service: the URL is enough.

    `task_id` is empty, which no task has, for a path in the folder of results that identifies none.
    `redirected`: the URL is the target of a redirect by which a fault answered another download.
    """

    task_id: str
    number: int
    path: str
    watermark: bool = False
    redirected: bool = False

    @property
    def keys(self) -> tuple[TaskKey, ScriptsKey]:
        return (TaskKey(self.task_id), SCRIPTS)


class CheckHealth(Struct, frozen=True):
    """Get the health of the server. Needs no key; the reply identifies kling-mock."""

    account: ClassVar[None] = None
    keys: ClassVar[tuple[ScriptsKey]] = (SCRIPTS,)


class Refused(Struct, frozen=True):
    """A request that is refused without reading the store. `values` fill in the refusal's message.

    `request` has the fields of a create as they were sent, if they are kept.
    """

    refusal: Refusal
    rule: str
    source: Source
    relax: str | None
    account: str | None = None
    values: tuple[tuple[str, object], ...] = ()
    allow: str | None = None
    notes: tuple[str, ...] = ()
    request: TaskRequest | None = None
    keys: ClassVar[tuple[ScriptsKey]] = (SCRIPTS,)


# The query string of the target of a redirect.
REDIRECTED: Final = "redirected=1"
Named = tuple[tuple[str, object], ...]
Command = Create | Query | List | ShowCosts | FetchPicture | CheckHealth | Refused


@final
class ParsedRequest(Request, frozen=True, kw_only=True):
    """A request that was parsed before, perhaps by another process; its body may be missing."""

    command: Command
    token: Token | None


def refused(  # noqa: PLR0913 -- one refusal has this many parts, all but two of them optional
    gateway: Gateway,
    reason: RefusalReason,
    account: str | None = None,
    values: Named = (),
    *,
    relax: str | None = None,
    allow: str | None = None,
) -> Refused:
    """The command for a refusal of a gateway. `relax` names the setting that would allow the request."""
    refusal = gateway.refusals[reason]
    return Refused(refusal, reason.value, refusal.rule_source, relax, account, values, allow)
