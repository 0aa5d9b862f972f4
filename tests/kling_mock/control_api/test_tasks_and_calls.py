"""Tasks, accounts and calls over the control API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from kling_mock.stores import Key, Snapshot, TasksKey
from kling_mock.stores.memory import MemoryStore
from tests.kling_mock.control_api.conftest import Control


def ids(page: dict[str, Any], kind: str = "tasks") -> list[str]:
    return [each["id"] for each in page[kind]]


def test_a_task_has_the_values_of_its_handle(control: Control) -> None:
    task = control.make(prompt="a cat", external_task_id="mine", n=2)
    control.fake.clock.advance(10)
    shown = control.ok("GET", f"/tasks/{task.id}")
    assert (shown["status"], shown["polls"], shown["failure"]) == ("succeed", 0, None)
    assert shown["images"] == list(task.images)
    assert [change["status"] for change in shown["history"]] == [each.status for each in task.history]
    assert shown["request"]["values"]["external_task_id"] == "mine"
    assert [each["field"] for each in shown["request"]["pictures"]] == [
        "subject_image_list[0].subject_image",
        "subject_image_list[1].subject_image",
    ]


@pytest.mark.parametrize(
    ("how", "body", "status", "failure"),
    [
        ("release", None, "succeed", None),
        ("succeed", None, "succeed", None),
        ("fail", {"message": "no"}, "failed", "no"),
    ],
)
def test_a_task_is_ended_once(
    control: Control, how: str, body: object, status: str, failure: str | None
) -> None:
    task = control.make()
    shown = control.ok("POST", f"/tasks/{task.id}/{how}", body)
    assert (shown["status"], shown["failure"], shown["next_change"]) == (status, failure, None)
    assert task.status == status
    assert "already ended" in control.refused(409, "POST", f"/tasks/{task.id}/{how}", body)["message"]


def test_an_unknown_task_is_404_with_the_most_similar_id(control: Control) -> None:
    task = control.make()
    wrong = task.id[:-1] + ("0" if task.id[-1] != "0" else "1")
    assert control.refused(404, "GET", f"/tasks/{wrong}")["nearest"] == [task.id]
    assert control.refused(404, "POST", f"/tasks/{wrong}/release")["nearest"] == [task.id]
    assert control.refused(404, "GET", "/tasks?after=1")["nearest"] == []


def test_tasks_are_filtered_and_paged(control: Control) -> None:
    made = [control.make(prompt=f"cat {number}").id for number in range(5)]
    other = control.caller.account("sk-mock-b").make(prompt="dog", external_task_id="mine").id
    control.fake.tasks[0].fail("no")
    assert ids(control.ok("GET", "/tasks")) == [*made, other]
    assert ids(control.ok("GET", "/tasks?status=failed")) == made[:1]
    assert ids(control.ok("GET", "/tasks?account=sk-mock-b")) == [other]
    assert ids(control.ok("GET", "/tasks?prompt=cat+[34]")) == made[3:]
    assert ids(control.ok("GET", "/tasks?external_task_id=mine&operation=multi-image")) == [other]
    assert ids(control.ok("GET", "/tasks?operation=other")) == []
    seen: list[str] = []
    page = control.ok("GET", "/tasks?limit=2")
    while page["next"] is not None:
        seen += ids(page)
        page = control.ok("GET", f"/tasks?limit=2&after={page['next']}")
    assert seen + ids(page) == [*made, other]
    assert (
        "unknown task" in control.refused(404, "GET", f"/tasks?account=sk-mock-b&after={made[0]}")["message"]
    )


def test_calls_are_found_by_id_task_rule_account_and_text(control: Control) -> None:
    reply: Any = control.caller.ask(prompt="a cat", external_task_id="mine").json()
    control.caller.poll(reply["data"]["task_id"])
    control.caller.account("sk-mock-b").ask(n=99)
    create, poll, refused = control.ok("GET", "/calls")["calls"]
    assert create["id"] == reply["request_id"]
    assert control.ok("GET", f"/calls/{create['id']}") == create
    for query, wanted in {
        f"request_id={create['id']}": [create],
        f"task_id={create['task_id']}": [create, poll],
        "external_task_id=mine": [create, poll],
        "rule=n.maximum": [refused],
        "account=sk-mock-b": [refused],
        "text=a+cat": [create],
        f"text={create['task_id']}": [create, poll],
        f"limit=1&after={create['id']}": [poll],
        "text=nothing": [],
    }.items():
        assert control.ok("GET", f"/calls?{query}")["calls"] == wanted, query
    assert control.ok("GET", "/calls?limit=1")["next"] == create["id"]
    assert control.ok("GET", f"/calls?after={poll['id']}")["next"] is None
    assert create["id"] in control.refused(404, "GET", f"/calls?after={create['id'][:-1]}x")["nearest"]
    assert create["id"] in control.refused(404, "GET", f"/calls/{create['id'][:-1]}x")["nearest"]


def test_accounts_have_their_totals(control: Control) -> None:
    control.make(n=3)
    control.caller.account("sk-mock-b").make(n=2).fail("no")
    first, second = control.ok("GET", "/accounts")["accounts"]
    assert first == {
        "name": "sk-mock-a",
        "tasks": 1,
        "spend": control.fake.account("sk-mock-a").spend,
        "unfinished": 3,
        "peak_concurrency": 3,
    }
    assert (second["spend"], second["unfinished"], second["peak_concurrency"]) == (0, 0, 2)
    assert control.ok("GET", "/accounts")["total"]["peak_concurrency"] == 5
    assert control.ok("GET", "/accounts/sk-mock-b") == second
    assert control.ok("GET", "/accounts/nobody-yet")["tasks"] == 0


@pytest.mark.parametrize("path", ["tasks", "accounts", "callbacks"])
def test_a_list_shows_the_tasks_of_one_instant(
    control: Control, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Tasks that are dropped meanwhile are listed as they were then."""
    control.make(callback_url="http://127.0.0.1:1/hook")
    whole = control.ok("GET", f"/{path}")[path]

    def read_before_a_reset(store: MemoryStore, keys: Sequence[Key[Any]]) -> Snapshot:
        snapshot = read(store, keys)
        if TasksKey in map(type, keys):
            control.fake.reset()
        return snapshot

    read = MemoryStore.read
    monkeypatch.setattr(MemoryStore, "read", read_before_a_reset)
    listed = control.ok("GET", f"/{path}")[path]
    assert [each["name"] for each in listed] == ["sk-mock-a"] if path == "accounts" else listed == whole


def test_reset_drops_one_account_or_all(control: Control) -> None:
    control.make(external_task_id="mine").fail("no")
    other = control.caller.account("sk-mock-b")
    kept = other.make()
    control.fake.account("sk-mock-a").when(prompt="*").fails("no")
    now, spend = control.fake.clock.now(), control.fake.account("sk-mock-b").spend
    control.ok("POST", "/reset", {"account": "sk-mock-a"})
    assert [task.id for task in control.fake.tasks] == [kept.id]
    assert [call.account for call in control.fake.calls] == ["sk-mock-b"]
    assert list(control.fake.scripts) == []
    assert (control.fake.spend, control.fake.peak_concurrency) == (spend, 1)
    assert other.status(kept.id) == "submitted"
    control.make(external_task_id="mine")
    assert [task.id for task in control.fake.account("sk-mock-b").tasks] == [kept.id]
    control.ok("POST", "/reset")
    assert (control.fake.tasks, len(control.fake.calls)) == ((), 0)
    assert control.fake.clock.now() == now
    control.fake.check()


def test_units_of_an_account_that_is_reset_are_not_spent(control: Control) -> None:
    control.make(n=2)
    control.caller.account("sk-mock-b").make(n=1)
    control.ok("POST", "/reset", {"account": "sk-mock-a"})
    assert control.fake.spend == control.fake.account("sk-mock-b").spend == 16
    assert control.fake.account("sk-mock-a").spend == 0
    control.fake.forget_scripts()
