"""An `http_client` of httpx2: sent, read and classified as one of httpx is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import httpx
import httpx2
import pytest

from kling_client import AsyncClient, Client, ConfigError, SubmitUncertain, TransportError
from kling_client.http import AsyncExchange, Exchange
from kling_client.steps import Call, Failure, Head, Read, Send, Stage
from kling_mock import Fake

KEY = "sk-one"
PICTURES = ["https://h.test/a.png", "https://h.test/b.png"]
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2])


@LIBRARIES
def test_a_task_is_created_waited_for_and_saved(library: Any) -> None:
    """And the client that was passed in stays open."""
    fake = Fake(pace="instant")
    with library.Client(transport=fake.transport()) as http:
        with Client(KEY, http_client=http) as kling:
            task = kling.generate(PICTURES, "at sea")
            assert task.wait().status == "succeed"
            assert kling.get(task.id).id == task.id
        assert not http.is_closed
    assert fake.task.request.prompt == "at sea"
    fake.check()


@LIBRARIES
def test_a_task_is_created_and_waited_for_asynchronously(library: Any) -> None:
    fake = Fake(pace="instant")

    async def main() -> None:
        async with library.AsyncClient(transport=fake.transport()) as http:
            async with AsyncClient(KEY, http_client=http) as kling:
                task = await kling.generate(PICTURES)
                assert (await task.wait()).status == "succeed"
            assert not http.is_closed

    asyncio.run(main())
    assert fake.task.polls == 1
    fake.check()


@LIBRARIES
def test_own_clients_of_the_fixture_of_a_test_are_intercepted(library: Any) -> None:
    fake = Fake(pace="instant")
    with (
        fake.intercept(only=True),
        library.Client(verify=False) as http,
        Client(KEY, http_client=http) as kling,
    ):
        assert kling.generate(PICTURES).wait().status == "succeed"


def leaves(kind: type[Exception]) -> set[type[Exception]]:
    below = kind.__subclasses__()
    return set().union(*(leaves(each) for each in below)) if below else {kind}


def names_of_errors() -> list[str]:
    """Of all errors of a transport, the same in both libraries."""
    return sorted(error.__name__ for error in leaves(httpx.TransportError))


CALL = Call(method="GET", url="https://h/x", headers={}, timeout=7.0, private=True)
UNSENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}
IMPOSSIBLE = {"LocalProtocolError", "UnsupportedProtocol"}


def test_both_libraries_have_the_same_errors() -> None:
    """But for that of reading server-sent events, which the client does not do."""
    assert {error.__name__ for error in leaves(httpx2.TransportError)} - {"SSEError"} == {*names_of_errors()}


@LIBRARIES
@pytest.mark.parametrize("name", names_of_errors())
def test_an_error_of_the_library_is_classified(library: Any, name: str) -> None:
    """By how far the request got, which decides whether it may be sent again."""
    error = getattr(library, name)("x")

    def fail(_: object) -> None:
        raise error

    stage = Stage.UNSENT if name in UNSENT else Stage.IMPOSSIBLE if name in IMPOSSIBLE else Stage.SENT
    expected = Failure(stage, f"{name}: x", error)
    with library.Client(transport=library.MockTransport(fail)) as http:
        exchange = Exchange(http)
        assert exchange.perform(Send(CALL)) == expected
        assert exchange.perform(Read()) == b""
        exchange.close()

    async def main() -> Any:
        async with library.AsyncClient(transport=library.MockTransport(fail)) as ahttp:
            asynchronous = AsyncExchange(ahttp)
            found = await asynchronous.perform(Send(CALL))
            await asynchronous.close()
            return found

    assert asyncio.run(main()) == expected


@LIBRARIES
@pytest.mark.parametrize("private", [True, False])
def test_a_request_belongs_to_the_library_of_its_client(library: Any, *, private: bool) -> None:
    """Also the one that is not built by the client, so that none of its secrets leaves with it."""
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        seen.append(request)
        return library.Response(200, content=b"x")

    call = Call(method="GET", url="https://h/x", headers={"x-a": "1"}, timeout=7.0, private=private)
    with library.Client(transport=library.MockTransport(answer), headers={"x-own": "1"}) as http:
        exchange = Exchange(http)
        assert isinstance(exchange.perform(Send(call)), Head)
        assert exchange.perform(Read()) == b"x"
        exchange.close()
    (request,) = seen
    assert type(request) is library.Request
    assert request.extensions["timeout"] == dict.fromkeys(("connect", "read", "write", "pool"), 7.0)
    assert ("x-own" in request.headers) == private


@LIBRARIES
def test_the_errors_of_a_client_are_raised_for_either_library(library: Any) -> None:
    def fail(request: Any) -> None:
        raise library.ReadError("gone") if request.method == "POST" else library.ConnectError("refused")

    with library.Client(transport=library.MockTransport(fail)) as http:
        kling = Client(KEY, http_client=http, sleep=lambda _: None)
        with pytest.raises(SubmitUncertain):
            kling.generate(PICTURES)
        with pytest.raises(TransportError, match="refused"):
            kling.get("1")


@pytest.mark.parametrize(
    ("kind", "given", "named"),
    [
        (Client, httpx2.AsyncClient, "httpx2.AsyncClient"),
        (Client, httpx.AsyncClient, "httpx.AsyncClient"),
        (Client, object, "builtins.object"),
        (AsyncClient, httpx2.Client, "httpx2.Client"),
        (AsyncClient, httpx.Client, "httpx.Client"),
    ],
)
def test_a_client_of_another_kind_is_refused(kind: Any, given: Any, named: str) -> None:
    """The message names the classes that are accepted, and the one that was given."""
    name = kind.__name__
    with pytest.raises(ConfigError) as refused:
        kind(KEY, http_client=given())
    assert str(refused.value) == f"http_client: {name} requires an httpx.{name} or httpx2.{name}, not {named}"


def test_httpx2_is_not_loaded_by_the_client() -> None:
    code = "import sys, kling_client; kling_client.Client('sk-1'); print('httpx2' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
