"""Marker and ini option: precedence and error messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from kling_mock import Settings
from tests.kling_mock.plugin.conftest import OURS

Suite = Callable[..., pytest.RunResult]


def test_function_takes_precedence_over_class_over_module_over_ini(suite: Suite) -> None:
    """Each may give some of the settings; for each setting the closest one counts."""
    suite(
        """
        import pytest

        pytestmark = pytest.mark.kling(seed=2, slots=2, balance=2)

        def told(fake):
            settings = fake.settings
            return settings.seed, settings.slots, settings.balance, settings.journal_bytes

        def test_module(kling):
            assert told(kling) == (2, 2, 2, 1)

        @pytest.mark.kling(slots=3, balance=3)
        class TestClass:
            def test_class(self, kling):
                assert told(kling) == (2, 3, 3, 1)

            @pytest.mark.kling(balance=4)
            def test_function(self, kling, kling_server):
                assert told(kling) == told(kling_server) == (2, 3, 4, 1)

            @pytest.mark.kling(balance=4)
            @pytest.mark.kling(balance=5, seed=5)
            def test_two_on_one_function(self, kling):
                assert (kling.settings.seed, kling.settings.balance) == (5, 5)  # nearest to the function
        """,
        ini="kling =\n    seed = 1\n    slots = 1\n    balance = 1\n    journal_bytes = 1",
    ).assert_outcomes(passed=4)


WEBHOOK_SECRET = "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiBieXRlcyE="
VALUES: dict[str, tuple[object, str]] = {
    "keys": (["sk-a", "sk-b"], "sk-a, sk-b"),
    "pace": ("seconds:1,10", "seconds:1,10"),
    "clock_mode": ("skip", "skip"),
    "seed": (7, "7"),
    "base_url": ("https://pictures.test", "https://pictures.test"),
    "operations": (["text-to-image"], "text-to-image"),
    "validation_errors": ("comet", "comet"),
    "ignore": (["prompt.max_length"], "prompt.max_length"),
    "models": (["kling-v9"], "kling-v9"),
    "null_is_absent": (False, "false"),
    "slots": (3, "3"),
    "balance": (64, "64"),
    "packs": ([1000, 500], "1000, 500"),
    "credit": (16, "16"),
    "rate": ("10/60", "10/60"),
    "poll_rate": ("5/1", "5/1"),
    "retry_after": ("date", "date"),
    "slots_total": (9, "9"),
    "balance_total": (640, "640"),
    "rate_total": ("20/60", "20/60"),
    "poll_rate_total": ("50/1", "50/1"),
    "fetch_images": ("loopback", "loopback"),
    "thumbnails": (True, "true"),
    "retention_days": (1.5, "1.5"),
    "body_cap": (1000, "1000"),
    "callbacks": ("off", "off"),
    "callback_retries": ([1.0, 2.0], "1, 2"),
    "callback_submitted": (False, "false"),
    "webhook_secret": (WEBHOOK_SECRET, WEBHOOK_SECRET),
    "control_token": ("a-token-of-at-least-sixteen-characters", "a-token-of-at-least-sixteen-characters"),
    "strict_fields": (True, "true"),
    "prompt_triggers": (True, "true"),
    "cors": ("https://app.example", "https://app.example"),
    "gateways": (["cometapi"], "cometapi"),
    "journal_bytes": (5, "5"),
    "token_leeway": (5.0, "5"),
    "callback_faults": (["late"], "late"),
    "unused_scripts": ("warn", "warn"),
}


def test_there_is_a_value_for_every_setting_here() -> None:
    """So that a new setting is added to the test below. A fake of a fixture begins empty, without a file."""
    assert VALUES.keys() | {"state"} == {each.name for each in fields(Settings)}


def test_every_setting_can_be_given_by_marker_and_by_ini(suite: Suite) -> None:
    marker = {name: value for name, (value, _) in VALUES.items()}
    lines = "".join(f"\n    {name} = {text}" for name, (_, text) in VALUES.items())
    suite(
        f"""
        import pytest
        from kling_mock import Settings

        expected = Settings(**{marker!r})

        def test_ini(kling, kling_server):
            assert kling.settings == kling_server.settings == expected
        """,
        ini=f"kling ={lines}",
    ).assert_outcomes(passed=1)
    suite(
        f"""
        import pytest
        from kling_mock import Settings

        @pytest.mark.kling(**{marker!r})
        def test_marker(kling, kling_server):
            assert kling.settings == kling_server.settings == Settings(**{marker!r})
        """
    ).assert_outcomes(passed=1)


def test_sleep_clock_and_only_can_be_given_by_ini(suite: Suite) -> None:
    """These are options of the fixtures, not settings of a fake."""
    suite(
        """
        import time
        import httpx, pytest
        from kling_mock import ManualClock

        def test_it(kling):
            assert isinstance(kling.clock, ManualClock)
            before = kling.clock.now()
            time.sleep(3600)
            assert kling.clock.now() == before + 3600
            with pytest.raises(AssertionError, match="leave `only` out"):
                httpx.get("https://mine.test/", verify=False)

        @pytest.mark.kling(only=False, sleep=None, clock=None)
        def test_marker_takes_precedence(kling):
            assert not isinstance(kling.clock, ManualClock)
        """,
        ini="kling =\n    clock = ManualClock\n    sleep = advance\n    only = true",
    ).assert_outcomes(passed=2)


MISTAKES = {
    "pase='instant'": "*UsageError: kling: unknown setting 'pase'; did you mean 'pace'*",
    "pace='fast'": "*UsageError: kling: pace 'fast': unknown format; use instant, polls:N*",
    "pace=3": "*UsageError: kling: pace must be a pace such as 'polls:3', not 3*",
    "pace='polls:0'": "*UsageError: kling: pace 'polls:0': polls must be an integer of at least 1, not 0*",
    "seed='x'": "*UsageError: kling: seed must be an integer, not 'x'*",
    "keys='sk-one'": "*UsageError: kling: keys must be a list of strings, not of type str*",
    "ignore=['promt.max_length']": "*UsageError: kling: ignore:*did you mean 'prompt.max_length'*",
    "slots=-1": "*UsageError: kling: slots must be 0 or more, or none for no limit; got -1*",
    "sleep='skip'": "*UsageError: kling: sleep must be 'advance' or omitted, not 'skip'*",
    "only='no'": "*UsageError: kling: only must be True or False, not 'no'*",
    "clock=1767225600": "*UsageError: kling: clock must be callable, such as*, not 1767225600*",
    "'instant'": "*UsageError: marker kling: give arguments by name, as in seed=7; got ('instant',)*",
}


@pytest.mark.parametrize("fixture", ["kling", "kling_server"])
def test_mistakes_in_a_marker_are_explained(suite: Suite, fixture: str) -> None:
    """As a usage error of that test, before any of its code runs."""
    tests = "".join(
        f"""
        @pytest.mark.kling({mistake})
        def test_{number}({fixture}):
            raise AssertionError
        """
        for number, mistake in enumerate(MISTAKES)
    )
    result = suite(f"\n        import pytest\n{tests}")
    result.assert_outcomes(errors=len(MISTAKES))
    result.stdout.fnmatch_lines([f"E {text}".replace("[", "[[]") for text in MISTAKES.values()])


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("pace", "*UsageError: ini option kling: each line must be name=value, not 'pace'*"),
        ("pase = instant", "*UsageError: ini option kling: unknown setting 'pase'; did you mean 'pace'*"),
        ("pace = fast", "*UsageError: kling: pace 'fast': unknown format*"),
        ("seed = x", "*UsageError: ini option kling: seed must be an integer, not 'x'*"),
        ("only = 1", "*UsageError: ini option kling: only must be true or false, not '1'*"),
        (
            "clock = Sundial",
            "*UsageError: ini option kling: clock must be Clock or ManualClock, not 'Sundial'*",
        ),
        ("sleep = skip", "*UsageError: kling: sleep must be 'advance' or omitted, not 'skip'*"),
    ],
)
def test_mistakes_in_the_ini_file_are_explained(suite: Suite, line: str, text: str) -> None:
    """For tests that use a fixture; other tests run."""
    result = suite("def test_it(kling): pass\ndef test_other(): pass", ini=f"kling =\n    {line}")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([f"E {text}"])


def test_without_keys_the_server_still_has_a_unique_key(suite: Suite) -> None:
    """In process any key is accepted then; on a shared server the key distinguishes the requests of tests."""
    suite(
        """
        import pytest

        @pytest.mark.kling(keys=[])
        def test_it(kling, kling_server):
            assert kling.settings.keys == ()
            assert kling_server.settings.keys == (kling_server.api_key,)
        """
    ).assert_outcomes(passed=1)


def test_strict_markers_accept_ours(suite: Suite) -> None:
    suite(
        """
        import pytest

        @pytest.mark.kling(seed=1)
        def test_it(kling):
            assert kling.settings.seed == 1
        """,
        "--strict-markers",
        "--strict-config",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "value",
    [
        '"""\npace = instant\n\n# a comment\nseed = 7\nkeys = sk-a, sk-b\n"""',
        "'pace=instant\\nseed=7\\nkeys=sk-a,sk-b'".replace("'", '"'),
        '["pace = instant", "seed=7", "keys = sk-a, sk-b"]',
    ],
    ids=["lines", "escaped lines", "list"],
)
def test_settings_in_pyproject_are_a_string_or_a_list(value: str, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\nkling = {value}\n")
    pytester.makepyfile(
        """
        def test_it(kling, kling_server):
            for fake in (kling, kling_server):
                settings = fake.settings
                assert (str(settings.pace), settings.seed, settings.keys) == ("instant", 7, ("sk-a", "sk-b"))
        """
    )
    pytester.runpytest_inprocess(*OURS.split()).assert_outcomes(passed=1)


def test_one_setting_in_pyproject_is_a_string(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nkling = "seed=7"\n')
    pytester.makepyfile("def test_it(kling): assert kling.settings.seed == 7")
    pytester.runpytest_inprocess(*OURS.split()).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("[7]", "ini option kling: each item must be a string name=value, not 7"),
        ('["seed"]', "ini option kling: each line must be name=value, not 'seed'*"),
        ("{seed = 7}", "ini option kling: each line must be name=value, *; write a list of strings*"),
        ("7", "ini option kling: each line must be name=value, not '7'*"),
    ],
)
def test_mistakes_in_pyproject_are_explained(value: str, text: str, pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\nkling = {value}\n")
    pytester.makepyfile("def test_it(kling): pass")
    result = pytester.runpytest_inprocess(*OURS.split())
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *UsageError: {text}".replace("[", "[[]")])
