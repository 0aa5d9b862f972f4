"""The clock over the control API."""

from __future__ import annotations

from typing import Any

import pytest

from kling_mock import Clock, ManualClock
from tests.kling_mock.control_api.conftest import Control

HOOK = "http://127.0.0.1:1/hook"


def test_the_clock_is_advanced_frozen_resumed_and_sped_up() -> None:
    control = Control(clock=Clock())
    frozen = control.ok("POST", "/clock", {"freeze": True})
    assert (frozen["frozen"], frozen["speed"]) == (True, 0)
    later = control.ok("POST", "/clock", {"advance": 60.5})
    assert later["now"] == pytest.approx(frozen["now"] + 60.5, abs=1e-5)
    assert later["jumps"] == [{"at": frozen["now"], "seconds": 60.5}]
    assert control.ok("POST", "/clock", {"speed": 10})["speed"] == 10
    assert control.ok("POST", "/clock", {"resume": True})["frozen"] is False
    assert control.ok("GET", "/clock")["speed"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"advance": 1, "freeze": True}, ""),
        ({"advance": -1}, "/advance"),
        ({"advance": "1"}, "/advance"),
        (b'{"advance": 1e999}', "/advance"),
        (b'{"advance": 1' + b"0" * 400 + b"}", "/advance"),
        ({"advance": 1e300}, "/advance"),
        ({"freeze": False}, "/freeze"),
        ({"speed": None}, "/speed"),
        ({"resume": True}, "/resume"),  # a manual clock
        ({"advnce": 1}, "/advnce"),
    ],
)
def test_a_wrong_change_is_refused_with_its_place(control: Control, body: object, pointer: str) -> None:
    now = control.fake.clock.now()
    assert control.refused(422, "POST", "/clock", body)["pointer"] == pointer
    assert control.fake.clock.now() == now


def skipped(control: Control) -> tuple[float, dict[str, Any] | None]:
    """The seconds by which the clock is moved, and the event to which it is moved."""
    before = control.ok("GET", "/clock")
    after = control.ok("POST", "/clock", {"skip": True})
    return round(after["now"] - before["now"], 6), before["next_event"]


def test_skip_moves_to_tasks_callbacks_windows_and_scripts_in_order() -> None:
    control = Control(pace="seconds:1,9", rate="5/5", callback_retries=[2.0])
    control.fake.callbacks.deliver_to(lambda _: 503)
    task = control.make(callback_url=HOOK)
    control.fake.when(prompt="x").fails("no").lasting(6).optional()
    steps = [skipped(control) for _ in range(7)]
    assert [(seconds, event and event["kind"]) for seconds, event in steps] == [
        (1, "task"),
        (1, "callback"),  # the retry for `submitted`, and the first attempt for `processing`
        (2, "callback"),
        (1, "window"),
        (1, "script"),
        (4, "task"),
        (2, "callback"),
    ]
    assert {event["task_id"] for _, event in steps if event} == {task.id, None}
    assert control.refused(409, "POST", "/clock", {"skip": True})["pointer"] == "/skip"
    control.fake.clock.advance(1)


def test_skip_reaches_an_instant_between_two_microseconds() -> None:
    control = Control(pace="seconds:1,9", clock=ManualClock(1_800_000_000.0000002))
    task = control.make()
    control.ok("POST", "/clock", {"skip": True})
    assert task.status == "processing"
    control.ok("POST", "/clock", {"skip": True})
    assert task.status == "succeed"
