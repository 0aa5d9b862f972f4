"""Receivers in process: which objects `deliver_to` accepts and refuses, and the event loop of async ones."""

from __future__ import annotations

import asyncio
import gc
import http.client
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import anyio.lowlevel
import flask
import httpx
import pytest
import requests
import trio

from kling_mock.callbacks import receiver_loop
from kling_mock.callbacks.model import Callback
from tests.kling_mock.callbacks.inbox import HOOK
from tests.kling_mock.callbacks.runs import RUNS, STATUSES, create_and_advance, in_a_loop, make_fake

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start


class Receivers:
    """Receivers of several kinds that record statuses."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def method(self, callback: Callback) -> None:
        self.seen.append(callback.status.value)

    async def async_method(self, callback: Callback) -> int:
        await anyio.lowlevel.checkpoint()
        self.seen.append(callback.status.value)
        return 204

    def with_options(self, prefix: str, callback: Callback, *, suffix: str = "") -> None:
        self.seen.append(callback.status.value)

    async def async_with_options(self, prefix: str, callback: Callback) -> None:
        self.seen.append(callback.status.value)

    def with_defaults(self, callback: Callback, status: int = 200, *more: object, **options: object) -> int:
        self.seen.append(callback.status.value)
        return status

    @property
    def instance(self) -> Callable[[Callback], None]:
        outer = self

        class Instance:
            def __call__(self, callback: Callback) -> None:
                outer.method(callback)

        return Instance()

    @property
    def async_instance(self) -> Callable[[Callback], Any]:
        outer = self

        class Instance:
            async def __call__(self, callback: Callback) -> int:
                return await outer.async_method(callback)

        return Instance()

    @property
    def awaitable(self) -> Callable[[Callback], Any]:
        outer = self

        class Later:
            def __init__(self, callback: Callback) -> None:
                self.callback = callback

            def __await__(self) -> Any:
                return outer.async_method(self.callback).__await__()

        def receive(callback: Callback) -> Later:
            return Later(callback)

        return receive

    def variadic(self, *args: Any, **options: Any) -> None:
        self.method(*args)


KINDS: dict[str, Callable[[Receivers], Any]] = {
    "bound method": lambda each: each.method,
    "async method": lambda each: each.async_method,
    "lambda": lambda each: lambda callback: each.method(callback) or 201,
    "lambda with a coroutine": lambda each: lambda callback, **_: each.async_method(callback),
    "partial": lambda each: partial(each.with_options, "prefix", suffix="s"),
    "async partial": lambda each: partial(each.async_with_options, "prefix"),
    "optional parameters": lambda each: each.with_defaults,
    "callable instance": lambda each: each.instance,
    "async callable instance": lambda each: each.async_instance,
    "awaitable object": lambda each: each.awaitable,
    "any arguments": lambda each: each.variadic,
    "mock": lambda each: mock.Mock(side_effect=each.method),
    "magic mock": lambda each: mock.MagicMock(side_effect=each.method),
    "async mock": lambda each: mock.AsyncMock(side_effect=each.method),
    "autospec": lambda each: mock.create_autospec(each.method, side_effect=each.method),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", RUNS)
def test_every_kind_of_function_is_called(kind: str, run: str) -> None:
    """Also inside a running event loop, before the call to the fake returns."""
    receivers, fake = Receivers(), make_fake()
    fake.callbacks.deliver_to(KINDS[kind](receivers))
    RUNS[run](fake)
    assert receivers.seen == STATUSES
    assert all(callback.delivered for callback in fake.callbacks)
    fake.callbacks.deliver_to(None)
    fake.check()


def test_an_async_function_runs_on_trio_under_trio() -> None:
    seen: list[str] = []

    async def receive(callback: Callback) -> None:
        await trio.lowlevel.checkpoint()
        seen.append(callback.status.value)

    fake = make_fake()
    fake.callbacks.deliver_to(receive)
    trio.run(in_a_loop, fake)
    assert seen == STATUSES
    fake.check()


def test_callbacks_of_an_async_function_share_one_event_loop() -> None:
    """Also if the test's own loop is another one each time."""
    loops: list[object] = []

    async def receive(callback: Callback) -> None:
        loops.append(asyncio.get_running_loop())

    fake = make_fake()
    fake.callbacks.deliver_to(receive)
    asyncio.run(in_a_loop(fake))
    create_and_advance(fake)
    assert len(loops) == 6
    assert len(set(map(id, loops))) == 1
    fake.callbacks.deliver_to(None)
    (loop,) = {id(each): each for each in loops}.values()
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert loop.is_closed()


def test_an_async_function_may_call_the_fake(start: Start) -> None:
    caller = start(pace="seconds:2,3")
    seen: list[str] = []

    async def receive(callback: Callback) -> None:
        async with httpx.AsyncClient(transport=caller.fake.transport()) as client:
            reply = await client.get(
                f"https://api.cometapi.com/kling/v1/images/generations/{callback.task_id}",
                headers={"authorization": "Bearer sk-one"},
            )
        seen.append(f"{callback.status.value} {reply.status_code}")
        if len(seen) == 1:
            caller.clock.advance(100)

    caller.fake.callbacks.deliver_to(receive)
    caller.create(callback_url=HOOK)
    assert [each.split()[0] for each in seen] == STATUSES
    caller.fake.check()


def test_a_receiver_may_replace_itself_from_its_event_loop(start: Start) -> None:
    caller = start(pace="instant")
    seen: list[str] = []

    async def first(callback: Callback) -> None:
        seen.append(f"first {callback.status.value}")
        caller.fake.callbacks.deliver_to(lambda each: seen.append(f"second {each.status.value}"))

    caller.fake.callbacks.deliver_to(first)
    caller.create(callback_url=HOOK)
    assert seen == ["first submitted", "second processing", "second succeed"]
    caller.fake.check()


def test_many_threads_deliver_to_one_async_receiver(start: Start) -> None:
    caller = start(pace="instant")
    inside: list[int] = []
    seen: list[tuple[str, int]] = []

    async def receive(callback: Callback) -> None:
        inside.append(1)
        await asyncio.sleep(0)
        assert len(inside) == 1
        seen.append((callback.task_id, callback.position))
        inside.pop()

    caller.fake.callbacks.deliver_to(receive)
    threads = [threading.Thread(target=caller.create, kwargs={"callback_url": HOOK}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    caller.clock.advance(1)
    assert len(seen) == len(set(seen)) == 24
    caller.fake.callbacks.deliver_to(None)
    caller.fake.check()


def test_a_fake_that_is_collected_ends_its_event_loop() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def receive(callback: Callback) -> None:
        loops.append(asyncio.get_running_loop())

    before = set(threading.enumerate())
    fake = make_fake()
    fake.callbacks.deliver_to(receive)
    create_and_advance(fake)
    (thread,) = set(threading.enumerate()) - before
    gone = weakref.ref(fake)
    del fake
    gc.collect()
    assert gone() is None
    thread.join(10)
    assert not thread.is_alive()
    assert loops[0].is_closed()


def test_an_async_receiver_that_waits_for_the_caller_fails_in_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its coroutine is cancelled; the caller goes on."""
    monkeypatch.setattr(receiver_loop, "ANSWER_SECONDS", 0.05)
    caller = start(pace="held:submitted", callback_retries=[])
    ended = threading.Event()

    async def receive(callback: Callback) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller.fake.callbacks.deliver_to(receive)
    caller.create(callback_url=HOOK)
    with pytest.raises(ExceptionGroup) as caught:
        caller.fake.check()
    (problem,) = caught.value.exceptions
    assert isinstance(problem, TimeoutError)
    assert "must not wait for the thread that called the fake" in str(problem)
    assert ended.wait(10)
    caller.fake.callbacks.deliver_to(None)


class Application:
    """A class that is not an application."""

    def __init__(self, settings: object) -> None: ...

    def __call__(self, callback: Callback) -> None: ...


def generator(callback: Callback) -> Iterator[int]:
    yield 200


async def async_generator(callback: Callback) -> AsyncIterator[int]:
    yield 200


async def coroutine() -> None: ...


async def async_of_two(callback: Callback, status: int) -> None: ...


def needs_keyword(callback: Callback, *, status: int) -> None: ...


class GeneratorInstance:
    def __call__(self, callback: Callback) -> Iterator[int]:
        yield 200


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "number": (lambda: 503, "got 503"),
    "true": (lambda: True, "got True"),
    "bytes": (lambda: b"http://127.0.0.1/hook", "got b'http"),
    "list": (lambda: [print], "got ["),
    "dict": (dict, "got {}"),
    "coroutine": (coroutine, "Pass the async function itself, without calling it"),
    "generator": (lambda: generator(mock.Mock()), "got <generator object"),
    "async generator": (lambda: async_generator(mock.Mock()), "got <async_generator object"),
    "generator function": (lambda: generator, "got the generator function generator"),
    "async generator function": (lambda: async_generator, "got the generator function async_generator"),
    "partial generator": (lambda: partial(generator), "got the generator function"),
    "generator instance": (GeneratorInstance, "got the generator function GeneratorInstance"),
    "class": (lambda: Application, "got the class Application: pass an instance"),
    "framework class": (lambda: flask.Flask, "got the class Flask: pass an instance"),
    "no parameters": (lambda: lambda: None, "has the parameters ()"),
    "four parameters": (lambda: lambda a, b, c, d: None, "has the parameters (a, b, c, d)"),
    "async of two": (lambda: async_of_two, "has the parameters (callback"),
    "needs a keyword": (lambda: needs_keyword, "has the parameters (callback"),
    "response": (lambda: httpx.Response(200), "got <Response [200 OK]>"),
    "client": (requests.Session, "Pass the application, or a function that calls the client"),
    "module": (lambda: http.client, "Pass the application in the module, such as module.app"),
    "exception": (lambda: ValueError("http://127.0.0.1/"), "got ValueError"),
    "mock": (mock.NonCallableMock, "got <NonCallableMock"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_at_the_call(name: str, caller: Caller) -> None:
    """The receiver that was set before stays."""
    make, message = REFUSED[name]
    seen: list[Callback] = []
    caller.fake.callbacks.deliver_to(seen.append)
    refused: Any = make()
    with pytest.raises(
        TypeError, match=r"^deliver_to: must be a URL, a function or async function"
    ) as caught:
        caller.fake.callbacks.deliver_to(refused)
    assert message in str(caught.value)
    caller.create(callback_url=HOOK)
    assert len(seen) == 1
