"""Callbacks and settings over the control API."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from kling_mock import Settings
from kling_mock.callbacks import outbox
from kling_mock.callbacks.model import callback_of
from kling_mock.control_api.settings import SECRETS
from kling_mock.settings import FIXED
from tests.kling_mock.control_api.conftest import Control

HOOK = "http://127.0.0.1:1/hook"


def test_callbacks_are_listed_with_their_attempts() -> None:
    control = Control(pace="seconds:1,9", callback_retries=[5.0])
    statuses = iter([503, 200, 200])
    control.fake.callbacks.deliver_to(lambda _: next(statuses))
    task = control.make(callback_url=HOOK)
    control.fake.clock.advance(6)
    first, second = control.ok("GET", "/callbacks")["callbacks"]
    assert [each["status"] for each in first["attempts"]] == [503, 200]
    assert (first["status"], first["delivered"], first["next_attempt"]) == ("submitted", True, None)
    assert first["body"]["task_id"] == second["task_id"] == task.id
    assert control.ok("GET", f"/callbacks/{second['id']}") == second
    assert control.ok("GET", f"/callbacks?after={first['id']}")["callbacks"] == [second]
    assert control.ok("GET", "/callbacks?delivered=false")["callbacks"] == []
    assert control.ok("GET", f"/callbacks?task_id={task.id}&limit=1")["next"] == first["id"]
    for empty in ("account=sk-mock-b", f"account=sk-mock-b&task_id={task.id}", "task_id=9"):
        assert control.ok("GET", f"/callbacks?{empty}")["callbacks"] == []
    assert second["id"] in control.refused(404, "GET", f"/callbacks/{task.id}-9")["nearest"]


def test_a_page_makes_the_bodies_of_its_own_callbacks_only(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [control.make(callback_url=HOOK) for _ in range(3)]
    made: list[object] = []
    monkeypatch.setattr(outbox, "callback_of", lambda *each: made.append(each) or callback_of(*each))
    page = control.ok("GET", "/callbacks?limit=1")
    assert page["next"] == f"{tasks[0].id}-0"
    assert len(made) == 1
    assert len(control.fake.callbacks) == 3
    assert len(made) == 1


def test_a_callback_is_redelivered() -> None:
    control = Control(pace="held:submitted")
    control.make(callback_url=HOOK)
    (callback,) = control.ok("GET", "/callbacks")["callbacks"]
    path = f"/callbacks/{callback['id']}/redeliver"
    assert "set a receiver with deliver_to" in control.refused(409, "POST", path, {})["message"]
    bodies: list[dict[str, object]] = []
    control.fake.callbacks.deliver_to(lambda callback: bodies.append(callback.body))
    attempt = control.ok("POST", path, {})
    assert (attempt["kind"], attempt["number"], attempt["status"]) == ("redelivered", 2, 200)
    edited = {"changes": {"task_status": "x", "body": 1, "self": 2}}
    assert control.ok("POST", path, edited)["kind"] == "edited"
    control.ok("POST", path, {"body": {"task_id": "1"}})
    control.ok("POST", path, {"body": {"task_id": "1"}, "changes": {"task_status": "y"}})
    sent = callback["body"]
    assert bodies == [
        sent,
        sent,
        {**sent, "task_status": "x", "body": 1, "self": 2},
        {"task_id": "1"},
        {"task_id": "1", "task_status": "y"},
    ]
    control.refused(404, "POST", "/callbacks/9/redeliver", {})


def test_a_webhook_secret_can_be_set_and_is_not_shown(control: Control) -> None:
    secret = "whsec_YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiBieXRlcyE="
    changed = control.ok("PATCH", "/settings", {"webhook_secret": secret})
    assert control.fake.settings.webhook_secret is not None
    assert secret[6:] not in str(changed)
    refused = control.refused(422, "PATCH", "/settings", {"webhook_secret": secret + "*"})
    assert secret[6:] not in str(refused)


def test_settings_are_read_and_changed() -> None:
    keys = ["sk-mock-a", "sk-secret-of-somebody"]
    control = Control(keys=keys, rate="10/60", webhook_secret="whsec_c2VjcmV0LW9mLXdlYmhvb2tz")
    shown = control.ok("GET", "/settings")
    assert shown["settings"]["keys"][0] == "sk-mock-a"
    assert shown["settings"]["keys"][1].startswith("account-")
    assert "whsec_" not in str(shown)
    assert set(shown["settings"]) == {each.name for each in fields(Settings)} - SECRETS
    changes: dict[str, Any] = {"pace": "polls:1", "slots": 2, "rate": None, "ignore": ["n.enum"][:0]}
    changed = control.ok("PATCH", "/settings", changes)["settings"]
    assert {name: changed[name] for name in changes} == changes
    task = control.make()
    assert control.caller.status(task.id) == "succeed"
    control.make(n=2)
    assert control.caller.ask(n=1).status == 429


def test_settings_can_be_given_as_they_are_shown(control: Control) -> None:
    shown = control.ok("GET", "/settings")["settings"]
    free = {name: value for name, value in shown.items() if name not in FIXED}
    assert control.ok("PATCH", "/settings", free)["settings"] == shown


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_setting_is_409_with_the_reason(control: Control, name: str) -> None:
    error = control.refused(409, "PATCH", "/settings", {"slots": 1, name: 5})
    assert (error["pointer"], FIXED[name] in error["message"]) == (f"/{name}", True)
    assert control.fake.settings.slots is None
    with pytest.raises(ValueError, match=rf"^{name}: cannot change"):
        control.fake.change_settings(**{name: 5})


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"slots": -1}, "/slots"),
        ({"pace": "fast"}, "/pace"),
        ({"slots": 1, "callbacks": "all"}, "/callbacks"),
        ({"slot": 1}, "/slot"),
        ({"callback_retries": [-1]}, "/callback_retries"),
        ({"body_cap": "9" * 5000}, "/body_cap"),
    ],
)
def test_a_wrong_change_is_refused_as_a_whole(
    control: Control, changes: dict[str, Any], pointer: str
) -> None:
    assert control.refused(422, "PATCH", "/settings", changes)["pointer"] == pointer
    assert control.fake.settings.slots is None


def test_callbacks_use_the_new_settings() -> None:
    control = Control(pace="held", callback_retries=[])
    control.fake.callbacks.deliver_to(lambda _: 503)
    control.ok("PATCH", "/settings", {"callback_retries": [2.0]})
    control.make(callback_url=HOOK)
    control.fake.clock.advance(2)
    assert len(control.ok("GET", "/callbacks")["callbacks"][0]["attempts"]) == 2
