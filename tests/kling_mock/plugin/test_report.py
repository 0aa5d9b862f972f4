"""The report of a failed test: the timelines of its fakes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

TITLE = "* kling: timeline *"
TITLE_SERVER = "* kling_server: timeline *"

FAILING = """
import pytest
from poster import poster

@pytest.mark.kling(sleep="advance", clock=__import__("kling_mock").ManualClock)
def test_poster(kling):
    kling.when(prompt="*cat*").succeeds()
    kling.next.fails("Image pixel is invalid")
    kling.callbacks.deliver_to(lambda callback: None)
    poster(prompt="a dog", callback_url="https://me.test/hook")
"""


def test_a_failed_test_shows_one_readable_timeline(suite: Suite) -> None:
    """Requests, statuses, clock, callbacks, the applied script and the unused one."""
    result = suite(FAILING)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * RuntimeError: Image pixel is invalid",
            TITLE,
            "+0.000s  call      POST * -> 200 submitted task * [[]script #1: next create fails*",
            "+0.000s  call      GET */images/generations/* -> 200 processing task *",
            "+0.000s  state     task * processing",
            "+0.000s  callback  task * submitted to https://me.test/hook delivered",
            "+0.000s  callback  task * processing to https://me.test/hook delivered",
            "+0.000s  clock     advanced by 3 s",
            "+3.000s  call      GET */images/generations/* -> 200 failed task *",
            "+3.000s  state     task * failed: Image pixel is invalid",
            "+3.000s  callback  task * failed to https://me.test/hook delivered",
            "",
            "unused script #0: every create with prompt='[*]cat[*]' succeeds, always. Create requests, *",
            "  POST */images/generations -> 200 submitted task *",
            "    prompt: expected '[*]cat[*]', got 'a dog'",
        ],
        consecutive=False,
    )


def test_the_timeline_of_the_server_is_shown(suite: Suite) -> None:
    """Of this test only, including requests of other threads, for which it waits."""
    result = suite(
        """
        import threading
        import httpx
        from poster import make

        def call(**fields):
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client, **fields)

        def test_before(kling_server):
            call(prompt="an earlier one", callback_url="https://me.test/earlier")

        def test_it(kling_server):
            thread = threading.Thread(target=call, kwargs={"callback_url": "https://me.test/hook"})
            thread.start()
            kling_server.calls.assert_created(within=30)
            thread.join()
            kling_server.task.assert_polled(within=0.01)
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * AssertionError: expected task * to be polled at least once, but it was polled 0 times",
            TITLE_SERVER,
            "+0.000s  call      POST *",
            "+0.000s  callback  task * submitted to https://me.test/hook is due, not sent: *--callbacks any*",
        ]
    )
    result.stdout.no_fnmatch_line("*https://me.test/earlier*")


def test_each_of_two_fakes_has_its_own_timeline(suite: Suite) -> None:
    result = suite("def test_it(kling, kling_server): assert kling is kling_server")
    result.stdout.fnmatch_lines([TITLE, "no requests", TITLE_SERVER, "no requests"])


@pytest.mark.parametrize(
    "test",
    [
        "def test_it(kling): get()",
        "@pytest.mark.xfail\ndef test_it(kling): get(), 1 / 0",
        "def test_it(kling): get(), pytest.skip('later')",
        "def test_it(kling, broken): pass",
        "def test_it(kling, leaving): pass",
    ],
    ids=["passed", "expected to fail", "skipped", "failed before", "failed after"],
)
def test_nothing_is_shown_unless_the_test_itself_failed(test: str, suite: Suite) -> None:
    result = suite(
        """
import httpx, pytest

def get():
    assert httpx.get("https://api.cometapi.com/", verify=False).status_code == 401

@pytest.fixture
def broken():
    raise ZeroDivisionError

@pytest.fixture
def leaving():
    yield
    raise ZeroDivisionError

"""
        + test,
        "-rA",
    )
    assert "kling: timeline" not in result.stdout.str()


def test_a_strict_xfail_that_passes_is_a_failure(suite: Suite) -> None:
    result = suite("import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(kling): pass")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([TITLE])


@pytest.mark.parametrize(
    "test",
    [
        "def test_it(request): request.getfixturevalue('kling'); assert False",
        "@pytest.fixture\ndef mine(kling): return 1\ndef test_it(mine): assert not mine",
        "@pytest.fixture\ndef kling(kling): return None\ndef test_it(kling): assert kling",
        "@pytest.mark.usefixtures('kling')\nclass Test(unittest.TestCase):\n  def test(self): self.fail()",
    ],
    ids=["asked for by name", "in a fixture of theirs", "replaced by theirs", "unittest"],
)
def test_it_is_shown_for_every_way_to_request_the_fixture(test: str, suite: Suite) -> None:
    result = suite("import pytest, unittest\n\n" + test)
    result.assert_outcomes(failed=1)
    hosts = "answered are requests of httpx and httpx2 to api.cometapi.com, *"
    result.stdout.fnmatch_lines([TITLE, "no requests", hosts], consecutive=True)


def test_it_contains_no_key(suite: Suite) -> None:
    result = suite(
        """
        import httpx
        from poster import PATH

        def test_it(kling):
            key = {"Authorization": "Bearer sk-real-and-" + "dear"}
            url = "https://api.cometapi.com" + PATH
            httpx.get(url, headers=key, verify=False)
            httpx.get(url + "/1", verify=False)
            assert len(kling.tasks) == 1
        """
    )
    result.stdout.fnmatch_lines([TITLE, "+0.000s  call      GET *"])
    assert "sk-real-and-dear" not in result.stdout.str()


def test_an_error_in_the_timeline_does_not_hide_the_failure(suite: Suite) -> None:
    result = suite(
        """
        def test_it(kling):
            kling._store = None
            assert False, "the reason"

        def test_next(kling): pass
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E * AssertionError: the reason", TITLE, "the timeline is not available: AttributeError*"]
    )


def test_fakes_are_released_after_their_tests(suite: Suite) -> None:
    """pytest keeps all test items until the end of the run, and would keep their tasks and journals too."""
    suite(
        """
        import gc, weakref

        fakes = []

        def test_it(kling, kling_server):
            fakes.extend((weakref.ref(kling), weakref.ref(kling_server)))

        def test_afterwards():
            gc.collect()
            assert [fake() for fake in fakes] == [None, None]
        """
    ).assert_outcomes(passed=2)
