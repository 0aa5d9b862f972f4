"""Requests and responses of httpx and httpx2 through `transport()` and `intercept()`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import httpx2
import pytest

from kling_mock import Fake
from tests.kling_mock.doors.http_libraries import BASE, BODY, CREATE, KEY, QUICK, Way


@pytest.fixture(params=["transport", "intercept"])
def opened(request: pytest.FixtureRequest, way: Way) -> Iterator[tuple[Fake, Callable[..., Any]]]:
    """A fake, and a function that makes clients whose requests it answers."""
    fake = Fake()
    with ExitStack() as stack:
        if request.param == "intercept":
            stack.enter_context(fake.intercept(only=True))
            yield fake, lambda **options: way.Client(**{**QUICK, **options})
        else:
            yield fake, lambda **options: way.Client(**{"transport": fake.transport(), **options})
    fake.check()


Opened = tuple[Fake, Callable[..., Any]]


def test_a_base_url_and_relative_paths(way: Way, opened: Opened) -> None:
    fake, make = opened
    for base, path in (
        (BASE, CREATE),
        (f"{BASE}/kling/v1/", "images/generations"),
        (f"{BASE}/kling", "v1/images/generations"),
    ):
        client = make(base_url=base, headers=KEY)
        assert way.send(client, "POST", path, json=BODY).status_code == 200
        way.close(client)
    assert [call.path for call in fake.calls] == [CREATE] * 3


BODIES: dict[str, Callable[[Way, bytes], dict[str, Any]]] = {
    "json": lambda _, body: {"json": json.loads(body)},
    "bytes": lambda _, body: {"content": body},
    "text": lambda _, body: {"content": body.decode()},
    "generator": lambda way, body: {"content": way.content(body[:100], b"", body[100:])},
    "empty pieces": lambda way, body: {"content": way.content(b"", body, b"")},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_arrives_however_it_is_sent(
    way: Way, opened: Opened, body: Callable[..., dict[str, Any]]
) -> None:
    fake, make = opened
    client = make(headers={**KEY, "content-type": "application/json"})
    sent = body(way, json.dumps(BODY).encode())
    assert way.do(client, lambda: client.post(BASE + CREATE, **sent), close=True).status_code == 200
    assert len(fake.task.request.pictures) == 2


def test_a_stream_of_a_request_is_consumed_as_by_the_network(way: Way, opened: Opened) -> None:
    """It is not kept: code that reads or sends it again fails here as it would with the service."""
    _, make = opened
    client = make(headers=KEY)
    request = client.build_request("POST", BASE + CREATE, content=way.content(b"{}"))
    assert way.do(client, lambda: client.send(request)).status_code == 400
    with pytest.raises(way.library.RequestNotRead):
        request.content  # noqa: B018 -- the access is the test
    with pytest.raises(way.library.StreamConsumed):
        way.do(client, lambda: client.send(request), close=True)


def test_forms_and_files_arrive_as_they_are_sent(way: Way, opened: Opened) -> None:
    """The service takes JSON, and refuses them."""
    fake, make = opened
    client = make(headers=KEY)
    for options in ({"data": {"prompt": "a"}}, {"files": {"image": ("a.png", b"\x89PNG", "image/png")}}):
        answer = way.send(client, "POST", BASE + CREATE, **options)
        assert answer.status_code == 400
    types = [dict(call.headers)["content-type"].partition(";")[0] for call in fake.calls]
    assert types == ["application/x-www-form-urlencoded", "multipart/form-data"]
    way.close(client)


def test_a_response_is_read_when_the_client_reads_it(way: Way, opened: Opened) -> None:
    """As over a socket: unread in a `stream` block, closed after it, and read only once."""
    _, make = opened
    client = make(headers=KEY)
    library = way.library

    if way.blocking:
        with client, client.stream("GET", f"{BASE}/_mock/health") as response:
            assert not response.is_stream_consumed
            with pytest.raises(library.ResponseNotRead):
                response.content  # noqa: B018 -- the access is the test
            assert b"".join(response.iter_raw()).startswith(b"{")
            with pytest.raises(library.StreamConsumed):
                next(response.iter_raw())
        assert response.is_closed
        return

    async def main() -> None:
        async with client, client.stream("GET", f"{BASE}/_mock/health") as response:
            assert not response.is_stream_consumed
            with pytest.raises(library.ResponseNotRead):
                response.content  # noqa: B018 -- the access is the test
            assert b"".join([chunk async for chunk in response.aiter_raw()]).startswith(b"{")
            with pytest.raises(library.StreamConsumed):
                await anext(response.aiter_raw())
        assert response.is_closed

    assert way.run is not None
    way.run(main)


def test_a_response_may_be_given_up_unread(way: Way, opened: Opened) -> None:
    _, make = opened
    client = make(headers=KEY)
    request = client.build_request("GET", f"{BASE}/_mock/health")
    response = way.do(client, lambda: client.send(request, stream=True))
    way.do(client, response.close if way.blocking else response.aclose, close=True)
    assert response.is_closed


def test_hooks_see_the_request_and_the_response(way: Way, opened: Opened) -> None:
    """An event hook may change a request, and its response belongs to the client's library."""
    fake, make = opened
    seen: list[Any] = []

    def on_request(request: Any) -> None:
        request.headers["x-hooked"] = "yes"

    async def on_request_async(request: Any) -> None:
        on_request(request)

    async def on_response_async(response: Any) -> None:
        seen.append(response)

    hooks: dict[str, list[Any]] = {
        "request": [on_request if way.blocking else on_request_async],
        "response": [seen.append if way.blocking else on_response_async],
    }
    client = make(headers=KEY, event_hooks=hooks)
    response = way.do(client, lambda: client.get(BASE + CREATE), close=True)
    assert seen == [response]
    assert type(response) is way.library.Response
    assert response.elapsed.total_seconds() >= 0
    assert response.http_version == "HTTP/1.1"
    assert response.request.url == BASE + CREATE
    assert dict(fake.calls[0].headers)["x-hooked"] == "yes"
    with pytest.raises(way.library.HTTPStatusError):
        response.raise_for_status()


def test_the_target_of_a_request_may_be_given_as_it_is_sent(way: Way, opened: Opened) -> None:
    """An extension of both libraries, for paths that a URL would normalise."""
    fake, make = opened
    client = make(headers=KEY)
    way.do(client, lambda: client.get(BASE, extensions={"target": b"/kling//v1?x=%7e"}), close=True)
    assert fake.calls[0].path == "/kling//v1"


ILLEGAL = [
    "Bearer sk-one\n",
    "Bearer sk-one ",
    " Bearer sk",
    "Bearer\r\nx: y",
    "Bearer \x00",
    "a\x0bb",
    "\tx",
]


def test_a_header_that_cannot_be_sent_is_refused_as_by_the_network(way: Way, opened: Opened) -> None:
    """A key read from a file often ends with a line feed: no request to the service would be sent."""
    fake, make = opened
    client = make()
    for value in ILLEGAL:
        with pytest.raises(way.library.LocalProtocolError, match="Illegal header value"):
            way.send(client, "GET", BASE + CREATE, headers={"authorization": value})
    assert len(fake.calls) == 0


def test_odd_headers_are_sent(way: Way, opened: Opened) -> None:
    fake, make = opened
    client = make()
    odd = [b"", b"a\tb", "größe".encode("latin-1"), b"\x01", "größe".encode(), b"\xc3\xa0"]
    for value in odd:
        way.send(client, "GET", BASE + CREATE, headers=[(b"x-odd", value)])
    assert [dict(call.headers)["x-odd"] for call in fake.calls] == [value.decode("latin-1") for value in odd]


def test_a_client_of_the_other_kind_is_refused_by_its_library(way: Way, opened: Opened) -> None:
    """A stream of the wrong kind never gets to the transport."""
    _, make = opened
    client = make(headers=KEY)

    async def pieces() -> Any:
        yield b""

    wrong = pieces() if way.blocking else iter([b""])
    with pytest.raises(RuntimeError, match="Attempted to send"):
        way.do(client, lambda: client.post(BASE + CREATE, content=wrong), close=True)


def test_an_error_of_the_users_stream_gets_to_the_user(way: Way, opened: Opened) -> None:
    """And leaves no call behind."""
    fake, make = opened
    client = make(headers=KEY)

    def broken() -> Any:
        yield b"{"
        raise ZeroDivisionError

    async def broken_async() -> Any:
        yield b"{"
        raise ZeroDivisionError

    content = broken() if way.blocking else broken_async()
    with pytest.raises(ZeroDivisionError):
        way.do(client, lambda: client.post(BASE + CREATE, content=content), close=True)
    assert len(fake.calls) == 0


def test_an_interrupt_in_the_fake_gets_to_the_user(way: Way, opened: Opened) -> None:
    """An exception in the fake is an answer with 500; an interrupt of the test is raised."""
    fake, make = opened

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    fake.on_call(interrupt)
    client = make(headers=KEY)
    with pytest.raises(KeyboardInterrupt):
        way.do(client, lambda: client.get(BASE + CREATE), close=True)


def test_closing_a_client_closes_nothing_of_the_fake(way: Way) -> None:
    """One transport serves several clients, one after another and at once."""
    transport = Fake().transport()
    for _ in range(2):
        client = way.Client(transport=transport, headers=KEY)
        assert way.send(client, "GET", BASE + CREATE).status_code == 405
        way.close(client)
        with pytest.raises(RuntimeError, match="closed"):
            way.send(client, "GET", BASE + CREATE)


def test_a_transport_is_one_of_both_libraries() -> None:
    """Libraries of others ask for the class."""
    transport = Fake().transport()
    for library in (httpx, httpx2):
        assert isinstance(transport, library.BaseTransport)
        assert isinstance(transport, library.AsyncBaseTransport)
    with transport as entered:
        assert entered is transport


def test_requests_of_a_derived_class_are_answered_and_others_are_named() -> None:
    class Mine(httpx2.Request):
        pass

    transport = Fake().transport()
    response = transport.handle_request(Mine("GET", BASE + CREATE))
    assert type(response) is httpx2.Response
    with pytest.raises(TypeError, match=r"request: must be one of httpx or httpx2; got str"):
        transport.handle_request("GET /")


def test_an_async_client_answers_many_requests_at_once(way: Way, opened: Opened) -> None:
    if way.blocking:
        pytest.skip("one request at a time")
    fake, make = opened
    client = make(headers=KEY)

    async def main() -> None:
        import anyio

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(client.post, BASE + CREATE)
        await client.aclose()

    assert way.run is not None
    way.run(main)
    assert len(fake.calls) == 20
