"""The class `Fake`: `handle(request) -> reply`, and the ways to connect clients to it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import fields, replace
from functools import lru_cache, partial
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from kling_contracts.extras import missing_package
from kling_mock.auth import account_name
from kling_mock.callbacks.dispatcher import CallbackDispatcher, OnAttempt
from kling_mock.fetched_pictures import with_pictures
from kling_mock.http import Reply, Request, check_headers
from kling_mock.images.urls import PictureInfo
from kling_mock.other_processes import OtherProcesses
from kling_mock.records import CallRecord
from kling_mock.saved_state import SavedState, StateNotEmpty
from kling_mock.service import Answer, answer, failed_answer, unkept_answer
from kling_mock.settings import FIXED, Settings, annotation_of
from kling_mock.stores import Change, StateNotKept, Store, run
from kling_mock.stores.memory import MemoryStore
from kling_mock.testing.unused_scripts import check_scripts
from kling_mock.testing.view import FakeView
from kling_mock.timing.client_time import client_time
from kling_mock.timing.clock import Clock, ManualClock
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    import respx
    from urllib3 import Retry

    from kling_mock.doors.asgi import ASGIApp
    from kling_mock.doors.httpx import FakeTransport
    from kling_mock.doors.httpx_interception import Interception
    from kling_mock.doors.requests import FakeAdapter
    from kling_mock.doors.server import Server
    from kling_mock.doors.webhook_sender import CallbackSender
    from kling_mock.scenarios.loaded_scenario import LoadedScenario, LoadReport
    from kling_mock.stores.redis.async_store import AsyncRedisStore
    from kling_mock.stores.redis.store import RedisStore

DAY = 86_400.0
PICTURES_CACHED = 64


class Fake(FakeView):
    """A mock of the service with accounts, tasks, clock, journal and callbacks.

    Accepts every setting of `Settings` by name, and a clock:

    >>> from kling_mock import Fake, ManualClock
    >>> fake = Fake(pace="polls:3", keys=["sk-one"], clock=ManualClock())

    `store` keeps the state; several fakes may share one. With `state="F.db"` it survives in a file, which one
    fake at a time uses; `close()` (or leaving `with Fake(...)`) lets go of it. A fake is thread-safe and
    deterministic: equal seeds, clocks and requests give equal ids, instants and bytes.
    """

    def __init__(self, *, clock: Clock | None = None, store: Store | None = None, **switches: object) -> None:
        if clock is not None and not isinstance(clock, Clock):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise TypeError(f"clock must be a Clock, such as Clock() or ManualClock(), not {clock!r}")
        if clock is not None and store is not None:
            raise TypeError(
                "clock: not accepted together with store, which has a clock; pass it to the store"
            )
        settings = Settings.of(switches)
        if store is None:
            store = _new_store(clock, settings)
        elif settings.state is not None:
            raise TypeError("state: not accepted together with store; use store=SqliteStore(path, ...)")
        self._problems: list[BaseException] = []
        dispatcher = CallbackDispatcher(store, settings, self._problems.append)
        notifier = ChangeNotifier(store.clock, dispatcher.settle, dispatcher.wake)
        super().__init__(store, settings, dispatcher, notifier)
        self._in_loop: Callable[[], AsyncRedisStore] | None = getattr(store, "in_loop", None)
        self._others = OtherProcesses(dispatcher, notifier, self._problems.append)
        self._fixed: str | None = None
        self._loaded: dict[Path, LoadedScenario] = {}
        self._draw = lru_cache(maxsize=PICTURES_CACHED)(_draw)
        self._listeners: list[Callable[[CallRecord], None]] = [
            lambda call: notifier.notify(call.task_id, has_callbacks=dispatcher.concerns(call))
        ]

    def account(self, key: str) -> FakeView:
        """The same view, restricted to the account of this API key."""
        return self.named_account(account_name(key))

    def named_account(self, name: str | None) -> FakeView:
        """The same view, restricted to the account with this name in the journal; None: all accounts."""
        return FakeView(self._store, self._settings, self._dispatcher, self._changes, name, self._written)

    def change_settings(self, **switches: object) -> None:
        """Change settings for all later requests; views made before keep theirs.

        Raises TypeError for an unknown name, ValueError for an invalid value or one that cannot change while
        the fake is in use: keys, seed, gateways, retention_days, journal_bytes, state, control_token.
        """
        for name in switches:
            annotation_of(name)
            reason = FIXED.get(name, self._fixed)
            if reason is not None:
                raise ValueError(f"{name}: cannot change while the fake is in use: {reason}")
        self._settings = replace(self._settings, **cast("dict[str, Any]", switches))
        self._dispatcher.adopt(self._settings)

    def fix_settings(self, reason: str) -> None:
        """Refuse to change settings from now on: `change_settings` raises ValueError with this reason."""
        self._fixed = reason

    def load(
        self, path: str | PathLike[str], *, defaults: Mapping[str, object] | None = None, **settings: object
    ) -> LoadReport:
        """Apply the settings and scripts of a scenario file.

        `settings` take precedence over those of the file, `defaults` (the present ones) do not. The same
        file can be loaded again: tasks stay, and unchanged scripts keep their number of uses. Raises
        ScenarioError, which lists all errors of the file, and changes nothing then.
        """
        from kling_mock.scenarios.loaded_scenario import LoadedScenario

        place = Path(path).absolute()
        loaded = self._loaded.get(place)
        if loaded is None:
            loaded = LoadedScenario(self, path, defaults)
        report = loaded.load(settings)
        self._loaded[place] = loaded
        return report

    # -- requests

    def handle(self, request: Request) -> Reply:
        """Answer a request. An internal error is answered with 500 and raised by `check()`.

        So is a state file that cannot be written, with 503. Raises TypeError only if the headers of `request`
        are not pairs of texts.
        """
        try:
            answered = self._answer(request)
        except Exception as problem:  # noqa: BLE001 -- the client must get a reply; check() raises the error
            answered = self._answer_problem(request, problem)
        return self._announced(answered)

    @property
    def handle_async(self) -> Callable[[Request], Coroutine[Any, Any, Reply]] | None:
        """`handle` for an event loop of asyncio, if the store does I/O; otherwise None.

        It fetches no pictures, whatever the setting `fetch_images`.
        """
        return None if self._in_loop is None else partial(self._handle_async, self._in_loop)

    async def _handle_async(self, in_loop: Callable[[], AsyncRedisStore], request: Request) -> Reply:
        try:
            steps = answer(request, self._settings, client_time(), self._draw)
            answered = await in_loop().perform(steps)
        except Exception as problem:  # noqa: BLE001 -- as in `handle`
            answered = self._answer_problem(request, problem)
        return self._announced(answered)

    def _announced(self, answered: Answer) -> Reply:
        """Call the listeners, and return the reply."""
        for listener in self._listeners:
            try:
                listener(answered.call)
            except Exception as problem:  # noqa: BLE001 -- a listener must not change the reply
                self._problems.append(problem)
        return answered.reply

    def _answer_problem(self, request: Request, problem: Exception) -> Answer:
        """The answer to a request for which the store or the fake failed."""
        if isinstance(problem, StateNotKept):
            if not any(isinstance(each, StateNotKept) for each in self._problems):
                self._problems.append(problem)
            return unkept_answer(request, problem, self.clock.now())
        check_headers(request)
        self._problems.append(problem)
        return self._answer_error(request, problem)

    def _answer_error(self, request: Request, bug: Exception) -> Answer:
        """The answer to a request for which the fake failed; it is written to the journal."""
        answered = failed_answer(request, bug, self.clock.now())
        try:
            self._store.commit(Change((), (answered.call,)))
        except Exception as problem:  # noqa: BLE001 -- perhaps the store is broken; the client still gets a reply
            self._problems.append(problem)
        return answered

    def _answer(self, request: Request) -> Answer:
        settings, now = self._settings, client_time()
        if settings.fetch_images != "off" and request.method == "POST":
            from kling_mock.doors.picture_client import fetch_pictures

            request = with_pictures(request, settings, now, fetch_pictures)
        return run(answer(request, settings, now, self._draw), self._store)

    def draw(self, picture: PictureInfo) -> bytes:
        """The PNG of a result picture, as a client downloads it."""
        return self._draw(picture)[0]

    def on_call(self, listener: Callable[[CallRecord], None], *, of_all: bool = False) -> None:
        """Call `listener` with the journal entry of each request after its commit, in the answering thread.

        `of_all`: also for the requests that other processes with the same state answer, while this one runs a
        server. An exception of the listener does not change the reply; `check()` raises it.
        """
        self._listeners.append(listener)
        if of_all:
            self._others.listeners.append(listener)

    def on_change(self, listener: Callable[[str | None], None]) -> None:
        """Call `listener` with a task id after each change of a task in this process, else with None."""
        self._changes.subscribe(listener)

    def reset(self) -> None:
        """Drop all tasks, calls, scripts and callbacks, and their receiver; clock and settings stay.

        For a fake that several tests use, one after another. Raises TypeError for a store that cannot.
        """
        self._dispatcher.deliver_to(None)
        super().reset()

    # -- all state

    def snapshot(self) -> SavedState:
        """All state at this instant: tasks, scripts, clock, journal, callback attempts, counters."""
        clock = ManualClock if isinstance(self.clock, ManualClock) else Clock
        return SavedState.of(self._keeper("snapshot()").items(), self._settings, clock)

    @classmethod
    def restore(cls, saved: SavedState, /, *, clock: Clock | None = None, **switches: object) -> Fake:
        """A new fake with this state; it shares nothing with the fake that the state is from.

        Its settings are those of that fake, or the defaults if the state is from a file, and `switches`. It
        has no receiver of callbacks, and `check()` does not report scripts that the other fake wrote.
        """
        kept: dict[str, Any] = {}
        if saved.settings is not None:
            kept = {each.name: getattr(saved.settings, each.name) for each in fields(Settings)}
        fake = Fake(
            clock=clock or saved.clock(), **{**kept, "state": None, **cast("dict[str, Any]", switches)}
        )
        try:
            fake.load_state(saved)
        except BaseException:
            fake.close()
            raise
        return fake

    def fork(self) -> Fake:
        """A new fake, in memory, with the same settings and past. Each has a future of its own."""
        return Fake.restore(self.snapshot())

    def load_state(self, state: SavedState, *, replace: bool = False) -> None:
        """Take over a state. Raises StateNotEmpty if there are tasks or scripts, unless `replace` is set.

        Raises ValueError if `state` is not a whole state; then nothing changes.
        """
        items = state.items()
        keeper = self._keeper("load_state()")
        with keeper.clock.lock:
            if not replace and not keeper.is_empty:
                raise StateNotEmpty(
                    "there are tasks or scripts already; replace them (--replace, replace=True), "
                    "or use an empty state"
                )
            keeper.load(items)
        self._dispatcher.begin_again()
        self.clock.announce()

    def _keeper(self, what: str) -> MemoryStore:
        if not isinstance(self._store, MemoryStore):
            raise TypeError(f"{what}: the store {type(self._store).__name__} cannot list its state")
        return self._store

    def check(self) -> None:
        """Raise the errors so far: internal ones, those of listeners and callback receivers, unused scripts.

        Each error is raised once, several of them as an ExceptionGroup; unused scripts alone as
        `UnusedScripts`, an AssertionError. The setting `unused_scripts` makes a warning of it or ignores it.
        """
        problems, self._problems[:] = list(self._problems), []
        unused = check_scripts(self, self._written.take(), self._settings.unused_scripts)
        if unused is not None:
            if not problems:
                raise unused
            problems.append(unused)
        if problems:
            raise BaseExceptionGroup(
                "errors while the fake answered requests or delivered callbacks", problems
            )

    def close(self) -> None:
        """Close the state file, if there is one; requests are then answered with 503.

        A file that was not closed is complete too.
        """
        close: object = getattr(self._store, "close", None)
        if callable(close):
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def report(self, problem: Exception) -> None:
        """Add an error of a transport, for `check()` to raise."""
        self._problems.append(problem)

    def forget_scripts(self) -> None:
        """Never report the scripts so far as unused: the test has failed before it could use them."""
        self._written.take()

    # -- connecting clients

    def transport(self) -> FakeTransport:
        """A transport for the clients of httpx and httpx2, sync and async: this fake answers all requests."""
        from kling_mock.doors.httpx import FakeTransport

        return FakeTransport(self.handle)

    def intercept(self, *, only: bool = False) -> Interception:
        """A context manager: this fake answers the requests of httpx and httpx2 to the service's hosts.

        Requests to other hosts reach the mocks that were started before, or the network; with `only` they are
        refused. While the context is active, the names of the service's hosts cannot be resolved, so that no
        other HTTP library can reach the paid service. Of several interceptions, the one opened last answers.
        """
        from kling_mock.doors.httpx_interception import Interception

        return Interception(self.handle, only=only)

    def requests_adapter(self, max_retries: Retry | int = 0) -> FakeAdapter:
        """An adapter for `requests.Session.mount`: every request to its prefix is answered here.

        `max_retries` as for `HTTPAdapter`: a number of connection errors, or a `Retry` of urllib3.
        """
        try:
            from kling_mock.doors.requests import FakeAdapter
        except ModuleNotFoundError as error:
            raise missing_package(error) from error

        return FakeAdapter(self.handle, max_retries)

    def respx_route(self, router: respx.Router) -> respx.Route:
        """Add a route for the service's hosts to a respx router of your own; needs the extra `respx`."""
        try:
            from kling_mock.doors.respx_router import add_route
        except ModuleNotFoundError as error:
            raise missing_package(error, "respx") from error

        return add_route(router, self.handle)

    def asgi(self) -> ASGIApp:
        """This fake as an ASGI application."""
        from kling_mock.doors.asgi import ASGIApp

        return ASGIApp(self)

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Server:
        """A context manager that runs a server in a thread; `.url` is its address. Port 0: any free port.

        The server sends callbacks to the receivers that the setting `callbacks` allows.
        """
        from kling_mock.doors.server import Server

        return Server(self.asgi(), host, port, background=self.background())

    def background(self, on_attempt: OnAttempt | None = None) -> Callable[[], Coroutine[Any, Any, None]]:
        """A coroutine function for the event loop of a server, which runs until it is cancelled.

        It sends callbacks as `sender` does, and follows the other processes with the same state.
        """
        sender = self.sender(on_attempt)
        if self._in_loop is None:
            return sender.run
        return partial(self._others.follow, cast("RedisStore", self._store), sender.run)

    def sender(self, on_attempt: OnAttempt | None = None) -> CallbackSender:
        """The sender of callbacks over HTTP: `run()` is a coroutine for the event loop of a server.

        `on_attempt` is called with each callback and its attempt; with None if the receiver is not called.
        """
        from kling_mock.doors.webhook_sender import CallbackSender

        return CallbackSender(self._dispatcher, self._changes, on_attempt)


def _new_store(clock: Clock | None, settings: Settings) -> Store:
    """A store in memory or, with the setting `state`, in a file or in Redis."""
    retention, journal_bytes = settings.retention_days * DAY, settings.journal_bytes
    if settings.state is not None and "://" in settings.state:
        from kling_mock.stores.redis.store import RedisStore

        if clock is not None:
            raise TypeError("clock: not accepted together with a state in Redis, which has a clock")
        return RedisStore(settings.state, retention=retention, journal_bytes=journal_bytes)
    clock = clock or Clock()
    if settings.state is None:
        return MemoryStore(clock, retention=retention, journal_bytes=journal_bytes)
    from kling_mock.stores.sqlite import SqliteStore

    return SqliteStore(settings.state, clock, retention=retention, journal_bytes=journal_bytes)


def _draw(result: PictureInfo) -> tuple[bytes, str]:
    """A PNG and its entity tag. Pillow is imported for the first picture."""
    from kling_mock.images.draw import draw_picture

    png = draw_picture(result)
    return png, f'"{sha256(png).hexdigest()[:32]}"'
