"""The fixtures as users use them: without import or set-up, and without leaving anything behind."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


def test_the_fixture_works_without_an_import(suite: Suite) -> None:
    """The example of the design: the user's own code, unchanged, with a failing service."""
    suite(
        """
        import pytest
        from poster import poster

        @pytest.mark.kling(sleep="advance")
        def test_poster(kling):
            kling.next.fails("Image pixel is invalid")
            with pytest.raises(RuntimeError, match="Image pixel is invalid"):
                poster(prompt="the two of them at sea")
            assert kling.task.polls <= 5
            assert kling.task.request.prompt == "the two of them at sea"
            kling.calls.assert_created(times=1, prompt="*at sea")
        """
    ).assert_outcomes(passed=1)


def test_each_test_has_a_new_fake(suite: Suite) -> None:
    """Tasks, scripts, journal and clock are new, and the same seed gives the same ids."""
    suite(
        """
        import httpx, pytest
        from poster import make

        seen = []

        @pytest.mark.parametrize("fixture", ["kling", "kling", "kling_server", "kling_server"])
        @pytest.mark.kling(clock="ManualClock")
        def test_it(request, fixture):
            kling = request.getfixturevalue(fixture)
            assert kling.tasks == () and len(kling.calls) == 0
            kling.clock.advance(days=1)
            kling.when(prompt="*").holds()
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client)
            seen.append((kling.task.id, kling.clock.now()))

        def test_they_were_alike():
            assert seen[0] == seen[1]
            assert len({when for _, when in seen}) == 1
        """.replace('"ManualClock"', "__import__('kling_mock').ManualClock")
    ).assert_outcomes(passed=5)


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
def test_a_real_key_is_never_used(suite: Suite, fixture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is replaced during a test and restored afterwards, and is not in the output."""
    monkeypatch.setenv("COMETAPI_KEY", "sk-real-and-dear")
    monkeypatch.setenv("KLING_BASE_URL", "https://proxy.test")
    monkeypatch.setenv("KLING_ACCESS_KEY", "access-real-and-dear")
    monkeypatch.setenv("KLING_SECRET_KEY", "secret-real-and-dear")
    result = suite(
        f"""
        import os
        from poster import make
        import httpx

        def test_inside({fixture}):
            assert os.environ["COMETAPI_KEY"].startswith("sk-mock")
            assert os.environ.get("KLING_BASE_URL") == getattr({fixture}, "url", None)
            assert os.environ["KLING_API_KEY"] == os.environ["COMETAPI_KEY"]
            assert "KLING_ACCESS_KEY" not in os.environ and "KLING_SECRET_KEY" not in os.environ
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client)
            assert len({fixture}.account(os.environ["COMETAPI_KEY"]).tasks) == 1
            print({fixture}.calls, {fixture}.task)

        def test_afterwards():
            assert os.environ["COMETAPI_KEY"] == "sk-real-and-dear"
            assert os.environ["KLING_BASE_URL"] == "https://proxy.test"
            assert os.environ["KLING_ACCESS_KEY"] == "access-real-and-dear"
        """,
        "-s",
    )
    result.assert_outcomes(passed=2)
    assert "dear" not in result.stdout.str()
    assert os.environ["COMETAPI_KEY"] == "sk-real-and-dear"


def test_the_client_works_on_both_gateways_under_either_fixture(suite: Suite) -> None:
    """With a plain key by default; with a token if the marker gives an access key and its secret."""
    suite(
        """
        import pytest
        from kling_client import Client

        def both(fake):
            for gateway in ("cometapi", "kling"):
                with Client(gateway=gateway) as client:
                    made = client.generate(["https://a.test/1.png", "https://a.test/2.png"])
                    assert made.wait().status == "succeed"
            assert len(fake.tasks) == 2

        PAIR = pytest.mark.kling(keys=["sk-mock", "access:" + "s" * 32])
        skipped = pytest.mark.kling(sleep="advance")

        @skipped
        def test_in_process(kling): both(kling)

        @skipped
        @PAIR
        def test_in_process_with_tokens(kling): both(kling)

        @skipped
        def test_on_a_socket(kling_server): both(kling_server)

        @skipped
        @PAIR
        def test_on_a_socket_with_tokens(kling_server): both(kling_server)
        """
    ).assert_outcomes(passed=4)


def test_variables_that_were_not_set_are_unset_again(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMETAPI_KEY", raising=False)
    monkeypatch.delenv("KLING_BASE_URL", raising=False)
    suite("def test_it(kling, kling_server): pass").assert_outcomes(passed=1)
    assert not {"COMETAPI_KEY", "KLING_BASE_URL"} & os.environ.keys()


def test_the_first_of_the_keys_is_the_one_in_the_environment(suite: Suite) -> None:
    suite(
        """
        import os, pytest

        @pytest.mark.kling(keys=["sk-one", "sk-two"])
        def test_it(kling, kling_server):
            assert os.environ["COMETAPI_KEY"] == kling_server.api_key == "sk-one"
        """
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
def test_an_internal_error_fails_the_test_at_its_end_with_the_traceback(suite: Suite, fixture: str) -> None:
    """The user's code got a 500 and may have ignored it."""
    result = suite(
        f"""
        import httpx
        from poster import address, headers

        def explode_in_the_core(request):
            raise ZeroDivisionError("a bug of ours")

        def test_it({fixture}):
            {fixture}._answer = explode_in_the_core
            with httpx.Client(verify=False, trust_env=False) as client:
                assert client.get(address(), headers=headers()).status_code == 500

        def test_the_next_one({fixture}):
            assert len({fixture}.calls) == 0
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it*",
            "*errors while the fake answered requests or delivered callbacks*",
            "*in explode_in_the_core*",
            "*a bug of ours*",
        ]
    )


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
def test_an_exception_of_a_callback_receiver_fails_the_test_at_its_end(suite: Suite, fixture: str) -> None:
    """A receiver is part of the test: its assertions count, although the fake calls it."""
    result = suite(
        f"""
        import httpx
        from poster import make

        def receiver_of_mine(callback):
            assert callback.status == "succeed", "this one is not finished"

        def test_it({fixture}):
            {fixture}.callbacks.deliver_to(receiver_of_mine)
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client, callback_url="https://me.test/hook")
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*in receiver_of_mine*", "*this one is not finished*"])


def test_everything_is_restored_when_a_test_fails(suite: Suite) -> None:
    """Sleeping, name resolution, HTTP clients and environment are restored for the next test."""
    suite(
        """
        import asyncio, os, socket, time, httpx, httpcore, pytest

        before = (time.sleep, time.time, asyncio.sleep, socket.getaddrinfo,
                  httpcore.ConnectionPool.handle_request, dict(os.environ))

        @pytest.mark.kling(sleep="advance")
        def test_it(kling, kling_server):
            raise ZeroDivisionError

        def test_afterwards():
            now = (time.sleep, time.time, asyncio.sleep, socket.getaddrinfo,
                   httpcore.ConnectionPool.handle_request, dict(os.environ))
            now[-1].pop("PYTEST_CURRENT_TEST"), before[-1].pop("PYTEST_CURRENT_TEST", None)
            assert now == before
        """
    ).assert_outcomes(passed=1, failed=1)


def test_other_hosts_are_reached_unless_only_is_set(suite: Suite) -> None:
    suite(
        """
        import httpx, pytest, respx

        def test_theirs(kling, respx_mock):
            respx_mock.get("https://mine.test/").respond(418)
            assert httpx.get("https://mine.test/", verify=False).status_code == 418
            assert httpx.get("https://api.klingai.com/", verify=False).status_code == 401

        @pytest.mark.kling(only=True)
        def test_only(kling):
            with pytest.raises(AssertionError, match="leave `only` out"):
                httpx.get("https://mine.test/", verify=False)
        """,
        "-p",
        "respx",
    ).assert_outcomes(passed=2)


@pytest.mark.parametrize("order", ["kling, kling_server", "kling_server, kling"])
def test_both_fixtures_in_one_test_are_two_fakes(suite: Suite, order: str) -> None:
    """One in process, one with a server, which the interception does not affect.

    The variables are those of the fixture that is requested last.
    """
    served = order.endswith("kling_server")
    suite(
        f"""
        import httpx, os

        def test_it({order}):
            path = "/kling/v1/images/generations/1"
            mine = {{"Authorization": "Bearer " + kling_server.api_key}}
            with httpx.Client(verify=False, trust_env=False) as client:
                assert client.get(kling_server.url + path, headers=mine).status_code == 400
                assert client.get("https://api.cometapi.com" + path, headers=mine).status_code == 400
            assert (len(kling.calls), len(kling_server.calls)) == (1, 1)
            assert (os.environ["COMETAPI_KEY"] == kling_server.api_key) is {served}
            assert ("KLING_BASE_URL" in os.environ) is {served}
        """
    ).assert_outcomes(passed=1)


def test_unittest_and_async_tests_can_use_it(suite: Suite) -> None:
    suite(
        """
        import asyncio, unittest
        import httpx, pytest

        @pytest.mark.usefixtures("kling")
        class TestOld(unittest.TestCase):
            def test_it(self):
                self.assertEqual(httpx.get("https://api.cometapi.com/", verify=False).status_code, 401)

        def test_async(kling):
            async def main():
                async with httpx.AsyncClient(verify=False) as client:
                    return await client.get("https://api.cometapi.com/")
            assert asyncio.run(main()).status_code == 401
        """
    ).assert_outcomes(passed=2)


def test_pytest_documents_marker_fixtures_and_option(suite: Suite) -> None:
    """By `--markers`, `--fixtures` and `--help`."""
    markers = suite("", "--markers").stdout
    markers.fnmatch_lines(["@pytest.mark.kling(pace=..., seed=..., sleep='advance'*kling_mock.Settings*"])
    fixtures = suite("", "--fixtures").stdout
    # pytest sorts them by the text of their line numbers.
    fixtures.fnmatch_lines(
        [
            "kling -- *pytest_plugin.py*",
            "*A new fake that answers the requests of httpx and httpx2 to the service, in process*",
        ]
    )
    fixtures.fnmatch_lines(
        [
            "kling_server -- *pytest_plugin.py*",
            "*A new fake with a server on a socket: `.url` is its address, `.api_key` is valid *",
        ]
    )
    fixtures.no_fnmatch_line("*_kling_*")
    suite("", "--help").stdout.fnmatch_lines(["*kling (linelist):*settings of the fixtures*"])
