"""The class `Fake`: its settings, all of its state, and the ways to connect clients to it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from kling_contracts.extras import missing_package
from kling_mock.auth import account_name
from kling_mock.callbacks.dispatcher import OnAttempt
from kling_mock.request_handler import RequestHandler
from kling_mock.saved_state import SavedState, StateNotEmpty
from kling_mock.settings import FIXED, Settings, annotation_of
from kling_mock.stores import Store, Transferable
from kling_mock.stores.memory import MemoryStore
from kling_mock.testing.view import FakeView
from kling_mock.timing.clock import Clock, ManualClock

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
    from kling_mock.stores.redis.store import RedisStore

DAY = 86_400.0


class Fake(RequestHandler):
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
        super().__init__(store, settings)
        self._fixed: str | None = None
        self._loaded: dict[Path, LoadedScenario] = {}

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
        kept = {**kept, "state": None, **cast("dict[str, Any]", switches)}
        if clock is None and "://" not in str(kept["state"]):  # Redis has a clock of its own
            clock = saved.clock()
        fake = Fake(clock=clock, **kept)
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
        if not self._keeper("load_state()").take_over(items, replace=replace):
            raise StateNotEmpty(
                "there are tasks or scripts already; replace them (--replace, replace=True), "
                "or use an empty state"
            )
        self._dispatcher.begin_again()
        self.clock.announce()

    def _keeper(self, what: str) -> Transferable:
        if not isinstance(self._store, Transferable):
            raise TypeError(f"{what}: the store {type(self._store).__name__} cannot list its state")
        return self._store

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

        It sends callbacks as `sender` does, and follows the changes that other processes with the same state
        make after this call.
        """
        sender = self.sender(on_attempt)
        if self.handle_async is None:
            return sender.run
        return self._others.following(cast("RedisStore", self._store), sender.run)

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
