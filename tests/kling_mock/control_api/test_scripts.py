"""Scripts and faults over the control API: the documents of scenario files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kling_mock.control_api.conftest import Control


def write(control: Control, **document: Any) -> dict[str, Any]:
    written: dict[str, Any] = control.ok("POST", "/scripts", document)
    return written


def test_a_script_is_written_applied_and_listed_with_its_uses(control: Control) -> None:
    script = write(control, when={"prompt": "*cat*"}, fails="no cats", times=2)
    assert (script["used"], script["uses_left"], script["account"]) == (0, 2, None)
    assert control.make(prompt="a cat").read()[0].plan.failure == "no cats"
    assert control.make(prompt="a dog").read()[0].plan.failure is None
    listed = control.ok("GET", "/scripts")["scripts"]
    assert listed == [script | {"used": 1, "uses_left": 1, "description": listed[0]["description"]}]
    assert listed[0]["document"] == {"when": {"prompt": "*cat*"}, "fails": "no cats", "times": 2}
    assert control.ok("GET", f"/scripts/{script['id']}") == listed[0]


def test_a_fault_of_requests_is_written_for_one_account(control: Control) -> None:
    write(control, account="sk-mock-a", next_request=True, answers={"status": 429, "code": 1303})
    assert control.caller.account("sk-mock-b").ask().status == 200
    assert control.caller.ask().status == 429
    assert control.ok("GET", "/scripts?account=sk-mock-b")["scripts"] == []


def test_a_replaced_script_keeps_its_number_and_uses(control: Control) -> None:
    script = write(control, when={}, fails="first", times=2)
    control.make()
    replaced = control.ok("PUT", f"/scripts/{script['id']}", {"when": {}, "fails": "second", "times": 2})
    assert (replaced["id"], replaced["used"], replaced["uses_left"]) == (script["id"], 1, 1)
    assert control.make().read()[0].plan.failure == "second"
    assert control.make().read()[0].plan.failure is None


def test_a_removed_script_does_not_apply_and_is_gone(control: Control) -> None:
    first, second = write(control, when={}, fails="first"), write(control, when={}, fails="second")
    control.ok("DELETE", f"/scripts/{second['id']}")
    assert control.make().read()[0].plan.failure == "first"
    for method in ("GET", "DELETE"):
        assert control.refused(404, method, f"/scripts/{second['id']}")["message"].startswith(
            "unknown script"
        )
    write(control, account="sk-mock-b", when={}, fails="third")
    control.ok("DELETE", "/scripts?account=sk-mock-b")
    assert [each["id"] for each in control.ok("GET", "/scripts")["scripts"]] == [first["id"]]
    control.ok("DELETE", "/scripts")
    assert control.make().read()[0].plan.failure is None


def test_a_script_of_the_api_is_not_reported_as_unused(control: Control) -> None:
    write(control, next=True, fails="no")
    control.fake.check()


@pytest.mark.parametrize(
    ("document", "pointer", "nearest"),
    [
        ({"next": True, "fail": "no"}, "/fail", "fails"),
        ({"when": {"promt": "x"}, "fails": "no"}, "/when/promt", "prompt"),
        ({"next_query": True, "answers": {"status": "x"}}, "/answers/status", None),
        ({"fails": "no"}, "", "next"),
        ({"next": True}, "", "fails"),
        ({}, "", "next"),
    ],
)
def test_a_wrong_document_is_422_with_its_place(
    control: Control, document: object, pointer: str, nearest: str | None
) -> None:
    error = control.refused(422, "POST", "/scripts", document)
    assert error["pointer"].startswith(pointer)
    assert nearest is None or nearest in error["nearest"]
    assert control.ok("GET", "/scripts")["scripts"] == []


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "document",
    [
        {"when": {"n": 10**300}, "delays": 10**400},
        {"next_request": True, "answers": {"status": 200, "body": nested(900)}},
        {"when": nested(300), "fails": "x"},
        {"next": True, "pads": 10**30, "optional": "yes"},
        {"next": True, "fails": "\ud800", "pace": "polls:" + "9" * 5000},
        {"next": True, "fails": "x", "lasting": 1e308 * 10},
    ],
)
def test_a_hostile_document_is_refused(control: Control, document: object) -> None:
    assert 400 <= control.send("POST", "/scripts", document).status < 500
    assert control.ok("GET", "/scripts")["scripts"] == []
    control.fake.check()


def test_a_task_gets_a_fault(control: Control) -> None:
    task = control.make()
    shown = control.ok(
        "POST", f"/tasks/{task.id}/faults", {"shows_status": {"word": "queued", "at": "submitted"}}
    )
    assert [(each["kind"], each["shown"]) for each in shown["faults"]] == [("shows_status", 0)]
    assert control.caller.status(task.id) == "queued"
    assert control.ok("GET", f"/tasks/{task.id}")["faults"][0]["shown"] == 1
    control.ok("POST", f"/tasks/{task.id}/faults", {"omits_images": True})
    control.fake.forget_scripts()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"sticks": True, "omits_images": True}, ""),
        ({"stick": True}, "/stick"),
        ({"shows_status": 5}, "/shows_status"),
        ({"shows_status": {"wird": "x"}}, "/shows_status"),
        ({"miscounts": "many"}, "/miscounts"),
        ({"release": True}, "/release"),
    ],
)
def test_a_wrong_fault_is_refused(control: Control, body: object, pointer: str) -> None:
    task = control.make()
    assert control.refused(422, "POST", f"/tasks/{task.id}/faults", body)["pointer"] == pointer
    assert task.faults == ()


def test_an_ended_task_gets_no_fault(control: Control) -> None:
    task = control.make()
    task.succeed()
    control.refused(409, "POST", f"/tasks/{task.id}/faults", {"sticks": True})


def test_a_script_is_switched_off_and_on(control: Control) -> None:
    script = write(control, when={}, fails="no", times=3)
    path = f"/scripts/{script['id']}"
    assert control.make().read()[0].plan.failure == "no"
    off = control.ok("PATCH", path, {"enabled": False})
    assert (off["enabled"], off["until"], off["used"], off["uses_left"]) == (False, None, 1, 2)
    assert "switched off" in off["description"]
    assert control.ok("PATCH", path, {"enabled": False}) == off
    assert control.make().read()[0].plan.failure is None
    assert control.ok("GET", f"{path}/misses")["misses"][0]["reasons"] == ["the script is switched off"]
    assert control.ok("GET", "/clock")["next_event"]["kind"] == "task"
    on = control.ok("PATCH", path, {"enabled": True})
    assert (on["enabled"], on["used"], on["uses_left"], on["document"]) == (True, 1, 2, script["document"])
    assert control.make().read()[0].plan.failure == "no"
    assert "null" in control.refused(422, "PATCH", path, {"enabled": None})["message"]


def test_a_script_that_lasts_begins_again_when_it_is_switched_on(control: Control) -> None:
    path = f"/scripts/{write(control, when={}, fails='no', lasting=10)['id']}"
    control.ok("PATCH", path, {"enabled": False})
    control.fake.clock.advance(20)
    assert control.ok("PATCH", path, {"enabled": True})["until"] == control.fake.clock.now() + 10


def test_a_script_has_the_calls_that_came_closest_with_the_reasons(control: Control) -> None:
    path = f"/scripts/{write(control, when={'prompt': '*cat*', 'n': 2}, fails='no')['id']}"
    assert control.ok("GET", f"{path}/misses") == {"misses": []}
    control.make(prompt="dog")
    control.make(prompt="cat")
    control.make(prompt="a cat", n=2)
    closest, other = control.ok("GET", f"{path}/misses")["misses"]
    assert closest["reasons"] == ["prompt: matches", "n: expected 2, got 1"]
    assert other["reasons"][0] == "prompt: expected '*cat*', got 'dog'"
    assert closest["call"]["request"]["values"]["prompt"] == "cat"
