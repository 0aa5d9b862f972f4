"""The answer of a function: its returned value, or its exception."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn
from unittest import mock

import flask
import httpx
import httpx2
import pytest
import requests
import starlette.responses

from kling_mock.callbacks.model import Callback
from tests.kling_mock.callbacks.inbox import HOOK
from tests.kling_mock.callbacks.runs import RUNS, STATUSES, create_and_advance, make_fake

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start


def requests_response(status: int) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    return response


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
    fake = make_fake(pace="instant", callback_retries=[])

    async def work() -> None: ...

    async def test() -> None:
        fake.callbacks.deliver_to(lambda _: asyncio.ensure_future(work()))
        create_and_advance(fake)
        await asyncio.sleep(0)

    asyncio.run(test())
    with pytest.raises(ExceptionGroup) as caught:
        fake.check()
    assert "must not return a task or future" in str(caught.value.exceptions[0])


def boom(callback: Callback) -> NoReturn:
    raise LookupError("no such order")


async def async_boom(callback: Callback) -> NoReturn:
    raise LookupError("no such order")


@pytest.mark.parametrize("receiver", [boom, async_boom])
@pytest.mark.parametrize("run", ["sync", "asyncio"])
def test_an_exception_is_the_receivers_with_its_traceback(receiver: Any, run: str) -> None:
    fake = make_fake(pace="held:submitted", callback_retries=[])
    fake.callbacks.deliver_to(receiver)
    RUNS[run](fake)
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
