"""Options of clients of httpx and httpx2: the service is answered by the fake with each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kling_mock import Fake
from tests.kling_mock.doors.http_libraries import BASE, BODY, CREATE, KEY, QUICK, WAYS, Way
from tests.rows import some_rows

# Options of a client, and of its transport, with which requests to the service are made.
CLIENTS: dict[str, Callable[[Way], dict[str, Any]]] = {
    "plain": lambda _: {},
    "http2": lambda _: {"http2": True},
    "proxy": lambda _: {"proxy": "http://proxy.test:8080"},
    "https proxy with a password": lambda _: {"proxy": "https://me:word@proxy.test:8080"},
    "mounts": lambda way: {"mounts": {"https://api.cometapi.com": way.HTTPTransport(verify=False)}},
    "mounted proxy": lambda way: {
        "mounts": {"all://": way.HTTPTransport(verify=False, proxy="http://proxy.test:8080")}
    },
    "mounted for another host": lambda way: {"mounts": {"https://other.test": None}},
    "uds": lambda way: {"transport": way.HTTPTransport(verify=False, uds="/nowhere.sock")},
    "retries": lambda way: {"transport": way.HTTPTransport(verify=False, retries=5)},
    "limits": lambda way: {"limits": way.library.Limits(max_connections=1, max_keepalive_connections=0)},
    "local address": lambda way: {"transport": way.HTTPTransport(verify=False, local_address="127.0.0.1")},
    "subclass": lambda way: {"transport": subclass(way)(verify=False)},
    "wrapped": lambda way: {"transport": wrapping(way)},
    "timeout": lambda way: {"timeout": way.library.Timeout(0.001)},
    "no timeout": lambda _: {"timeout": None},
    "follows redirects": lambda _: {"follow_redirects": True},
    "cookies": lambda _: {"cookies": {"a": "b"}},
    "params": lambda _: {"params": {"a": "b"}},
    "auth": lambda way: {"auth": lambda request: request},
}


def subclass(way: Way) -> Any:
    """A transport that adds a header and calls its base class."""
    if way.blocking:

        class Adding(way.library.HTTPTransport):  # type: ignore[misc, name-defined]  # of either library
            def handle_request(self, request: Any) -> Any:
                request.headers["x-added"] = "yes"
                return super().handle_request(request)

        return Adding

    class AsyncAdding(way.library.AsyncHTTPTransport):  # type: ignore[misc, name-defined]  # of either library
        async def handle_async_request(self, request: Any) -> Any:
            request.headers["x-added"] = "yes"
            return await super().handle_async_request(request)

    return AsyncAdding


def wrapping(way: Way) -> Any:
    """A transport that sends through another one."""
    inner = way.HTTPTransport(verify=False)
    base = way.library.BaseTransport if way.blocking else way.library.AsyncBaseTransport

    class Wrapping(base):  # type: ignore[misc, valid-type]  # of either library
        def handle_request(self, request: Any) -> Any:
            return inner.handle_request(request)

        async def handle_async_request(self, request: Any) -> Any:
            return await inner.handle_async_request(request)

    return Wrapping()


# With each option two of the six libraries and kinds, in turn.
EVERY = [(way, options) for way in WAYS for options in CLIENTS]
USUAL = [(way, options) for at, options in enumerate(CLIENTS) for way in [*WAYS, *WAYS][at % 6 :][:6:3]]


@some_rows(("way", "options"), EVERY, usual=USUAL, indirect=["way"])
def test_whatever_a_client_is_made_with_the_service_is_answered(way: Way, options: str) -> None:
    """A task is created and queried until it ends, and its picture is downloaded."""
    fake = Fake()
    with fake.intercept(only=True):
        client = way.Client(**{**QUICK, **CLIENTS[options](way)})
        created = way.send(client, "POST", BASE + CREATE, json=BODY, headers=KEY)
        assert created.status_code == 200
        task = created.json()["data"]["task_id"]
        while (data := poll(way, client, task))["task_status"] != "succeed":
            pass
        picture = way.send(client, "GET", data["task_result"]["images"][0]["url"])
        assert picture.content.startswith(b"\x89PNG")
        way.close(client)
    assert fake.task.polls == 2
    fake.check()


def poll(way: Way, client: Any, task: str) -> Any:
    return way.send(client, "GET", f"{BASE}{CREATE}/{task}", headers=KEY).json()["data"]
