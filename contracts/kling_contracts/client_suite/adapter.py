"""What a user writes: an adapter that submits, queries and waits with the client under test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from kling_contracts.gateways import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The address of the scripted server, and the keys and the gateway that the client has to use.

    `base_url` is an origin without prefix (what stands in for https://api.cometapi.com), the same for all
    calls; `timeout` the seconds that one HTTP request should be given, unless the client has a timeout of its
    own. Kling itself accepts `api_key`, or a token signed with `access_key` and `secret_key`.
    """

    base_url: str
    api_key: str
    gateway: Gateway
    timeout: float
    access_key: str = ""
    secret_key: str = ""

    @property
    def create_url(self) -> str:
        """Where a task is created, by POST."""
        return self.base_url + self.gateway.create_path

    def task_url(self, task_id: str) -> str:
        """Where a task is queried, by GET."""
        return f"{self.create_url}/{quote(task_id, safe='')}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The client's view of a task: its status, the URLs of its images, the reason of a failure."""

    status: str
    images: Sequence[str] = ()
    message: str | None = None


class ClientAdapter(ABC):
    """The client under test, under names that the suite knows.

    Exceptions need no translation: they are judged by what was seen on the wire. Every method may be
    `async def` instead. Three attributes describe the client:

    `fields`: the body fields that it can send, by the names of the contract; None: all, and unknown ones.
    `validates_locally`: whether it refuses an invalid request before sending. If not, the suite asks that
    what the service refuses reaches the caller.
    `virtual_time`: whether it waits in this process by `time.sleep`, `asyncio.sleep` or other timers of the
    event loop, or `threading.Event.wait`; then waiting takes no time. A client that waits otherwise, in
    another process for example, takes real seconds.
    """

    fields: Collection[str] | None = None
    validates_locally: bool = True
    virtual_time: bool = True

    @abstractmethod
    def submit(self, service: Service, request: dict[str, object]) -> str | Awaitable[str]:
        """Create a task and give its id. `request` is the body as the contract has it."""

    @abstractmethod
    def query(self, service: Service, task_id: str) -> Outcome | Awaitable[Outcome]:
        """Ask once."""

    @abstractmethod
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome | Awaitable[Outcome]:
        """Ask until the task has ended, or raise once `deadline` seconds are over."""

    def fetch(self, service: Service, url: str) -> bytes | Awaitable[bytes]:
        """Download a picture. Optional: where it is left out, its properties are skipped."""
        raise NotImplementedError
