"""Receivers in process: which objects `deliver_to` accepts and refuses, and what counts as their answer."""

from __future__ import annotations

import asyncio
import gc
import http.client
import threading
import types
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn
from unittest import mock

import anyio.lowlevel
import flask
import httpx
import httpx2
import pytest
import requests
import starlette.responses
import trio

from kling_mock import Fake, ManualClock
from kling_mock.callbacks import receiver_loop
from kling_mock.callbacks.model import Callback

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

HOOK = "https://app.test/hook"
STATUSES = ["submitted", "processing", "succeed"]


def requests_response(status: int) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    return response


# -- functions, by every kind of callable


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


def creates_and_advances(fake: Fake) -> None:
    """One task, whose three callbacks are due afterwards."""
    caller = httpx.Client(transport=fake.transport(), base_url="https://api.cometapi.com")
    body = {
        "subject_image_list": [{"subject_image": "https://h.test/a"}, {"subject_image": "https://h.test/b"}],
        "callback_url": HOOK,
    }
    reply = caller.post("/kling/v1/images/generations", json=body, headers={"authorization": "Bearer sk-one"})
    reply.raise_for_status()
    fake.clock.advance(5)


def a_fake() -> Fake:
    return Fake(pace="seconds:1,1", clock=ManualClock())


async def in_a_loop(fake: Fake) -> None:
    creates_and_advances(fake)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", ["sync", "asyncio", "trio"])
def test_every_kind_of_function_is_called(kind: str, run: str) -> None:
    """Also inside a running event loop, before the call to the fake returns."""
    receivers, fake = Receivers(), a_fake()
    fake.callbacks.deliver_to(KINDS[kind](receivers))
    if run == "sync":
        creates_and_advances(fake)
    elif run == "asyncio":
        asyncio.run(in_a_loop(fake))
    else:
        trio.run(in_a_loop, fake)
    assert receivers.seen == STATUSES
    assert all(callback.delivered for callback in fake.callbacks)
    fake.callbacks.deliver_to(None)
    fake.check()


def test_an_async_function_runs_on_trio_under_trio() -> None:
    seen: list[str] = []

    async def receive(callback: Callback) -> None:
        await trio.lowlevel.checkpoint()
        seen.append(callback.status.value)

    fake = a_fake()
    fake.callbacks.deliver_to(receive)
    trio.run(in_a_loop, fake)
    assert seen == STATUSES
    fake.check()


def test_callbacks_of_an_async_function_share_one_event_loop() -> None:
    """Also if the test's own loop is another one each time."""
    loops: list[object] = []

    async def receive(callback: Callback) -> None:
        loops.append(asyncio.get_running_loop())

    fake = a_fake()
    fake.callbacks.deliver_to(receive)
    asyncio.run(in_a_loop(fake))
    creates_and_advances(fake)
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
    fake = a_fake()
    fake.callbacks.deliver_to(receive)
    creates_and_advances(fake)
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


# -- returned values


@pytest.mark.parametrize(
    "returned",
    [
        HTTPStatus.NO_CONTENT,
        httpx.Response(204),
        httpx2.Response(204),
        requests_response(204),
        starlette.responses.Response(status_code=204),
        flask.Response(status=204),
        types.SimpleNamespace(status=204),  # as of aiohttp and urllib
        mock.Mock(status_code=204),
    ],
    ids=lambda value: type(value).__module__,
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_response_counts_by_its_status(returned: Any, start: Start, *, asynchronous: bool) -> None:
    caller = start(pace="held:submitted")

    async def receive(callback: Callback) -> Any:
        return returned

    caller.fake.callbacks.deliver_to(receive if asynchronous else lambda _: returned)
    caller.create(callback_url=HOOK)
    caller.clock.advance(days=1)
    assert [each.status for each in caller.fake.callbacks[0].attempts] == [204]
    caller.fake.callbacks.deliver_to(None)
    caller.fake.check()


@pytest.mark.parametrize("library", [httpx, httpx2, starlette.responses])
def test_a_response_of_300_or_more_is_a_failed_attempt(library: Any, start: Start) -> None:
    caller = start(pace="held:submitted", callback_retries=[1])
    responses = [library.Response(status_code=status) for status in (503, 302)]
    caller.fake.callbacks.deliver_to(lambda _: responses.pop(0))
    caller.create(callback_url=HOOK)
    caller.clock.advance(1)
    attempts = caller.fake.callbacks[0].attempts
    assert [(each.status, each.error) for each in attempts] == [
        (503, "the receiver answered 503"),
        (302, "the receiver answered 302"),
    ]
    caller.fake.check()


@pytest.mark.parametrize("kind", [mock.Mock, mock.MagicMock, mock.AsyncMock])
def test_a_mock_object_without_a_return_value_accepts(kind: Any, start: Start) -> None:
    caller, receiver = start(pace="instant"), kind()
    caller.fake.callbacks.deliver_to(receiver)
    caller.create(callback_url=HOOK)
    assert [call.args[0].status.value for call in receiver.call_args_list] == STATUSES
    assert all(callback.delivered for callback in caller.fake.callbacks)
    caller.fake.callbacks.deliver_to(None)
    caller.fake.check()


def test_a_returned_task_is_an_error() -> None:
    """Only the event loop of the test could await it."""
    fake = Fake(pace="instant", clock=ManualClock(), callback_retries=[])

    async def work() -> None: ...

    async def test() -> None:
        fake.callbacks.deliver_to(lambda _: asyncio.ensure_future(work()))
        creates_and_advances(fake)
        await asyncio.sleep(0)

    asyncio.run(test())
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    assert "must not return a task or future" in str(caught.value.exceptions[0])


# -- exceptions


def boom(callback: Callback) -> NoReturn:
    raise LookupError("no such order")


async def async_boom(callback: Callback) -> NoReturn:
    raise LookupError("no such order")


@pytest.mark.parametrize("receiver", [boom, async_boom])
@pytest.mark.parametrize("run", [creates_and_advances, lambda fake: asyncio.run(in_a_loop(fake))])
def test_an_exception_is_the_receivers_with_its_traceback(receiver: Any, run: Any) -> None:
    fake = Fake(pace="held:submitted", clock=ManualClock(), callback_retries=[])
    fake.callbacks.deliver_to(receiver)
    run(fake)
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    (problem,) = caught.value.exceptions
    assert isinstance(problem, LookupError)
    names = []
    trace = problem.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == receiver.__name__
    task = fake.task.id
    assert problem.__notes__ == [
        f"raised by the callback receiver {receiver.__name__} for submitted of task {task}, attempt 1"
    ]
    assert fake.callbacks[0].attempts[0].error == "LookupError('no such order')"
    fake.callbacks.deliver_to(None)


def exits(callback: Callback) -> NoReturn:
    raise SystemExit(3)


def fails(callback: Callback) -> NoReturn:
    pytest.fail("not this order")


def asserts(callback: Callback) -> None:
    assert callback.task_id == "another"


def cancels(callback: Callback) -> NoReturn:
    raise asyncio.CancelledError


@pytest.mark.parametrize("receiver", [exits, fails, asserts, cancels])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_other_exits_of_a_receiver_do_not_reach_the_client(
    receiver: Callable[[Callback], None], start: Start, *, asynchronous: bool
) -> None:
    """They fail the attempt, and are raised by `check`."""
    caller = start(pace="held:submitted", callback_retries=[])

    async def receive(callback: Callback) -> None:
        receiver(callback)

    caller.fake.callbacks.deliver_to(receive if asynchronous else receiver)
    assert caller.ask(callback_url=HOOK).status == 200
    assert len(caller.fake.callbacks[0].attempts) == 1
    with pytest.raises(BaseExceptionGroup) as caught:
        caller.fake.check()
    assert len(caught.value.exceptions) == 1
    caller.fake.callbacks.deliver_to(None)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_interrupt_ends_the_call_and_is_no_attempt(start: Start, *, asynchronous: bool) -> None:
    caller = start(pace="held:submitted")
    interrupts = [KeyboardInterrupt()]

    def receiver(callback: Callback) -> None:
        if interrupts:
            raise interrupts.pop()

    async def receive(callback: Callback) -> None:
        receiver(callback)

    caller.fake.callbacks.deliver_to(receive if asynchronous else receiver)
    with pytest.raises(KeyboardInterrupt):
        caller.ask(callback_url=HOOK)
    assert not caller.fake.callbacks[0].attempts
    caller.clock.advance(1)
    assert [each.status for each in caller.fake.callbacks[0].attempts] == [200]
    caller.fake.callbacks.deliver_to(None)


# -- refused at the call


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
