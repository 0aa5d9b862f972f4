"""Unused scripts: found by `check()`, at the line that wrote them, with the closest create."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Fake, Pace
from kling_mock.testing.unused_scripts import UnusedScripts, UnusedScriptWarning
from tests.rows import each_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mock.scripts.create_script import Script
    from tests.kling_mock.conftest import Caller, Start


def message(fake: Fake) -> str:
    with pytest.raises(UnusedScripts) as caught:
        fake.check()
    return str(caught.value)


def here() -> int:
    """The number of the calling line."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


@pytest.mark.parametrize(
    "write",
    [
        lambda fake: fake.next.fails("no"),
        lambda fake: fake.next.refuses(429).times(3),
        lambda fake: fake.when(n=2).succeeds(),
        lambda fake: fake.when(n=2).pace(Pace.instant()).times(2),
        lambda fake: fake.when().holds(),
        lambda fake: fake.account("sk-mock-b").next.holds(),
        lambda fake: fake.account("sk-mock-b").when(prompt="").succeeds(),
    ],
)
@pytest.mark.parametrize("level", ["error", "warn", "ignore", "optional"])
def test_an_unused_script_has_the_effect_of_the_setting(
    write: Callable[[Any], Script], level: str, start: Start
) -> None:
    fake = start(unused_scripts="error" if level == "optional" else level).fake
    script = write(fake)
    if level == "optional":
        script.optional()
    if level == "error":
        assert "1 script had no effect" in message(fake)
    elif level == "warn":
        with pytest.warns(UnusedScriptWarning, match="unused script #0"):
            fake.check()
    fake.check()  # each only once


def test_a_used_script_is_not_reported_even_with_uses_left(caller: Caller) -> None:
    caller.fake.next.fails("no").times(3)
    caller.make()
    caller.fake.when(prompt="*").succeeds()
    caller.fake.when(prompt="a cat").refuses(1303)
    caller.ask(prompt="a cat")
    caller.ask(prompt="a cat")
    assert "script #1" in message(caller.fake)


def test_a_used_when_is_not_reported_after_the_journal_has_dropped_its_create(start: Start) -> None:
    """The number of uses is kept with the scripts."""
    caller = start(journal_bytes=1)
    caller.fake.when(n=1).succeeds().times(3)
    caller.make()
    caller.get("/nowhere")
    assert not caller.fake.calls.creates
    assert caller.fake.script_uses == {0: 1}
    assert [rule.uses_left for rule in caller.fake.scripts] == [2]
    caller.fake.check()


def test_the_message_names_the_line_and_the_closest_create(caller: Caller) -> None:
    caller.fake.when(prompt="cat").fails("no"); line = here()  # fmt: skip  # noqa: E702
    caller.make(prompt="a cat at sea")
    told = message(caller.fake).splitlines()
    assert told[0] == "1 script had no effect"
    assert told[1].startswith(f"tests/kling_mock/testing/test_unused_scripts.py:{line}: caller.fake.when(")
    assert told[2].startswith("unused script #0: every create with prompt='cat' fails 'no', always.")
    hint = "a text must match the whole value: did you mean '*cat*'?"
    assert told[4] == f"    prompt: expected 'cat', got 'a cat at sea'; {hint}"
    assert ".optional()" in told[-1]
    assert "unused_scripts" in told[-1]


def test_the_line_is_that_of_the_helper_that_wrote_the_script(caller: Caller) -> None:
    def helper() -> int:
        caller.fake.account("sk-mock-a").next.fails("no"); return here()  # fmt: skip  # noqa: E702

    line = helper()
    assert f"test_unused_scripts.py:{line}: " in message(caller.fake)


def test_a_script_without_an_outcome_is_an_error_whatever_the_setting(start: Start) -> None:
    fake = start(unused_scripts="ignore").fake
    fake.when(prompt="*cat*", n=2)
    fake.next.times(2)
    fake.account("sk-mock-b").next.optional()
    told = message(fake)
    assert told.startswith("3 scripts had no effect\n")
    assert "script without an outcome: when(prompt='*cat*', n=2); add .succeeds(), .fails(message)," in told
    assert told.count("script without an outcome: next; add") == 2
    fake.check()


def test_a_script_that_gets_its_outcome_later_is_complete(caller: Caller) -> None:
    script = caller.fake.next
    assert len(caller.fake.draft_scripts) == 1
    script.succeeds()
    assert not caller.fake.draft_scripts
    caller.make()
    caller.fake.check()


@pytest.mark.parametrize("forget", [Fake.forget_scripts, Fake.reset])
def test_forgotten_scripts_are_not_reported(forget: Callable[[Fake], None], caller: Caller) -> None:
    caller.fake.next.succeeds()
    caller.fake.when(n=2)
    forget(caller.fake)
    caller.fake.check()
    caller.fake.next.succeeds()
    assert message(caller.fake).startswith("1 script ")


def test_several_errors_are_raised_together(caller: Caller) -> None:
    def broken(_: object) -> None:
        raise BrokenPipeError

    caller.fake.on_call(broken)
    caller.get("/nowhere")
    caller.fake.next.succeeds()
    with pytest.raises(ExceptionGroup) as caught:
        caller.fake.check()
    assert [type(each) for each in caught.value.exceptions] == [BrokenPipeError, UnusedScripts]


def test_a_fake_without_pytest_is_checked_by_hand() -> None:
    fake = Fake()
    with fake.intercept():
        fake.when(n=9).succeeds()
    assert "script #0" in message(fake)


def test_a_warning_points_to_the_line_of_the_script(start: Start) -> None:
    fake = start(unused_scripts="warn").fake
    fake.next.succeeds(); line = here()  # fmt: skip  # noqa: E702
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fake.check()
    assert [(each.filename, each.lineno) for each in caught] == [(__file__, line)]


# -- the closest match

HINTS = [
    ("cat", "a cat at sea", "'*cat*'"),
    ("a cat", "a cat at sea", "'*a cat*'"),
    ("c?t", "a cat at sea", "'*c?t*'"),
    ("a [cat]", "a [cat]", "'a [[]cat]'"),
    ("[cat]", "a [cat] at sea", "'*[cat]*'"),
    ("why?", "why? because", "'*why?*'"),
    ("dog", "a cat at sea", None),
    ("Cat", "a cat at sea", None),
    ("", "a cat at sea", None),
]


@pytest.mark.parametrize(("wanted", "actual", "hint"), HINTS)
def test_a_literal_that_would_match_as_a_glob_is_suggested(
    wanted: str, actual: str, hint: str | None, caller: Caller
) -> None:
    caller.fake.when(prompt=wanted).succeeds()
    caller.make(prompt=actual)
    told = message(caller.fake)
    assert f"prompt: expected {wanted!r}, got {actual!r}" in told
    assert (f"did you mean {hint}?" in told) is (hint is not None)
    assert ("did you mean" in told) is (hint is not None)
    with pytest.raises(AssertionError) as caught:
        caller.fake.calls.assert_created(prompt=wanted)
    assert ("did you mean" in str(caught.value)) is (hint is not None)


def test_long_values_are_shortened(caller: Caller) -> None:
    caller.fake.when(prompt="x" * 2000).succeeds()
    caller.make(prompt="y" * 2500)
    told = message(caller.fake)
    assert "'... (2500 characters)" in told
    assert "y" * 300 not in told


# -- types of criteria

STRINGS = ("prompt", "aspect_ratio", "model_name", "callback_url", "external_task_id", "negative_prompt",
           "resolution", "image_reference")  # fmt: skip
WRONG: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(STRINGS, (1, True, 1.5, b"cat", ["cat"], ("cat",), {"a": 1}, {"cat"}, object(), len)),
    "n": ("2", True, 2.5, 2.0, b"2", [2], (1, 2), {2}, None, range(2)),
    "subjects": ("2", True, 2.5, 2.0, b"2", [2], None, ["https://a.test/1.png"]),
    "image_fidelity": ("0.5", True, b"1", [0.5], 1j),
    "human_fidelity": ("0.5", False, b"1", [0.5]),
}  # fmt: skip


@each_row(("name", "value"), [(name, each) for name in WRONG for each in WRONG[name]])
def test_a_criterion_of_a_wrong_type_is_refused_at_its_line(name: str, value: Any) -> None:
    fake = Fake()
    with pytest.raises(
        TypeError, match=rf"^{name} must be an? (string|integer|number|dict)( or None)?, not "
    ):
        fake.when(**{name: value})
    with pytest.raises(TypeError, match=f"^{name} must be"):
        fake.account("sk-mock-b").when(**{name: value})
    with pytest.raises(TypeError, match=f"^{name} must be"):
        fake.calls.assert_created(times=0, **{name: value})
    fake.check()


def test_every_criterion_is_in_the_table() -> None:
    from kling_contracts.gateways import GATEWAYS
    from kling_mock.criteria import criteria_of

    assert set(criteria_of(GATEWAYS)) <= set(WRONG)


@pytest.mark.parametrize("name", ["callback_url", "external_task_id", "resolution", "image_fidelity"])
def test_none_matches_requests_without_an_optional_field(name: str, caller: Caller) -> None:
    caller.fake.when(**{name: None}).fails("without")
    assert caller.make().id
    caller.fake.check()


@pytest.mark.parametrize("name", ["prompt", "n", "subjects"])
def test_none_is_refused_where_every_request_has_a_value(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be .*, not None"):
        Fake().when(**{name: None})


# -- faults of tasks


def test_a_fault_that_no_reply_showed_is_an_error(caller: Caller) -> None:
    """At the line that wrote it, with the queries of its task."""
    caller.fake.next.reads_stale()
    line = here() - 1
    task = caller.make()
    for _ in range(2):
        caller.query(task.id)
    lines = message(caller.fake).splitlines()
    assert lines[0] == "1 script had no effect"
    assert lines[1].endswith(f"test_unused_scripts.py:{line}: caller.fake.next.reads_stale()")
    wanted = "It is shown to queries after the end was shown, without the first 1; its status is succeed."
    assert lines[2] == f"unused fault of task {task.id}: reads_stale (after 1 query, once). {wanted}"
    assert lines[3:6] == ["its latest queries:", "  processing", "  succeed"]
    caller.fake.check()  # once


def test_a_fault_given_to_a_task_is_checked_too(caller: Caller) -> None:
    used, unused = caller.make(), caller.make()
    used.sticks()
    unused.pictures_are("refused")
    line = here() - 1
    for _ in range(2):
        caller.query(used.id)
    text = message(caller.fake)
    assert f"test_unused_scripts.py:{line}: unused.pictures_are" in text
    assert "It is shown to downloads of result pictures" in text
    assert used.id not in text
    assert text.count("  none") == 1


def test_a_shown_fault_an_optional_one_and_an_unused_script_of_faults(caller: Caller) -> None:
    caller.fake.next.adds_fields()
    caller.fake.next.sticks().optional()
    for _ in range(2):
        caller.query(caller.make().id)
    caller.fake.check()
    caller.fake.when(n=9).sticks()
    assert "unused script #2: every create with n=9 sticks, always" in message(caller.fake)


def test_one_of_several_tasks_that_did_not_show_the_fault_is_named(caller: Caller) -> None:
    caller.fake.when().sticks()
    one, other = caller.make(), caller.make()
    for _ in range(2):
        caller.query(one.id)
    assert f"unused fault of task {other.id}: sticks" in message(caller.fake)


@pytest.mark.parametrize("level", ["warn", "ignore"])
def test_the_setting_is_for_faults_too(level: str, start: Start) -> None:
    caller = start(unused_scripts=level)
    caller.fake.next.sticks()
    caller.make()
    if level == "warn":
        with pytest.warns(UnusedScriptWarning, match="unused fault of task"):
            caller.fake.check()
    caller.fake.check()


def test_why_a_script_that_ended_did_not_apply(caller: Caller) -> None:
    caller.fake.when().refuses(5001).lasting(30)
    caller.clock.advance(31.5)
    caller.make()
    text = message(caller.fake)
    assert "every create is refused with 5001, always, for 30 s" in text
    assert "    received 1.500 s after the script had ended" in text
    caller.fake.when().refuses(5001).chance(1e-9)
    caller.make()
    assert "    by chance (1e-09), or received before the script was written" in message(caller.fake)
