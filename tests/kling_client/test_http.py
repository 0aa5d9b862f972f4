"""The module that imports httpx: requests sent, responses read, exceptions turned into failures."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import functools
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kling_client
from kling_client import ApiError, ConfigError, TransportError, UnexpectedReply
from kling_client.http import AsyncExchange, AsyncSession, Exchange
from kling_client.steps import Call, Failure, Head, Read, Send, Stage
from tests.kling_client.conftest import TASK_ID, Body, Service, shown

CALL = Call(method="GET", url="https://h/x", headers={"X-A": "1"}, timeout=7.0, private=True)


def exchange(kind: str, answer: Any, *, reads: int = 3, call: Call = CALL) -> list[Head | bytes | Failure]:
    """The outcomes of sending one call and reading `reads` times."""

    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        response: httpx.Response = answer(request) if callable(answer) else answer
        return response

    transport = httpx.MockTransport(handle)
    steps: list[Send | Read] = [Send(call), *[Read()] * reads]
    if kind == "sync":
        with httpx.Client(transport=transport) as http:
            line = Exchange(http)
            found = [line.perform(step) for step in steps]
            line.close()
            line.close()
            return found

    async def session() -> list[Head | bytes | Failure]:
        async with httpx.AsyncClient(transport=transport) as http:
            line = AsyncExchange(http)
            found = [await line.perform(step) for step in steps]
            await line.close()
            await line.close()
            return found

    return asyncio.run(session())


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_a_body_is_read_piece_by_piece_and_ends_with_nothing(kind: str) -> None:
    body = Body(b"one", b"two")
    found = exchange(kind, httpx.Response(200, headers={"X-B": "2"}, stream=body))
    assert found == [Head(200, {"x-b": "2"}), b"one", b"two", b""]
    assert body.closed


@both
def test_a_body_that_was_read_before_is_read_all_the_same(kind: str) -> None:
    """As `httpx.Response(200, json=...)` in a user's test."""
    (head, body, end, _) = exchange(kind, httpx.Response(200, json={"a": 1}))
    assert isinstance(head, Head)
    assert (body, end) == (b'{"a":1}', b"")


@both
def test_nothing_is_decompressed(kind: str) -> None:
    packed = gzip.compress(b"hello")
    answer = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Body(packed))
    assert exchange(kind, answer)[1] == packed


@both
def test_an_answer_given_up_halfway_is_closed(kind: str) -> None:
    body = Body(b"one", b"two", b"three")
    exchange(kind, httpx.Response(200, stream=body), reads=1)
    assert body.closed
    assert body.sent == 3


@both
def test_reading_without_an_answer_is_the_end(kind: str) -> None:
    (failure, nothing, _, _) = exchange(kind, httpx.ConnectError("refused"))
    assert isinstance(failure, Failure)
    assert nothing == b""


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("[Errno 111] Connection refused", "; no server listens there: start it, or correct host and port"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version", "; the server does not use TLS: set an http:// URL"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] x", "; set SSL_CERT_FILE to the certificate of its authority"),
        ("[Errno -2] Name or service not known", ""),
    ],
)
def test_a_failure_to_connect_has_a_way_out(text: str, advice: str) -> None:
    (failure, *_) = exchange("sync", httpx.ConnectError(text))
    assert isinstance(failure, Failure)
    assert failure.reason == f"ConnectError: {text}{advice}"


# The stage that each exception of the library implies, typed by hand from its documentation.
STAGES = [
    (httpx.ConnectError("x"), Stage.UNSENT),
    (httpx.ConnectTimeout("x"), Stage.UNSENT),
    (httpx.PoolTimeout("x"), Stage.UNSENT),
    (httpx.ProxyError("x"), Stage.UNSENT),
    (httpx.ReadTimeout("x"), Stage.SENT),
    (httpx.WriteTimeout("x"), Stage.SENT),
    (httpx.ReadError("x"), Stage.SENT),
    (httpx.WriteError("x"), Stage.SENT),
    (httpx.CloseError("x"), Stage.SENT),
    (httpx.RemoteProtocolError("x"), Stage.SENT),
    (httpx.DecodingError("x"), Stage.SENT),
    (httpx.LocalProtocolError("x"), Stage.IMPOSSIBLE),
    (httpx.UnsupportedProtocol("x"), Stage.IMPOSSIBLE),
    (httpx.InvalidURL("x"), Stage.IMPOSSIBLE),
]


@both
@pytest.mark.parametrize(("error", "stage"), STAGES, ids=[type(error).__name__ for error, _ in STAGES])
def test_each_error_of_the_library_tells_how_far_the_request_got(
    kind: str, error: Exception, stage: Stage
) -> None:
    (found, *_) = exchange(kind, error)
    assert found == Failure(stage, f"{type(error).__name__}: x", error)


def test_every_transport_error_of_the_library_is_in_that_table() -> None:
    """A new exception needs a decision: classified as unsent by mistake, it could cause a second payment."""

    def leaves(kind: type[Exception]) -> set[type[Exception]]:
        below = kind.__subclasses__()
        return set().union(*(leaves(each) for each in below)) if below else {kind}

    assert leaves(httpx.TransportError) <= {type(error) for error, _ in STAGES}


@both
@pytest.mark.parametrize("url", ["https://h/\ud800", "ftp://h/", "", "https://\x00/"])
def test_an_address_that_cannot_be_asked_is_a_failure(kind: str, url: str) -> None:
    call = Call(method="GET", url=url, headers={}, timeout=1, private=False)
    with_transport = httpx.UnsupportedProtocol("x") if url in ("ftp://h/", "") else httpx.Response(200)
    (found, *_) = exchange(kind, with_transport, call=call)
    assert isinstance(found, Failure)
    assert found.stage is Stage.IMPOSSIBLE


@both
def test_the_timeout_holds_for_every_phase(kind: str) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    for private in (True, False):
        call = Call(method="GET", url="https://h/", headers={}, timeout=7.0, private=private)
        exchange(kind, answer, call=call)
    expected = dict.fromkeys(("connect", "read", "write", "pool"), 7.0)
    assert [request.extensions["timeout"] for request in seen] == [expected] * 2


def test_each_event_loop_gets_connections_of_its_own() -> None:
    """A client used in two calls of `asyncio.run` must not use connections of the closed loop."""
    session = AsyncSession(None)

    async def current() -> list[object]:
        return [session.current(), session.current()]

    first, again = asyncio.run(current())
    second, _ = asyncio.run(current())
    assert first is again
    assert first is not second
    asyncio.run(session.close())
    with pytest.raises(ConfigError, match="closed"):
        session.current()


def test_another_event_loop_library_is_served_too() -> None:
    """Without a running asyncio loop the session has one HTTP client."""
    session = AsyncSession(None)
    assert session.current() is session.current()


def test_no_other_module_knows_httpx() -> None:
    """To support another HTTP library, only one module has to change."""
    importing: list[str] = []
    for file in sorted(Path(kling_client.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            importing += [file.name for name in names if name.split(".")[0] == "httpx"]
            assert not any(name.split(".")[0] == "kling_mock" for name in names)
    assert set(importing) == {"http.py"}


# --- hostile responses ------------------------------------------------------------------------------------


@functools.cache
def packed() -> bytes:
    """64 MB of zeros as gzip: well under 1 MB."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()


def bomb() -> httpx.Response:
    return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Body(packed()))


def peak(act: Callable[[], object]) -> int:
    """Peak memory of an action, in bytes."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_does_no_harm(service: Service) -> None:
    """It is refused without being read."""
    assert len(packed()) < 2**20
    answer = bomb()
    service.will(answer)
    kling = service.client()

    def ask() -> None:
        with pytest.raises(UnexpectedReply, match="gzip"):
            kling.get(TASK_ID)

    assert peak(ask) < 4 * 2**20


def test_the_bomb_above_is_one() -> None:
    """Counterexample: reading it with the library's decoder allocates the whole decompressed size."""
    assert peak(lambda: bomb().read()) > 64 * 2**20


def test_a_body_without_end_is_not_read_to_its_end(service: Service) -> None:
    body = Body(*[bytes(2**20)] * 100)
    service.will(httpx.Response(200, stream=body))
    with pytest.raises(UnexpectedReply, match="longer than"):
        service.client().get(TASK_ID)
    assert body.sent <= 9 * 2**20
    assert body.closed


@given(
    status=st.integers(100, 599),
    body=st.binary(max_size=200) | st.just(shown("succeed").content),
    headers=st.dictionaries(
        st.sampled_from(["content-length", "content-encoding", "location", "retry-after", "content-type"]),
        st.sampled_from(["0", "7", "-1", "10000", "gzip", "identity", "soon", "\xff", "https://[::1", ""]),
    ),
    kind=st.sampled_from(["sync", "async"]),
)
def test_any_answer_over_the_wire_gives_a_task_or_a_documented_error(
    status: int, body: bytes, headers: dict[str, str], kind: str
) -> None:
    service = Service(kind)

    def answer(_: httpx.Request) -> httpx.Response:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return httpx.Response(status, headers=raw, stream=Body(body))

    service.will(answer)
    kling = service.client()
    with contextlib.suppress(ApiError, UnexpectedReply, TransportError):
        assert kling.get(TASK_ID).id == TASK_ID
    with contextlib.suppress(ApiError, UnexpectedReply, TransportError):
        assert kling.generate(["https://h/a", "https://h/b"]).id == TASK_ID
    assert len(service.requests) <= 8
