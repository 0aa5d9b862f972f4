"""The fake itself: one `handle(request) -> reply`, the doors to it, and what a test says to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from time import time as system_time
from typing import TYPE_CHECKING
from uuid import uuid4

from kling_contracts.gateways import COMETAPI, RefusalReason
from kling_mock.auth import account_name
from kling_mock.callbacks.dispatcher import CallbackDispatcher, Tell
from kling_mock.http import Reply, Request, json_reply
from kling_mock.images.urls import PictureInfo
from kling_mock.records import CallRecord
from kling_mock.service import Answer, answer
from kling_mock.settings import Settings
from kling_mock.stores import Store, run
from kling_mock.stores.memory import MemoryStore
from kling_mock.testing.view import FakeView
from kling_mock.timing.clock import Clock
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    from kling_mock.doors.asgi import ASGIApp
    from kling_mock.doors.httpx import FakeTransport
    from kling_mock.doors.respx_router import Interception
    from kling_mock.doors.server import Server
    from kling_mock.doors.webhook_sender import CallbackSender

DAY = 86_400.0
PICTURES_CACHED = 64


class Fake(FakeView):
    """A fake of the service, complete with accounts, tasks, clock, journal and outbox.

    Takes the switches of `Settings` by name, and a clock:

    >>> from kling_mock import Fake, ManualClock
    >>> fake = Fake(pace="polls:3", keys=["sk-one"], clock=ManualClock())

    `store` keeps its state; several fakes may share one. A fake is safe to use from several threads. What it
    does is repeatable: the same seed, clock and calls give the same ids, instants and bytes.
    """

    def __init__(self, *, clock: Clock | None = None, store: Store | None = None, **switches: object) -> None:
        if clock is not None and not isinstance(clock, Clock):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise TypeError(f"clock: {clock!r} is not a Clock; use Clock() or ManualClock()")
        if clock is not None and store is not None:
            raise TypeError("clock: a store has a clock already; give that to the store, or leave it out")
        settings = Settings.of(switches)
        if store is None:
            retention = settings.retention_days * DAY
            store = MemoryStore(clock or Clock(), retention=retention, journal_bytes=settings.journal_bytes)
        self._problems: list[Exception] = []
        dispatcher = CallbackDispatcher(store, settings, self._problems.append)
        watch = ChangeNotifier(store.clock, dispatcher.settle, dispatcher.wake)
        super().__init__(store, settings, dispatcher, watch)
        self._draw = lru_cache(maxsize=PICTURES_CACHED)(_draw)
        self._listeners: list[Callable[[CallRecord], None]] = [lambda call: watch.notify(call.task_id)]

    @property
    def settings(self) -> Settings:
        """The switches it was made with."""
        return self._settings

    def account(self, key: str) -> FakeView:
        """The same view, of the account with this key alone."""
        name = account_name(key)
        return FakeView(self._store, self._settings, self._dispatcher, self._notifier, name)

    # -- answering

    def handle(self, request: Request) -> Reply:
        """Answer a request. Never raises: a bug of ours is a 500, kept for `check()`."""
        try:
            answered = self._answer(request)
        except Exception as bug:  # noqa: BLE001 -- a door must get a reply; check() raises the bug again
            self._problems.append(bug)
            refusal = COMETAPI.refusals[RefusalReason.INTERNAL]
            return json_reply(refusal.status, refusal.body(str(uuid4())))
        for listener in self._listeners:
            try:
                listener(answered.call)
            except Exception as problem:  # noqa: BLE001 -- what listens cannot change an answer
                self._problems.append(problem)
        return answered.reply

    def _answer(self, request: Request) -> Answer:
        return run(answer(request, self._settings, system_time(), self._draw), self._store)

    def on_call(self, listener: Callable[[CallRecord], None]) -> None:
        """Call `listener` with each call after its commit, in the thread that answers it.

        What it raises changes no answer, and is raised by `check()`.
        """
        self._listeners.append(listener)

    def check(self) -> None:
        """Raise what went wrong behind a reply: a bug in the fake, an exception of a callback receiver."""
        problems, self._problems[:] = list(self._problems), []
        if problems:
            raise ExceptionGroup("while the fake was answering", problems)

    # -- doors

    def transport(self) -> FakeTransport:
        """A transport for `httpx.Client` and `httpx.AsyncClient` alike: every request is answered here."""
        from kling_mock.doors.httpx import FakeTransport

        return FakeTransport(self.handle)

    def intercept(self, *, only: bool = False) -> Interception:
        """A context manager in which every httpx client's calls to the service are answered here.

        Other hosts are left to a respx router of your own if one is active, and else pass; with `only`
        they are refused. While it is active the names of the service's hosts cannot be resolved, so no
        other HTTP library can reach the paid service by accident.
        """
        from kling_mock.doors.respx_router import Interception

        return Interception(self.handle, only=only)

    def asgi(self) -> ASGIApp:
        """An ASGI application."""
        from kling_mock.doors.asgi import ASGIApp

        return ASGIApp(self)

    def serve(self, host: str = "127.0.0.1", port: int = 0) -> Server:
        """A context manager: serves on a socket from a thread, `.url` says where (port 0: any free one).

        While it serves, it sends callbacks to the receivers that the setting `callbacks` lets it call.
        """
        from kling_mock.doors.server import Server

        return Server(self.asgi(), host, port, beside=self.sender().run)

    def sender(self, tell: Tell | None = None) -> CallbackSender:
        """What sends callbacks over HTTP: `run()` is a coroutine for the event loop of a server.

        `tell` is called with each callback and the attempt that was made, or None if it is not sent.
        """
        from kling_mock.doors.webhook_sender import CallbackSender

        return CallbackSender(self._dispatcher, self._notifier, tell)


def _draw(result: PictureInfo) -> tuple[bytes, str]:
    """A picture and its entity tag. The drawing library is loaded when the first picture is wanted."""
    from kling_mock.images.draw import draw_picture

    png = draw_picture(result)
    return png, f'"{sha256(png).hexdigest()[:32]}"'
