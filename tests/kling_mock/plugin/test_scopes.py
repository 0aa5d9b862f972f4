"""The fixtures of wider scope: one fake for a class, a module or a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_one_fake_serves_the_tests_of_a_scope(suite: Suite, scope: str) -> None:
    """It keeps its tasks from test to test until it is reset, and is gone after the scope."""
    suite(
        f"""
        import httpx, os, socket, pytest
        from poster import poster

        untouched = httpx.HTTPTransport.handle_request

        class TestOne:
            def test_first(self, kling_{scope}):
                assert os.environ["COMETAPI_KEY"] == "sk-mock"
                poster(prompt="one")
                assert kling_{scope}.task.request.prompt == "one"

            def test_second(self, kling_{scope}):
                poster(prompt="two")
                assert len(kling_{scope}.tasks) == 2
                kling_{scope}.when(prompt="three").fails("Image pixel is invalid")
                kling_{scope}.reset()
                assert kling_{scope}.tasks == () and len(kling_{scope}.calls) == 0
                assert kling_{scope}.scripts == []
                poster(prompt="three")
                assert kling_{scope}.task.status == "succeed"

        class TestTwo:
            def test_third(self, kling_{scope}):
                assert len(kling_{scope}.tasks) == {0 if scope == "class" else 1}

            def test_the_fixture_of_a_test_is_asked_first(self, kling_{scope}, kling):
                before = len(kling_{scope}.calls)
                poster()
                assert len(kling_{scope}.calls) == before and len(kling.tasks) == 1

        def test_afterwards():
            assert (httpx.HTTPTransport.handle_request is untouched) == {scope == "class"}
        """,
        ini="kling = pace=instant\n",
    ).assert_outcomes(passed=5)


def test_markers_of_a_class_and_a_module_hold_for_their_fakes(suite: Suite) -> None:
    suite(
        """
        import httpx, pytest
        from kling_mock import ManualClock
        from poster import poster

        pytestmark = pytest.mark.kling(sleep="advance", clock=ManualClock)

        @pytest.mark.kling(pace="polls:5", only=True)
        class TestIt:
            def test_it(self, kling_class):
                began = kling_class.clock.now()
                poster()
                assert kling_class.task.polls == 5
                assert kling_class.clock.now() > began
                with pytest.raises(AssertionError, match="leave `only` out"):
                    httpx.get("https://mine.test/", verify=False)

        def test_module(kling_module):
            poster()
            assert kling_module.task.polls == 2
        """
    ).assert_outcomes(passed=2)


def test_a_failing_test_shows_the_fake_that_it_shares(suite: Suite) -> None:
    result = suite(
        """
        from poster import poster

        def test_it(kling_module):
            poster(prompt="at sea")
            raise ZeroDivisionError
        """,
        ini="kling = pace=instant\n",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*kling_module: *", "*POST *submitted*"])


def test_a_bug_of_ours_fails_the_end_of_the_scope(suite: Suite) -> None:
    suite(
        """
        import httpx
        from poster import address, headers

        def explode(request):
            raise ZeroDivisionError("a bug of ours")

        def test_it(kling_module):
            kling_module._answer = explode
            assert httpx.get(address(), headers=headers(), verify=False).status_code == 500
        """
    ).assert_outcomes(passed=1, errors=1)


def test_tests_of_unittest_share_a_fake_of_their_class(suite: Suite) -> None:
    """A TestCase requests it with usefixtures, or keeps it with a fixture of its own."""
    suite(
        """
        import unittest
        import pytest
        from poster import poster

        class TestPoster(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _kling(self, kling_class):
                self.kling = kling_class
                self.kling.reset()

            def test_one(self):
                poster()
                self.assertEqual(len(self.kling.tasks), 1)

            def test_two(self):
                poster()
                self.assertEqual(len(self.kling.tasks), 1)
        """,
        ini="kling = pace=instant\n",
    ).assert_outcomes(passed=2)
