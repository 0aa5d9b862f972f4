"""The fixtures beside pytest plugins that mock or block the network too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

BOTH = """
        import asyncio, httpx, pytest
        from kling_mock import INTERCEPTED_HOSTS

        NOT_FOUND = "https://api.cometapi.com/nothing"
        MINE = "https://mine.test/x"

        def blocking(url):
            with httpx.Client(verify=False, trust_env=False) as client:
                return client.get(url)

        def asynchronous(url):
            async def main():
                async with httpx.AsyncClient(verify=False, trust_env=False) as client:
                    return await client.get(url)
            return asyncio.run(main())

        both = pytest.mark.parametrize("fetch", [blocking, asynchronous])
        untouched = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)

        def test_nothing_is_left_behind():
            now = (httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request)
            assert now == untouched
"""


@pytest.mark.parametrize("before", ["", "monkeypatch, "])
def test_pytest_httpx_started_before_mocks_the_other_hosts(suite: Suite, before: str) -> None:
    """The interception opened last answers for the service."""
    suite(
        f"""{BOTH}
        @both
        def test_it({before}httpx_mock, kling, fetch):
            httpx_mock.add_response(url=MINE, status_code=418)
            assert fetch(MINE).status_code == 418
            assert fetch(NOT_FOUND).status_code == 401
            assert len(kling.calls) == 1

        test_and_after = test_nothing_is_left_behind
        """,
        "-p",
        "pytest_httpx",
    ).assert_outcomes(passed=4)


@pytest.mark.parametrize("before", ["", "monkeypatch, "])
def test_pytest_httpx_started_later_passes_the_service_on_if_it_is_asked_to(
    suite: Suite, before: str
) -> None:
    """The patches may be undone in any order; none stays."""
    suite(
        f"""{BOTH}
        @both
        @pytest.mark.httpx_mock(should_mock=lambda request: request.url.host not in INTERCEPTED_HOSTS)
        def test_it({before}kling, httpx_mock, fetch):
            httpx_mock.add_response(url=MINE, status_code=418)
            assert fetch(MINE).status_code == 418
            assert fetch(NOT_FOUND).status_code == 401
            assert len(kling.calls) == 1

        test_and_after = test_nothing_is_left_behind
        """,
        "-p",
        "pytest_httpx",
    ).assert_outcomes(passed=4)


def test_pytest_httpx_started_later_takes_the_call_and_its_failure_names_the_way_out(suite: Suite) -> None:
    result = suite(
        f"""{BOTH}
        @both
        def test_it(kling, httpx_mock, fetch):
            fetch(NOT_FOUND)

        def test_wrapped(kling, httpx_mock):
            try:
                blocking(NOT_FOUND)
            except httpx.TimeoutException as error:
                raise RuntimeError("no poster") from error

        def test_swallowed(kling, httpx_mock):
            with pytest.raises(httpx.TimeoutException):
                blocking(NOT_FOUND)

        def test_of_another_host(kling, httpx_mock):
            blocking(MINE)
        """,
        "-p",
        "pytest_httpx",
    )
    result.assert_outcomes(passed=2, failed=4, errors=5)
    hints = [
        line for line in result.stdout.lines if "kling_mock: the fixture httpx_mock was set up after" in line
    ]
    # In three tests and in the five ends that report an unexpected request, but for those of the other host.
    assert len(hints) == 7
    assert all("should_mock=lambda request: request.url.host not in" in line for line in hints)


def test_pytest_httpx_finds_the_proxy_of_a_transport(suite: Suite) -> None:
    """It looks at the transport's connections."""
    suite(
        """
        import httpx

        def test_it(kling, httpx_mock):
            httpx_mock.add_response(url="https://mine.test/x", proxy_url="http://proxy.test:8080/")
            with httpx.Client(verify=False, proxy="http://proxy.test:8080") as client:
                assert client.get("https://mine.test/x").status_code == 200
        """,
        "-p",
        "pytest_httpx",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize("arguments", [(), ("--disable-socket",)], ids=["marked", "for all tests"])
def test_pytest_socket_blocks_sockets_and_the_fake_needs_none(
    suite: Suite, arguments: tuple[str, ...]
) -> None:
    """It has lifted its block by the time our fixture ends: nothing of it may be put back then."""
    suite(
        f"""
        import socket, httpx, httpx2, pytest
        from pytest_socket import SocketBlockedError

        resolver = socket.getaddrinfo

        @pytest.mark.disable_socket
        @pytest.mark.parametrize("library", [httpx, httpx2])
        def test_it(kling, library):
            url = "https://api.cometapi.com/nothing"
            assert library.get(url, verify=False, trust_env=False).status_code == 401
            with pytest.raises(SocketBlockedError), pytest.warns(UserWarning, match="socket"):
                socket.getaddrinfo("localhost", 80)

        @pytest.mark.enable_socket
        def test_afterwards():
            assert socket.getaddrinfo is resolver
            assert socket.getaddrinfo("localhost", 80)

        @pytest.mark.skipif({bool(arguments)}, reason="blocked for all tests")
        def test_unmarked():
            assert socket.getaddrinfo is resolver
            assert socket.getaddrinfo("localhost", 80)
        """,
        "-p",
        "pytest_socket",
        *arguments,
    ).assert_outcomes(passed=4 - bool(arguments), skipped=int(bool(arguments)))


def test_kling_server_works_where_pytest_socket_allows_this_machine(suite: Suite) -> None:
    suite(
        """
        import httpx

        def test_it(kling_server):
            assert httpx.get(f"{kling_server.url}/_mock/health", trust_env=False).status_code == 200
        """,
        "-p",
        "pytest_socket",
        "--allow-hosts=127.0.0.1",
    ).assert_outcomes(passed=1)


def test_names_are_guarded_under_kling_server_too(suite: Suite) -> None:
    """Code that ignores KLING_BASE_URL reaches no server."""
    suite(
        """
        import socket, httpx, httpx2, pytest, requests
        from kling_mock import NameRefused

        def refused():
            try:
                socket.getaddrinfo("api.cometapi.com", 443, flags=socket.AI_NUMERICHOST)
            except NameRefused:
                return True
            except socket.gaierror:
                return False

        def test_it(kling_server):
            assert refused()
            for library in (httpx, httpx2):
                with pytest.raises(NameRefused, match="kling_server"):
                    library.get("https://api.cometapi.com/", verify=False, trust_env=False)
            with requests.Session() as session:
                session.trust_env = False
                with pytest.raises(NameRefused):
                    session.get("https://api.cometapi.com/")

        def test_afterwards():
            assert not refused()
        """
    ).assert_outcomes(passed=2)
