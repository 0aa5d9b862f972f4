"""Answers requests over a store: `handle(request) -> reply`, listeners of calls, errors for `check()`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kling_mock.callbacks.dispatcher import CallbackDispatcher
from kling_mock.fetched_pictures import with_pictures
from kling_mock.http import Reply, Request, check_headers
from kling_mock.images.urls import PictureInfo
from kling_mock.other_processes import OtherProcesses
from kling_mock.records import CallRecord
from kling_mock.service import Answer, answer, failed_answer, unkept_answer
from kling_mock.settings import Settings
from kling_mock.stores import Change, StateNotKept, Store, run
from kling_mock.testing.unused_scripts import check_scripts
from kling_mock.testing.view import FakeView
from kling_mock.timing.client_time import client_time
from kling_mock.timing.notifier import ChangeNotifier

if TYPE_CHECKING:
    from kling_mock.stores.redis.async_store import AsyncRedisStore

PICTURES_CACHED = 64


class RequestHandler(FakeView):
    """The view of all accounts, which answers requests."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._problems: list[BaseException] = []
        dispatcher = CallbackDispatcher(store, settings, self._problems.append)
        notifier = ChangeNotifier(store.clock, dispatcher.settle, dispatcher.wake)
        super().__init__(store, settings, dispatcher, notifier)
        in_loop: Callable[[], AsyncRedisStore] | None = getattr(store, "in_loop", None)
        # `handle` for an event loop of asyncio, if the store does I/O; otherwise None. It fetches no
        # pictures, whatever the setting `fetch_images`.
        self.handle_async: Callable[[Request], Coroutine[Any, Any, Reply]] | None = (
            None if in_loop is None else partial(self._handle_async, in_loop)
        )
        self._others = OtherProcesses(dispatcher, notifier, self._problems.append)
        self._draw = lru_cache(maxsize=PICTURES_CACHED)(_draw)
        self._listeners: list[Callable[[CallRecord], None]] = [
            lambda call: notifier.notify(call.task_id, has_callbacks=dispatcher.concerns(call))
        ]

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
            self._others.listen(listener)

    def on_calls_of_others(
        self, listener: Callable[[CallRecord], None], wanted: Callable[[], bool]
    ) -> Callable[[], bool]:
        """Call `listener` with the calls of other processes while `wanted()` is true.

        When it is true again, call the function returned; it returns whether calls were missed until now.
        """
        self._others.listen(listener, wanted)
        return self._others.resume

    def on_replaced(self, listener: Callable[[], None]) -> None:
        """Call `listener` when another process with the same state has replaced or dropped it."""
        self._others.reset_listeners.append(listener)

    def on_change(self, listener: Callable[[str | None], None]) -> None:
        """Call `listener` with a task id after each change of a task in this process, else with None."""
        self._changes.subscribe(listener)

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

    def report(self, problem: Exception) -> None:
        """Add an error of a transport, for `check()` to raise."""
        self._problems.append(problem)

    def forget_scripts(self) -> None:
        """Never report the scripts so far as unused: the test has failed before it could use them."""
        self._written.take()


def _draw(result: PictureInfo) -> tuple[bytes, str]:
    """A PNG and its entity tag. Pillow is imported for the first picture."""
    from kling_mock.images.draw import draw_picture

    png = draw_picture(result)
    return png, f'"{sha256(png).hexdigest()[:32]}"'
