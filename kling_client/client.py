"""`Client` (blocking) and `AsyncClient` (awaitable): the same methods, run by the same flows."""

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
from kling_client.errors import ConfigError
from kling_client.images import ImageLike
from kling_client.request import CreateRequest, write, write_fields
from kling_client.retry import Clock, Poll, Retry, monotonic
from kling_client.task import AsyncTask, Task
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.vocabulary import DEFAULT_PAGE_SIZE


class _Base:
    """Base of both clients. The repr leaves out the key; pickling is refused."""

    _config: Config

    def __repr__(self) -> str:
        config = self._config
        chosen = f", operation={config.operation.name!r}" if config.gateway.focus else ""
        return f"{type(self).__name__}(gateway={config.gateway.name!r}{chosen}, base_url={config.base_url!r})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled: it holds a key and connections; store task ids instead"
        )


class Client(_Base):
    """A blocking client. Threads may share one.

    - `gateway`: "cometapi", "kling" or a `Gateway`. It determines paths, validation rules and kind of key.
    - `api_key`: the key for CometAPI (default: COMETAPI_KEY), or a plain key for Kling (KLING_API_KEY).
    - `access_key`, `secret_key`: the pair for Kling (default: KLING_ACCESS_KEY, KLING_SECRET_KEY). The client
      signs tokens with them and renews them.
    - `operation`: an operation of the gateway, or its name. `create` uses it, and tasks are queried under its
      path. Default: the gateway's main operation, Multi-Image to Image.
    - `base_url`: default KLING_BASE_URL, then the gateway's own URL.
    - `timeout`: seconds for a whole query. A create has it for connecting, for each part of its body that is
      sent, and for the whole response.
    - `http_client`: an httpx client to use. It stays open when this client closes.
    - `clock` (monotonic seconds) and `sleep`: replaceable for tests.

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
        """Create a task and return it without waiting. Keep its id. Each call may cost money.

        An image is a Path, bytes, an `Image`, or text that is sent unchanged: a URL or raw base64. None is
        not sent, so the server's defaults apply. `extra` holds further fields of the body; a field with the
        name of an argument replaces it. `check=False` skips the validation.

        Raises InvalidRequest, ConfigError or OSError (unreadable file) before anything is sent; ApiError if
        the service refused the request; TransportError if it could not be sent; SubmitUncertain if it may
        have been accepted. Use `create` for operations without subject images.
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
        """Create a task of the client's operation from the fields of its body.

        A keyword replaces the field of that name in `body`, unless its value is `None`. Image fields accept a
        Path, bytes or an `Image`, also inside lists and objects. Validation, result and errors are those of
        `generate`; a keyword that is not a field raises ConfigError. The task of a synchronous operation is
        already terminal: `wait` makes no request.
        """
        operation = self._config.operation
        draft = write_fields(operation, body, fields, check=check)
        blank = Task(id="", driver=self._driver)
        return self._driver.run(flows.submit(self._config, draft, blank))

    def get(self, task_id: str) -> Task:
        """Query a task once. Raises NotFound, other ApiErrors, TransportError, UnexpectedReply.

        With gateway "kling", `task_id` may be an external id; the returned task has the service's id.
        """
        return self.task(task_id).refresh()

    def task(self, task_id: str) -> Task:
        """A task handle for an id. Makes no request, so the handle has no status yet.

        With gateway "kling", `task_id` may be an external id; tasks that the handle returns have the
        service's id.
        """
        return Task(id=_require_id(task_id), driver=self._driver)

    def list(self, *, page_size: int = DEFAULT_PAGE_SIZE.value) -> Iterator[Task]:
        """Iterate over the tasks of the account, newest first, up to the service's limit of 1000 pages.

        Pages (`page_size`: 1-500 tasks) are requested as the iteration reaches them. Each task is yielded
        once, even if tasks are created meanwhile. Raises ConfigError immediately if the gateway has no list
        route; while iterating, the errors of `get`.
        """
        flow = flows.listing(self._config, Task(id="", driver=self._driver), page_size)
        return cast("Iterator[Task]", self._driver.iterate(flow))

    def close(self) -> None:
        """Close the connections, except those of an `http_client` argument."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient(_Base):
    """`Client` with awaitable methods. One event loop at a time.

    `sleep` defaults to `asyncio.sleep`; pass `trio.sleep` or `anyio.sleep` under those libraries.
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
        """See `Client.generate`. Files are read in the event loop, which blocks it meanwhile."""
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
        """See `Client.create`. Files are read in the event loop, which blocks it meanwhile."""
        operation = self._config.operation
        draft = write_fields(operation, body, fields, check=check)
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
        raise ConfigError(f"task_id: must be a string, not {type(task_id).__name__} ({task_id!r})")
    if not task_id:
        raise ConfigError("task_id: must not be empty")
    return task_id
