"""Pages of tasks and calls: order, totals and search; and the parts of a task that a page shows."""

from __future__ import annotations

from typing import Any

from kling_mock.control_api.models import callback_id
from tests.kling_mock.control_api.conftest import Control


def ids(page: dict[str, Any], kind: str = "tasks") -> list[str]:
    return [each["id"] for each in page[kind]]


def test_pages_are_ordered_by_age_and_have_the_number_of_all_items(control: Control) -> None:
    for number in range(5):
        control.make(prompt=f"cat {number}", callback_url="http://127.0.0.1:1/hook")
    for kind in ("tasks", "calls", "callbacks"):
        oldest = ids(control.ok("GET", f"/{kind}"), kind)
        assert len(oldest) == 5
        seen: list[str] = []
        page: Any = {"next": None}
        while not seen or page["next"] is not None:
            after = "" if page["next"] is None else f"&after={page['next']}"
            page = control.ok("GET", f"/{kind}?order=newest&limit=2{after}")
            assert page["total"] == 5
            seen += ids(page, kind)
        assert seen == oldest[::-1]
    assert control.refused(422, "GET", "/tasks?order=random")["nearest"] == ["oldest", "newest"]


def test_a_page_goes_on_after_a_task_that_fits_the_filter_only_before(control: Control) -> None:
    """The task with the id `after` has changed since the page that it ended."""
    made = [control.make() for _ in range(4)]
    page = control.ok("GET", "/tasks?status=submitted&limit=2")
    assert ids(page) == [made[0].id, made[1].id]
    made[1].succeed()
    following = control.ok("GET", f"/tasks?status=submitted&limit=1&after={page['next']}")
    assert (ids(following), following["total"]) == ([made[2].id], 3)


def test_tasks_are_found_by_text_in_any_case(control: Control) -> None:
    control.fake.when(prompt="*boat*").fails("Image pixel is invalid").optional()
    cat = control.make(prompt="A Cat at sea", external_task_id="Order-7").id
    boat = control.caller.account("sk-mock-b").make(prompt="a boat, STRASSE").id
    for text, wanted in {
        "cat": [cat],
        "CAT+AT": [cat],
        "order-7": [cat],
        "stra%C3%9Fe": [boat],
        "mock-B": [boat],
        cat[-9:]: [cat],
        "sea": [cat],
        "a+": [cat, boat],
        "pixel": [],  # the failure is only planned
    }.items():
        page = control.ok("GET", f"/tasks?text={text}")
        assert (ids(page), page["total"]) == (wanted, len(wanted)), text
    control.fake.clock.advance(10)
    assert ids(control.ok("GET", "/tasks?text=pixel")) == [boat]
    assert ids(control.ok("GET", "/tasks?text=pixel&status=succeed")) == []


def test_a_task_has_the_changes_that_are_known_in_advance() -> None:
    def planned(pace: str, failure: str | None = None, advance: float = 0.0, polls: int = 0) -> Any:
        control = Control(pace=pace)
        if failure is not None:
            control.fake.next.fails(failure)
        task = control.make()
        for _ in range(polls):
            control.caller.poll(task.id)
        control.fake.clock.advance(advance)
        shown = control.ok("GET", f"/tasks/{task.id}")
        at = shown["created"]
        return [
            (each["status"], each["at"] and round(each["at"] - at, 3), each["polls"], each["failure"])
            for each in shown["planned"]
        ]

    assert planned("seconds:1,9") == [("processing", 1, None, None), ("succeed", 10, None, None)]
    assert planned("seconds:1,9", advance=1) == [("succeed", 10, None, None)]
    assert planned("seconds:1,9", advance=10) == []
    assert planned("seconds:1,9", "no") == [("processing", 1, None, None), ("failed", 10, None, "no")]
    assert planned("polls:3") == [("processing", None, 1, None), ("succeed", None, 3, None)]
    assert planned("polls:3", polls=2) == [("succeed", None, 1, None)]
    assert planned("polls:3", polls=3) == []
    assert planned("held") == []
    assert planned("held:submitted") == []


def test_a_task_has_its_operation_external_id_and_counted_queries() -> None:
    control = Control(pace="polls:3")
    task = control.make(external_task_id="mine")
    instants: list[float] = []
    for _ in range(2):
        control.fake.clock.advance(2)
        instants.append(control.fake.clock.now())
        control.caller.poll(task.id)
    shown = control.ok("GET", f"/tasks/{task.id}")
    assert (shown["title"], shown["external_task_id"]) == ("Multi-Image to Image", "mine")
    assert (shown["poll_times"], shown["polls"]) == (instants, 2)
    assert shown["callbacks"] is None


def test_a_task_has_the_attempts_to_deliver_its_callbacks_and_the_next_one() -> None:
    control = Control(pace="seconds:1,9", callback_retries=[5])
    statuses = [200, 500]
    control.fake.callbacks.deliver_to(lambda _: statuses.pop(0) if statuses else 200)
    task = control.make(callback_url="http://127.0.0.1:1/hook")
    control.fake.clock.advance(1)
    shown = control.ok("GET", f"/tasks/{task.id}")["callbacks"]
    assert [(each["status"], each["attempt"]["status"]) for each in shown["attempts"]] == [
        ("submitted", 200),
        ("processing", 500),
    ]
    assert shown["next"] == {
        "id": callback_id(task.id, 1),
        "status": "processing",
        "at": task.history[1].at + 5,
        "kind": "sent",
    }
    assert (shown["url"], shown["total"], shown["refused"]) == ("http://127.0.0.1:1/hook", 2, None)
    control.fake.clock.advance(9)
    shown = control.ok("GET", f"/tasks/{task.id}")["callbacks"]
    assert (shown["total"], shown["next"]) == (4, None)


def test_calls_are_found_by_status_method_and_any_text(control: Control) -> None:
    control.fake.next_request.disconnects()
    control.caller.get("/kling/lost")
    reply: Any = control.caller.ask(
        prompt="A Cat", external_task_id="Order-7", callback_url="http://a.test/hook"
    )
    made = reply.json()["data"]["task_id"]
    control.caller.get(f"/kling/v1/images/generations/{made}", user_agent="Curl/8")
    control.caller.ask(n=99)
    lost, create, poll, refused = ids(control.ok("GET", "/calls"), "calls")
    for query, wanted in {
        "status=200": [create, poll],
        "status=2xx": [create, poll],
        "status=4xx": [refused],
        "status=400&method=POST": [refused],
        "status=5xx": [],
        "status=0": [lost],
        "method=GET": [lost, poll],
        "text=a+cat": [create],
        "text=pictures.TEST/B.png": [create, refused],
        "text=a.test": [create],
        "text=user-agent:+curl": [poll],
        "text=n.maximum": [refused],
        f"text={made[:9]}&status=2xx": [create, poll],
        f"text={poll}": [poll],
        "text=disconnects": [lost],
        "text=order-7&order=newest": [create],
        "text=nothing": [],
    }.items():
        page = control.ok("GET", f"/calls?{query}")
        assert (ids(page, "calls"), page["total"]) == (wanted, len(wanted)), query
    assert control.refused(422, "GET", "/calls?status=6xx")["pointer"] == "?status"
