"""The interception beside mocks, recorders and instrumentation of other libraries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import responses
import respx
import vcr
from aioresponses import aioresponses
from opentelemetry.instrumentation.httpx import (
    AsyncOpenTelemetryTransport,
    HTTPXClientInstrumentor,
    SyncOpenTelemetryTransport,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from respx.mocks import HTTPCoreMocker
from respx.models import AllMockedAssertionError
from vcr.errors import CannotOverwriteExistingCassetteException

from kling_contracts.gateways import COMETAPI
from kling_mock import INTERCEPTED_HOSTS, Fake, NameRefused
from kling_mock.doors.asgi import ASGIApp
from tests.kling_mock.doors.http_libraries import ELSEWHERE, NOT_FOUND, QUICK, WAYS, Way

MINE = "https://mine.test/x"
HTTPX = [way for way in WAYS.values() if way.library is httpx]
of_httpx = pytest.mark.parametrize("way", HTTPX, ids=["blocking", "asyncio", "trio"])


# -- respx: it knows httpx, and works below the transports


@pytest.fixture
def no_router_left() -> Iterator[None]:
    yield
    assert HTTPCoreMocker.routers == []


def _router(*, strict: bool = True) -> respx.MockRouter:
    router = respx.mock(assert_all_mocked=strict, assert_all_called=False)
    router.get(MINE).respond(418)
    router.get(NOT_FOUND).respond(418)
    return router


@of_httpx
@pytest.mark.usefixtures("no_router_left")
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lax"])
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "theirs first"])
def test_a_respx_router_decides_about_other_hosts(way: Way, *, strict: bool, ours_first: bool) -> None:
    """In any order; its routes for the service are not reached."""
    fake = Fake()
    ours: AbstractContextManager[object] = fake.intercept()
    theirs: AbstractContextManager[object] = _router(strict=strict)
    first, second = (ours, theirs) if ours_first else (theirs, ours)
    with first, second:
        assert way.fetch(MINE).status_code == 418
        assert way.fetch(NOT_FOUND).status_code == 401
        if strict:
            with pytest.raises(AllMockedAssertionError):
                way.fetch(ELSEWHERE)
        else:
            assert way.fetch(ELSEWHERE).status_code == 200
    assert len(fake.calls) == 1


@of_httpx
@pytest.mark.usefixtures("no_router_left")
def test_a_respx_router_may_pass_its_hosts_on(way: Way, served: tuple[ASGIApp, str]) -> None:
    app, url = served
    app.fake = Fake()
    mine = respx.mock(assert_all_called=False)
    mine.route(host="127.0.0.1").pass_through()
    for order in ((mine, Fake().intercept()), (Fake().intercept(), mine)):
        with order[0], order[1]:
            assert way.fetch(f"{url}/_mock/health").status_code == 200


@of_httpx
@pytest.mark.usefixtures("no_router_left")
def test_the_fake_is_a_side_effect_in_a_router_of_ones_own(way: Way) -> None:
    """Routes of the router's own for the service are added before it."""
    fake = Fake()
    with respx.mock(assert_all_called=False) as router:
        router.get(f"{COMETAPI.base_url}/mine").respond(418)
        route = fake.respx_route(router)
        router.get(MINE).respond(204)
        assert way.fetch(f"{COMETAPI.base_url}/mine").status_code == 418
        assert way.fetch(NOT_FOUND, "POST", content=way.content(b"{", b"}")).status_code == 401
        assert way.fetch(f"http://{INTERCEPTED_HOSTS[-1]}/x.png").status_code in {401, 404}
        assert way.fetch(MINE).status_code == 204
        assert route.call_count == 2
        with pytest.raises(AllMockedAssertionError):
            way.fetch(ELSEWHERE)
    assert [call.path for call in fake.calls] == ["/nothing", "/x.png"]


def test_a_router_of_respx_that_works_in_the_client_is_asked_first() -> None:
    """`using="httpx"` replaces the transport of a client: it sits above the interception."""
    fake = Fake()
    with fake.intercept(), respx.mock(using="httpx", assert_all_called=False) as router:
        router.get(NOT_FOUND).respond(418)
        assert HTTPX[0].fetch(NOT_FOUND).status_code == 418
    assert len(fake.calls) == 0


# -- vcrpy


@pytest.fixture
def cassette(tmp_path: Path) -> Callable[..., AbstractContextManager[Any]]:
    def make(**options: Any) -> AbstractContextManager[Any]:
        made: AbstractContextManager[Any] = vcr.VCR().use_cassette(str(tmp_path / "tape.yaml"), **options)
        return made

    return make


Cassette = Callable[..., AbstractContextManager[Any]]


def test_in_a_cassette_the_fake_answers_and_nothing_of_it_is_recorded(
    way: Way, cassette: Cassette, served: tuple[ASGIApp, str], tmp_path: Path
) -> None:
    """The cassette is opened first: other hosts are recorded and played."""
    app, url = served
    app.fake = Fake()
    fake = Fake()
    for _ in range(2):
        with cassette() as tape, fake.intercept():
            assert way.fetch(NOT_FOUND).status_code == 401
            assert way.fetch(f"{url}/_mock/health").status_code == 200
            assert len(tape) == 1
    assert tape.play_count == 1
    assert len(fake.calls) == 2
    assert "cometapi" not in (tmp_path / "tape.yaml").read_text()


def test_a_cassette_opened_later_takes_the_call_unless_it_ignores_the_service(
    way: Way, cassette: Cassette
) -> None:
    fake = Fake()
    with fake.intercept():
        with cassette(record_mode="none"), pytest.raises(CannotOverwriteExistingCassetteException):
            way.fetch(NOT_FOUND)
        with cassette(record_mode="none", ignore_hosts=INTERCEPTED_HOSTS):
            assert way.fetch(NOT_FOUND).status_code == 401
        assert len(fake.calls) == 1
        with cassette() as tape:
            assert way.fetch(NOT_FOUND).status_code == 401
        assert len(fake.calls) == 2
        with cassette() as tape:
            assert way.fetch(NOT_FOUND).status_code == 401  # from the tape
        assert tape.play_count == 1
        assert len(fake.calls) == 2


# -- responses and aioresponses: they mock requests and aiohttp, and see nothing of httpx


def test_responses_mocks_requests_beside_the_interception_and_the_adapter(way: Way) -> None:
    fake = Fake()
    with fake.intercept(), responses.RequestsMock() as mocked, requests.Session() as session:
        mocked.get(MINE, status=418)
        session.mount(COMETAPI.base_url, fake.requests_adapter())
        assert session.get(MINE).status_code == 418
        assert session.get(NOT_FOUND).status_code == 401
        assert way.fetch(NOT_FOUND).status_code == 401
        with pytest.raises(requests.ConnectionError, match="match any registered mock"):
            requests.get(NOT_FOUND, timeout=1)
    assert len(fake.calls) == 2


def test_aioresponses_mocks_aiohttp_beside_the_interception(served: tuple[ASGIApp, str]) -> None:
    app, url = served
    app.fake = Fake()
    fake = Fake()

    async def main() -> None:
        async with aiohttp.ClientSession() as session, httpx.AsyncClient(**QUICK) as client:
            with fake.intercept(), aioresponses(passthrough=[url]) as mocked:
                # It cannot build responses of the aiohttp that is installed here.
                mocked.get(MINE, exception=aiohttp.ClientPayloadError("mocked"))
                with pytest.raises(aiohttp.ClientPayloadError, match="mocked"):
                    await session.get(MINE)
                async with session.get(f"{url}/_mock/health") as answer:
                    assert answer.status == 200
                assert (await client.get(NOT_FOUND)).status_code == 401
            with fake.intercept(), pytest.raises(NameRefused):
                await session.get(NOT_FOUND)

    asyncio.run(main())
    assert len(fake.calls) == 1


# -- OpenTelemetry


@pytest.fixture
def spans() -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


Spans = tuple[TracerProvider, InMemorySpanExporter]


@pytest.fixture
def instrumentor(way: Way) -> Iterator[Any]:
    """The instrumentor of the library, which is one object in a process."""
    if way.library is httpx:
        made: Any = HTTPXClientInstrumentor()
    else:
        from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor

        made = HTTPX2ClientInstrumentor()
    before = vars(way.HTTPTransport)[way.method]
    yield made
    if made.is_instrumented_by_opentelemetry:
        made.uninstrument()
    assert vars(way.HTTPTransport)[way.method] is before


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("until", ["meanwhile", "afterwards"])
def test_each_call_has_a_span_whenever_httpx_was_instrumented(
    way: Way, spans: Spans, instrumentor: Any, when: str, until: str
) -> None:
    provider, exporter = spans
    fake = Fake()
    if when == "before":
        instrumentor.instrument(tracer_provider=provider)
    with fake.intercept():
        if when == "meanwhile":
            instrumentor.instrument(tracer_provider=provider)
        assert way.fetch(NOT_FOUND).status_code == 401
        assert len(exporter.get_finished_spans()) == 1
        if until == "meanwhile":
            instrumentor.uninstrument()
            assert way.fetch(NOT_FOUND).status_code == 401
            assert len(exporter.get_finished_spans()) == 1
    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["http.status_code"] == 401
    assert "traceparent" in dict(fake.calls[0].headers)


def test_a_client_that_was_instrumented_by_itself_is_intercepted(
    way: Way, spans: Spans, instrumentor: Any
) -> None:
    """Its transport calls the method that was there then, whether the interception is open or not yet."""
    provider, exporter = spans
    fake = Fake()
    before = way.Client(**QUICK)
    instrumentor.instrument_client(before, tracer_provider=provider)
    with fake.intercept():
        meanwhile = way.Client(**QUICK)
        instrumentor.instrument_client(meanwhile, tracer_provider=provider)
        assert way.send(before, "GET", NOT_FOUND).status_code == 401
        assert way.send(meanwhile, "GET", NOT_FOUND).status_code == 401
    with fake.intercept():
        assert way.send(meanwhile, "GET", NOT_FOUND).status_code == 401
        assert way.send(before, "POST", NOT_FOUND, content=way.content(b"a", b"b")).status_code == 401
        assert way.send(before, "HEAD", NOT_FOUND).content == b""
        with pytest.raises(way.library.LocalProtocolError, match="Illegal header value"):
            way.send(before, "GET", NOT_FOUND, headers={"authorization": "Bearer sk\n"})
    assert len(fake.calls) == 5
    assert len(exporter.get_finished_spans()) == 6
    for client in (before, meanwhile):
        way.close(client)


@of_httpx
def test_a_transport_of_opentelemetry_over_one_of_httpx_is_intercepted(way: Way, spans: Spans) -> None:
    provider, exporter = spans
    kind: Any = SyncOpenTelemetryTransport if way.blocking else AsyncOpenTelemetryTransport
    transport = kind(way.HTTPTransport(verify=False), tracer_provider=provider)
    with Fake().intercept():
        assert way.fetch(NOT_FOUND, client={"transport": transport}).status_code == 401
    assert len(exporter.get_finished_spans()) == 1


# -- below the transports


def test_a_method_that_was_saved_before_is_intercepted(way: Way) -> None:
    """Of the class or of a transport: it reaches the connections of the transport, which are guarded."""
    transport = way.HTTPTransport(verify=False)
    saved = getattr(transport, way.method)
    request = way.library.Request("GET", NOT_FOUND)
    fake = Fake()
    with fake.intercept():
        response = way.do(None, lambda: saved(request))
        assert response.status_code == 401
        other = way.library.Request("GET", "http://127.0.0.1:1/")
        with pytest.raises(way.library.ConnectError):
            way.do(None, lambda: saved(other))
    with (
        fake.intercept(only=True),
        pytest.raises(AssertionError, match=r"GET https://elsewhere.test/x was refused"),
    ):
        way.do(None, lambda: saved(way.library.Request("GET", ELSEWHERE)))
    assert len(fake.calls) == 1


def test_the_connections_of_a_transport_look_as_without_us(way: Way) -> None:
    """Other mocks ask whether they are those of a proxy."""
    transport = way.HTTPTransport(verify=False, proxy="http://proxy.test:8080")
    pool = transport._pool
    with Fake().intercept():
        assert isinstance(transport._pool, type(pool))
        assert transport._pool._proxy_url == pool._proxy_url
        made = way.HTTPTransport(verify=False)
        assert transport._pool is not pool
    assert transport._pool is pool
    assert type(made._pool).__module__.startswith("httpcore")
    assert "_pool" not in vars(way.HTTPTransport)
