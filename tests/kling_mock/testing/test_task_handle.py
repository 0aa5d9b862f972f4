"""Task handles: the state of a task, and the methods that end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kling_mock.control import TaskAlreadyEnded
from kling_mock.testing.base_view import NotOneTask
from kling_mock.testing.task_handle import TaskHandle

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

VERBS = {"release": (), "succeed": (), "fail": ("stopped",)}
ENDS = {"release": "succeed", "succeed": "succeed", "fail": "failed"}


def finish(task: TaskHandle, verb: str) -> None:
    getattr(task, verb)(*VERBS[verb])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("queries", [0, 1])
def test_each_method_ends_an_unfinished_task_at_once(verb: str, queries: int, start: Start) -> None:
    """Submitted (no query yet) or processing (one query): it ends at this instant, and once."""
    caller = start(pace="polls:3")
    task = caller.make()
    for _ in range(queries):
        caller.query(task.id)
    caller.clock.advance(7)
    finish(task, verb)
    assert task.status == ENDS[verb]
    assert task.failure == ("stopped" if verb == "fail" else None)
    caller.clock.advance(7)
    seen = caller.query(task.id)
    assert (seen["task_status"], seen["updated_at"] - seen["created_at"]) == (ENDS[verb], 7000)
    assert [change.at - caller.clock.now() for change in task.history][-1] == -7


@pytest.mark.parametrize("late", VERBS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_task_that_has_ended_cannot_be_ended_again(verb: str, late: str, start: Start) -> None:
    caller = start(pace="held")
    task = caller.make()
    finish(task, verb)
    before = caller.query(task.id)
    with pytest.raises(
        TaskAlreadyEnded, match=f"task {task.id} has already ended: {ENDS[verb]}, 0.000 s ago"
    ):
        finish(task, late)
    assert caller.query(task.id) == before


def test_a_task_ended_by_the_clock_or_by_polls_cannot_be_ended_again(start: Start) -> None:
    timed, polled = start(pace="seconds:1,1"), start(pace="polls:1")
    first, second = timed.make(), polled.make()
    timed.clock.advance(2)
    polled.query(second.id)
    for task in (first, second):
        with pytest.raises(TaskAlreadyEnded):
            task.fail("stopped")
        assert task.status == "succeed"


def test_release_ends_a_task_with_its_planned_outcome(start: Start) -> None:
    caller = start(pace="realistic")
    caller.fake.next.fails("no such luck")
    failing, sound = caller.make(), caller.make()
    failing.release()
    sound.release()
    assert [(task.status, task.failure) for task in (failing, sound)] == [
        ("failed", "no such luck"),
        ("succeed", None),
    ]


def test_a_failure_needs_a_message(caller: Caller) -> None:
    task = caller.make()
    with pytest.raises(ValueError, match="message must be a non-empty string"):
        task.fail("")
    assert task.status == "submitted"


def test_polls_go_on_counting_after_the_end(caller: Caller) -> None:
    task = caller.make()
    for number in range(1, 6):
        caller.query(task.id)
        assert task.polls == number
    task = caller.make()
    task.succeed()
    caller.query(task.id)
    assert task.polls == 1


def test_history_has_every_change_with_its_instant(start: Start) -> None:
    caller = start(pace="seconds:2,3")
    task = caller.make()
    born = caller.clock.now()
    assert [tuple(change) for change in task.history] == [("submitted", born)]
    caller.clock.advance(100)
    assert [tuple(change) for change in task.history] == [
        ("submitted", born),
        ("processing", born + 2),
        ("succeed", born + 5),
    ]


@pytest.mark.parametrize("pace", ["seconds:2,30", "polls:9"])
def test_ending_a_task_does_not_change_its_history(pace: str, start: Start) -> None:
    """The instant of `processing` does not change."""
    caller = start(pace=pace)
    task = caller.make()
    caller.clock.advance(2)
    caller.query(task.id)
    before = task.history
    caller.clock.advance(5)
    task.fail("stopped")
    assert task.history == (*before, ("failed", caller.clock.now()))
    assert [change.status for change in before] == ["submitted", "processing"]


def test_a_handle_shows_the_request_with_defaults(caller: Caller) -> None:
    request = caller.make(prompt="two at sea", scence_image="https://pictures.test/s.png").request
    assert (request.prompt, request.n, request.aspect_ratio) == ("two at sea", 1, "16:9")
    assert (request.model_name, request.callback_url, request.external_task_id) == ("kling-v2", None, None)
    assert [picture.field for picture in request.pictures] == [
        "subject_image_list[0].subject_image",
        "subject_image_list[1].subject_image",
        "scence_image",
    ]
    assert len(request.subjects) == 2


def test_images_are_the_result_urls_after_success(caller: Caller) -> None:
    task = caller.make(n=2)
    assert task.images == ()
    task.succeed()
    shown = caller.query(task.id)["task_result"]["images"]
    assert list(task.images) == [image["url"] for image in shown]
    assert len(task.images) == 2


def test_the_repr_of_a_handle_is_one_line(caller: Caller) -> None:
    task = caller.make(prompt="x" * 40)
    caller.query(task.id)
    assert repr(task) == f"<task {task.id} processing, 1 polls, prompt '{'x' * 27}...'>"
    assert task.polls == 1


def test_handles_of_one_task_are_equal(caller: Caller) -> None:
    first, second = caller.make(), caller.make()
    assert first == caller.fake.tasks[0] != second
    assert len({first, second, *caller.fake.tasks}) == 2


# -- the only task


def test_task_is_the_only_one(caller: Caller) -> None:
    made = caller.make()
    assert caller.fake.task == made


def test_without_a_task_the_error_lists_refused_requests(caller: Caller) -> None:
    with pytest.raises(NotOneTask, match=r"^\.task expects exactly one task; none was created$"):
        _ = caller.fake.task
    caller.ask(n=0)
    with pytest.raises(NotOneTask) as caught:
        _ = caller.fake.task
    assert str(caught.value) == (
        ".task expects exactly one task; none was created\n"
        "refused requests:\n"
        "    POST /kling/v1/images/generations -> 400 (refused by n.minimum)"
    )


def test_with_two_tasks_the_error_lists_them(caller: Caller) -> None:
    tasks = [caller.make(prompt=prompt) for prompt in ("one", "two")]
    with pytest.raises(NotOneTask) as caught:
        _ = caller.fake.task
    listed = "".join(f"\n  {task!r}" for task in tasks)
    assert str(caught.value) == f".task expects exactly one task; 2 exist:{listed}"


def test_a_handle_of_a_dropped_task_raises_lookup_error(caller: Caller) -> None:
    """The task is dropped by the next create after 30 days; then a handle has nothing to show."""
    task = caller.make()
    caller.clock.advance(days=30)
    caller.ask()
    with pytest.raises(LookupError, match=f"task {task.id} is no longer kept: its retention is over"):
        _ = task.status
