"""`Client` and `AsyncClient`: the same names, blocking and awaitable, over the same flows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, cast

from kling_client import flows, http
from kling_client.config import (
    DEFAULT_GATEWAY,
    DEFAULT_MAX_IMAGE_BYTES,
    DEFAULT_POLL,
    DEFAULT_RETRY,
    DEFAULT_TIMEOUT,
    Config,
    configure,
)
from kling_client.drive import AsyncDriver, AwaitableSleep, BlockingSleep, Driver, asleep, sleep
from kling_client.errors import ConfigError, UnexpectedReply
from kling_client.images import ImageLike
from kling_client.replies import BODY_SHOWN, decode
from kling_client.request import CreateRequest, body_of, write, write_body
from kling_client.retry import Clock, Poll, Retry, monotonic
from kling_client.task import AsyncTask, Task
from kling_contracts.gateways import Gateway
from kling_contracts.messages import MalformedMessage, TaskMessage
from kling_contracts.operations import Operation
from kling_contracts.vocabulary import DEFAULT_PAGE_SIZE


class _Base:
    """What both clients have: a checked configuration that is never shown or stored whole."""

    _config: Config

    def __repr__(self) -> str:
        config = self._config
        chosen = f", operation={config.operation.name!r}" if config.gateway.focus else ""
        return f"{type(self).__name__}(gateway={config.gateway.name!r}{chosen}, base_url={config.base_url!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError(f"a {type(self).__name__} holds a key and connections; store task ids instead")


class Client(_Base):
    """A blocking client. Threads may share one.

    `gateway` is "cometapi" or "kling", or one declared as a `Gateway`, and decides paths, rules and keys:
    CometAPI takes `api_key` (COMETAPI_KEY where it is not given); Kling itself `access_key` with `secret_key`
    (KLING_ACCESS_KEY, KLING_SECRET_KEY), of which tokens are made and renewed, or `api_key` (KLING_API_KEY).
    `operation` is one that the gateway offers, or its name: what `create` creates, and where tasks are asked
    for; without it the gateway's main one, which is Multi-Image to Image. `base_url` is
    KLING_BASE_URL where it is not given, else the gateway's own. `timeout` is in seconds, for each of
    connecting, sending and receiving. An `http_client` that is passed in stays open when this client
    closes. `clock` (seconds, monotonic) and `sleep` can be replaced for tests.
    Raises ConfigError.
    """

    def __init__(  # noqa: PLR0913 -- options, all by keyword
        self,
        api_key: str | None = None,
        *,
        gateway: str | Gateway = DEFAULT_GATEWAY,
        operation: str | Operation | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        base_url: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry: Retry = DEFAULT_RETRY,
        poll: Poll = DEFAULT_POLL,
        max_image_bytes: int = DEFAULT_MAX_IMAGE_BYTES,
        http_client: http.SyncHTTP | None = None,
        clock: Clock = monotonic,
        sleep: BlockingSleep = sleep,
    ) -> None:
        self._config = configure(
            gateway=gateway,
            operation=operation,
            api_key=api_key,
            access_key=access_key,
            secret_key=secret_key,
            base_url=base_url,
            timeout=timeout,
            retry=retry,
            poll=poll,
            max_image_bytes=max_image_bytes,
            clock=clock,
        )
        self._http = http.open_client(http_client)
        self._owned = http_client is None
        self._driver = Driver(self._config, self._http, sleep)

    def generate(  # noqa: PLR0913 -- the fields of the request, by keyword
        self,
        images: Sequence[ImageLike],
        prompt: str | None = None,
        *,
        aspect_ratio: str | None = None,
        n: int | None = None,
        scene: ImageLike | None = None,
        style: ImageLike | None = None,
        model: str | None = None,
        callback_url: str | None = None,
        external_task_id: str | None = None,
        extra: Mapping[str, object] | None = None,
        check: bool = True,
    ) -> Task:
        """Create a task and return it at once: its id is the receipt. Each call may cost money.

        A picture is a Path, bytes, an `Image`, or text that is sent as it is: a URL, or raw base64. What is
        None is not sent, so that the server's default holds. `extra` has further fields of the body; one
        that is named like an argument replaces it. `check=False` sends what the contract refuses.

        Raises InvalidRequest or ConfigError before, OSError for an unreadable file; ApiError if it was
        refused; TransportError if it could not be sent; SubmitUncertain if it may have been accepted.
        For operations without subject pictures there is `create`.
        """
        request = CreateRequest(
            images=images,
            prompt=prompt,
            aspect_ratio=aspect_ratio,
            n=n,
            scene=scene,
            style=style,
            model=model,
            callback_url=callback_url,
            external_task_id=external_task_id,
            extra=extra,
        )
        draft = write(request, self._config.operation, check=check)
        blank = Task(id="", driver=self._driver)
        return self._driver.run(flows.submit(self._config, draft, blank))

    def create(
        self, body: Mapping[str, object] | None = None, /, *, check: bool = True, **fields: object
    ) -> Task:
        """Create a task of the client's operation, whichever it is, from the fields of its body.

        A keyword replaces the field of that name in `body`, and is not sent where it is None. Where the
        operation has a picture, a Path, bytes or an `Image` may stand, in lists and objects as well. Returns,
        checks and raises what `generate` does; raises ConfigError for a keyword that is not a field. The task
        of a synchronous operation has ended already: `wait` makes no request.
        """
        operation = self._config.operation
        draft = write_body(body_of(operation, body, fields), operation, check=check)
        blank = Task(id="", driver=self._driver)
        return self._driver.run(flows.submit(self._config, draft, blank))

    def get(self, task_id: str) -> Task:
        """The task as it is now. Raises NotFound, other ApiErrors, TransportError, UnexpectedReply.

        On Kling itself `task_id` may be an external id; what is returned has the id of the service.
        """
        return self.task(task_id).refresh()

    def task(self, task_id: str) -> Task:
        """A handle from an id. Makes no request: `status` is None in it, but not in what it returns.

        On Kling itself `task_id` may be an external id; what the handle returns has the id of the service.
        """
        return Task(id=_require_id(task_id), driver=self._driver)

    def list(self, *, page_size: int = DEFAULT_PAGE_SIZE.value) -> Iterator[Task]:
        """The tasks of the account, newest first, as far back as the service goes (1000 pages).

        A page (1-500 tasks) is asked for when the iterator gets there. A task is given once, also if
        others are created meanwhile. Raises ConfigError at once on a gateway that does not list, and what
        `get` raises while iterating.
        """
        flow = flows.listing(self._config, Task(id="", driver=self._driver), page_size)
        return cast("Iterator[Task]", self._driver.iterate(flow))

    def close(self) -> None:
        """Close the connections, unless they belong to an `http_client` that was passed in."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Base):
    """An asynchronous client: `Client` with awaitable methods. One event loop at a time.

    `sleep` is `asyncio.sleep` unless replaced, for example by that of another event loop library.
    """

    def __init__(  # noqa: PLR0913 -- options, all by keyword
        self,
        api_key: str | None = None,
        *,
        gateway: str | Gateway = DEFAULT_GATEWAY,
        operation: str | Operation | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        base_url: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry: Retry = DEFAULT_RETRY,
        poll: Poll = DEFAULT_POLL,
        max_image_bytes: int = DEFAULT_MAX_IMAGE_BYTES,
        http_client: http.AsyncHTTP | None = None,
        clock: Clock = monotonic,
        sleep: AwaitableSleep = asleep,
    ) -> None:
        self._config = configure(
            gateway=gateway,
            operation=operation,
            api_key=api_key,
            access_key=access_key,
            secret_key=secret_key,
            base_url=base_url,
            timeout=timeout,
            retry=retry,
            poll=poll,
            max_image_bytes=max_image_bytes,
            clock=clock,
        )
        self._session = http.AsyncSession(http_client)
        self._driver = AsyncDriver(self._config, self._session, sleep)

    async def generate(  # noqa: PLR0913 -- the fields of the request, by keyword
        self,
        images: Sequence[ImageLike],
        prompt: str | None = None,
        *,
        aspect_ratio: str | None = None,
        n: int | None = None,
        scene: ImageLike | None = None,
        style: ImageLike | None = None,
        model: str | None = None,
        callback_url: str | None = None,
        external_task_id: str | None = None,
        extra: Mapping[str, object] | None = None,
        check: bool = True,
    ) -> AsyncTask:
        """See `Client.generate`. Files are read without a thread."""
        request = CreateRequest(
            images=images,
            prompt=prompt,
            aspect_ratio=aspect_ratio,
            n=n,
            scene=scene,
            style=style,
            model=model,
            callback_url=callback_url,
            external_task_id=external_task_id,
            extra=extra,
        )
        draft = write(request, self._config.operation, check=check)
        blank = AsyncTask(id="", driver=self._driver)
        return await self._driver.run(flows.submit(self._config, draft, blank))

    async def create(
        self, body: Mapping[str, object] | None = None, /, *, check: bool = True, **fields: object
    ) -> AsyncTask:
        """See `Client.create`. Files are read without a thread."""
        operation = self._config.operation
        draft = write_body(body_of(operation, body, fields), operation, check=check)
        blank = AsyncTask(id="", driver=self._driver)
        return await self._driver.run(flows.submit(self._config, draft, blank))

    async def get(self, task_id: str) -> AsyncTask:
        """See `Client.get`."""
        return await self.task(task_id).refresh()

    def task(self, task_id: str) -> AsyncTask:
        """See `Client.task`."""
        return AsyncTask(id=_require_id(task_id), driver=self._driver)

    def list(self, *, page_size: int = DEFAULT_PAGE_SIZE.value) -> AsyncIterator[AsyncTask]:
        """See `Client.list`; iterate with `async for`."""
        flow = flows.listing(self._config, AsyncTask(id="", driver=self._driver), page_size)
        return cast("AsyncIterator[AsyncTask]", self._driver.iterate(flow))

    async def close(self) -> None:
        """See `Client.close`."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _require_id(task_id: str) -> str:
    if not isinstance(task_id, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass numbers
        raise ConfigError(f"a task id is text, not {task_id!r}")
    if not task_id:
        raise ConfigError("the task id is empty")
    return task_id


def parse_callback(body: bytes | str) -> TaskMessage:
    """The task in the body of a callback: a bare task object. Checks its shape, not who sent it.

    Raises UnexpectedReply (with status 0: no answer is involved) for anything else.
    """
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    try:
        return TaskMessage.from_wire(decode(body))
    except MalformedMessage as error:
        raise UnexpectedReply(0, text[:BODY_SHOWN], str(error)) from error
