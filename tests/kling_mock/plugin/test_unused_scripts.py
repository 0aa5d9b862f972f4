"""Unused scripts in pytest: the test has an error at its end, unless it did not get there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]

FIXTURES = ("kling", "kling_server")


@pytest.mark.parametrize("fixture", FIXTURES)
def test_the_error_names_fixture_line_script_and_closest_create(suite: Suite, fixture: str) -> None:
    result = suite(
        f"""
        import httpx
        from poster import make

        def test_it({fixture}):
            {fixture}.when(prompt="cat").fails("no cats")
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client, prompt="a cat at sea")
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it*",
            f"fixture {fixture}: 1 script had no effect",
            f"test_users.py:5: {fixture}.when(prompt=*",
            "unused script #0: every create with prompt='cat' fails 'no cats', always. Create requests, *",
            "  POST */images/generations -> 200 submitted task *",
            "    prompt: expected 'cat', got 'a cat at sea'; *did you mean '[*]cat[*]'*",
            "remove the script, *",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("fixture", FIXTURES)
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("next.fails('no')", "unused script #0: next create fails*"),
        ("account('sk-mock-b').next.holds()", "unused script #0: next create pace held*"),
        ("when(n=2)", "script without an outcome: when(n=2); add .succeeds()*"),
        ("next", "script without an outcome: next; add *"),
        ("next.times(2)", "script without an outcome: next; add *"),
    ],
)
def test_scripts_without_effect_are_errors(suite: Suite, fixture: str, script: str, expected: str) -> None:
    result = suite(f"def test_it({fixture}): {fixture}.{script}")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"fixture {fixture}: 1 script*", "test_users.py:1:*", expected])


@pytest.mark.parametrize("script", ["when(n='2')", "next.fails('a').succeeds()", "next.refuses(418)"])
def test_mistakes_fail_the_test_at_their_line_and_only_there(suite: Suite, script: str) -> None:
    result = suite(f"def test_it(kling):\n    kling.{script}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["test_users.py:2: *"])


@pytest.mark.parametrize(
    "how",
    [
        "kling.next.fails('no').optional()",
        "kling.when(n=2).optional().refuses(429)",
        "kling.next.fails('no'); pytest.skip('later')",
        "kling.next.fails('no'); pytest.xfail('known')",
        "kling.when(n=2); pytest.skip('later')",
    ],
)
def test_optional_scripts_and_tests_that_did_not_end_are_no_errors(suite: Suite, how: str) -> None:
    result = suite(f"import pytest\ndef test_it(kling):\n    {how}\n")
    assert result.ret == 0
    assert "had no effect" not in result.stdout.str()


def test_a_failed_test_has_one_failure_with_a_note_about_its_script(suite: Suite) -> None:
    """The unused script does not hide the failure."""
    result = suite(
        """
        def test_it(kling):
            kling.next.fails("no")
            kling.when(n=2)
            assert 1 == 2, "the reason"
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * AssertionError: the reason",
            "* kling: timeline *",
            "test_users.py:3: kling.when(n=2)",
            "script without an outcome: when(n=2); *",
            "test_users.py:2: kling.next.fails(*",
            "unused script #0: *",
        ]
    )


def test_an_expected_failure_stays_one(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.mark.xfail
        def test_fails(kling):
            kling.next.fails("no")
            raise ZeroDivisionError

        @pytest.mark.xfail(strict=True)
        def test_strict(kling):
            kling.next.fails("no")
            raise ZeroDivisionError
        """
    )
    result.assert_outcomes(xfailed=2)


def test_an_error_in_the_set_up_of_another_fixture_is_the_only_one(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.fixture
        def broken(kling):
            kling.next.fails("no")
            raise ZeroDivisionError

        def test_it(kling, broken): pass
        """
    )
    result.assert_outcomes(errors=1)
    assert "had no effect" not in result.stdout.str()


def test_an_error_in_the_tear_down_of_another_fixture_is_shown_too(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.fixture
        def leaving(kling):
            yield
            raise ZeroDivisionError("theirs")

        def test_it(kling, leaving):
            kling.next.fails("no")
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*theirs*"])
    result.stdout.fnmatch_lines(["*fixture kling: 1 script had no effect*"])


def test_scripts_of_fixtures_and_helpers_are_reported_at_their_lines(
    suite: Suite, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def failing(kling):
            kling.next.fails("from a fixture")
            return kling
        """
    )
    pytester.makepyfile(helpers="def write(kling):\n    kling.when(n=2).fails('from a helper')\n")
    result = suite("from helpers import write\n\ndef test_it(failing):\n    write(failing)\n")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["fixture kling: 2 scripts*", "conftest.py:5: *", "helpers.py:2: *"])


def test_a_script_used_in_the_tear_down_of_a_fixture_counts(suite: Suite) -> None:
    suite(
        """
        import httpx, pytest
        from poster import make

        @pytest.fixture
        def cleaned(kling):
            yield kling
            with httpx.Client(verify=False, trust_env=False) as client:
                make(client)

        def test_it(cleaned):
            cleaned.next.fails("no")
        """
    ).assert_outcomes(passed=1)


def test_each_of_two_fakes_reports_its_scripts(suite: Suite) -> None:
    result = suite(
        "def test_it(kling, kling_server):\n    kling.next.holds()\n    kling_server.next.holds()\n"
    )
    result.assert_outcomes(passed=1, errors=1)
    for fixture in FIXTURES:
        result.stdout.fnmatch_lines([f"*fixture {fixture}: 1 script had no effect*"])


def test_the_setting_is_given_by_marker_and_ini(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        def test_ini(kling):
            kling.next.fails("no")

        @pytest.mark.kling(unused_scripts="error")
        def test_marker(kling):
            kling.next.fails("no")
        """,
        ini="kling =\n    unused_scripts = ignore",
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_marker*"])


def test_a_warning_is_listed_with_the_line_of_the_script(suite: Suite) -> None:
    result = suite(
        """
        import pytest

        @pytest.mark.kling(unused_scripts="warn")
        def test_it(kling):
            kling.next.fails("no")
        """,
        "-W",
        "default",
    )
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*test_users.py:5: UnusedScriptWarning: unused script #0: *"])


def test_a_test_that_is_run_again_is_checked_again(suite: Suite, pytester: pytest.Pytester) -> None:
    """As pytest-rerunfailures does it: the same item, first failing, then passing with an unused script."""
    pytester.makeconftest(
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            item.runs = 1
            runtestprotocol(item, nextitem=nextitem, log=False)
            item._initrequest()
            item.runs = 2
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        """
    )
    result = suite(
        """
        def test_it(request, kling):
            kling.next.fails("no")
            assert request.node.runs == 2
        """
    )
    result.assert_outcomes(passed=1, errors=1)


# -- fixtures of wider scope


@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_a_fixture_of_wider_scope_checks_at_its_end(suite: Suite, scope: str) -> None:
    """Neither a script that another test uses nor those of a test that fails or skips are errors."""
    result = suite(
        f"""
        import httpx, pytest
        from poster import make

        class TestIt:
            def test_writes(self, kling_{scope}):
                kling_{scope}.next.fails("used by the next test")
                kling_{scope}.when(n=9).fails("never used")

            def test_uses(self, kling_{scope}):
                with httpx.Client(verify=False, trust_env=False) as client:
                    make(client)

            @pytest.mark.skip
            def test_is_skipped(self, kling_{scope}): pass
        """
    )
    result.assert_outcomes(passed=2, skipped=1, errors=1)
    result.stdout.fnmatch_lines(
        [f"*fixture kling_{scope}: 1 script had no effect*", "test_users.py:7: *", "unused script #1: *"]
    )


def test_a_failed_test_of_a_wider_scope_has_one_failure(suite: Suite) -> None:
    suite(
        """
        def test_fails(kling_module):
            kling_module.next.fails("no")
            raise ZeroDivisionError
        """
    ).assert_outcomes(failed=1)
