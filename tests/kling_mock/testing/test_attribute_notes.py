"""Notes for unknown attributes, and assignments that would have no effect."""

from __future__ import annotations

import pytest

from kling_mock import Fake, ManualClock
from kling_mock.testing.attribute_notes import attribute_note
from tests.kling_mock.conftest import Start


@pytest.fixture
def fake(start: Start) -> Fake:
    caller = start()
    caller.make(callback_url="https://me.test/hook")
    return caller.fake


@pytest.mark.parametrize(
    ("expression", "note"),
    [
        ("fake.polls", "did you mean .task.polls or .calls.polls?"),
        ("fake.advance", "did you mean .clock.advance?"),
        ("fake.prompt", "did you mean .task.request.prompt?"),
        ("fake.fails", "did you mean .next.fails?"),
        ("fake.task.prompt", "did you mean .request.prompt?"),
        ("fake.callbacks.delivered", "did you mean [-1].delivered?"),
        ("fake.calls.status", "did you mean [-1].status?"),
        ("fake.next.failed", "did you mean 'fails'?"),
        ("fake.task.polled", "did you mean 'polls'"),
        ("fake.account('sk-mock').clocks", "did you mean 'clock'?"),
    ],
)
def test_an_unknown_attribute_gets_a_note_with_similar_ones(fake: Fake, expression: str, note: str) -> None:
    with pytest.raises(AttributeError) as caught:
        eval(expression, {"fake": fake})
    found = attribute_note(caught.value)
    assert found is not None
    assert found.startswith(f"kling_mock: {note}")


def test_an_assignment_to_a_setting_names_the_marker(fake: Fake) -> None:
    """`fake.settings` is frozen: the note names the way to choose a setting."""
    with pytest.raises(AttributeError) as caught:
        setattr(fake.settings, "balance", 16)  # noqa: B010 -- type checkers refuse the assignment
    note = attribute_note(caught.value)
    assert note is not None
    assert "fake.change_settings(" in note


@pytest.mark.parametrize("name", ["pace", "balance", "settings", "clock"])
def test_settings_and_clock_of_a_fake_cannot_be_assigned(fake: Fake, name: str) -> None:
    for view in (fake, fake.account("sk-mock")):
        with pytest.raises(AttributeError, match=rf"^{name} cannot be assigned: use fake\.change_settings\("):
            setattr(view, name, ManualClock())


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("without an object"),
        AttributeError("of another package", name="polls", obj=pytest),
        AttributeError("private", name="_polls", obj=Fake()),
        AttributeError("raised by a property", name="task", obj=Fake()),
        ValueError("another error"),
    ],
)
def test_other_errors_get_no_note(error: Exception) -> None:
    assert attribute_note(error) is None
