"""The adapter that a user writes: it submits, queries and waits with the client under test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from kling_contracts.gateways import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The scripted server as the client under test must use it: base URL, keys and gateway.

    - `base_url`: an origin without path prefix, in place of https://api.cometapi.com; the same for all calls.
    - `timeout`: seconds for one HTTP request, unless the client has its own timeout.
    - `api_key`: a plain key. With gateway KLING, also a token signed with `access_key` and `secret_key`.
    """

    base_url: str
    api_key: str
    gateway: Gateway
    timeout: float
    access_key: str = ""
    secret_key: str = ""

    @property
    def create_url(self) -> str:
        """The URL to create a task, by POST."""
        return self.base_url + self.gateway.create_path

    def task_url(self, task_id: str) -> str:
        """The URL to query a task, by GET."""
        return f"{self.create_url}/{quote(task_id, safe='')}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task as the client reports it: status, URLs of its images, reason of a failure."""

    status: str
    images: Sequence[str] = ()
    message: str | None = None


class ClientAdapter(ABC):
    """Base class of adapters. Methods may be `async def`; exceptions of the client need no translation.

    Three attributes describe the client:

    - `fields`: the body fields that it can send, by their names in the contract. None: all, and unknown ones.
    - `validates_locally`: it refuses invalid requests before sending. If False, the suite checks instead that
      refusals of the service reach the caller.
    - `virtual_time`: it waits in this process, by `time.sleep`, `asyncio.sleep`, other timers of the event
      loop, or `threading.Event.wait`; such waits take no real time. If False (for example for a client in
      another process), the tests take real seconds.
    """

    fields: Collection[str] | None = None
    validates_locally: bool = True
    virtual_time: bool = True

    @abstractmethod
    def submit(self, service: Service, request: dict[str, object]) -> str | Awaitable[str]:
        """Create a task and return its id. `request` is the body, with the contract's field names."""

    @abstractmethod
    def query(self, service: Service, task_id: str) -> Outcome | Awaitable[Outcome]:
        """Query a task once."""

    @abstractmethod
    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome | Awaitable[Outcome]:
        """Poll until the task has ended; raise after `deadline` seconds."""

    def fetch(self, service: Service, url: str) -> bytes | Awaitable[bytes]:
        """Download an image. Optional; without it, the properties of downloads are skipped."""
        # Not abstract, since most clients do not download. The suite calls only an overridden `fetch`.
        raise NotImplementedError(f"{type(self).__name__} does not define fetch")
