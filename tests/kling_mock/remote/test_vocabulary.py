"""The same tests on `Fake` and on `Remote`: scripts, tasks, calls, callbacks, clock and money."""

from __future__ import annotations

import re
import threading
import time

import pytest

from kling_mock import Fake
from kling_mock.control import TaskAlreadyEnded
from kling_mock.documents import apply_script
from kling_mock.saved_state import SavedState, StateNotEmpty
from kling_mock.testing.base_view import NotOneTask
from kling_mock.testing.timeline import timeline
from kling_mock.testing.unused_scripts import UnusedScripts
from tests.kling_mock.remote.conftest import Source

HOOK = "http://127.0.0.1:1/hook"


def test_a_script_of_the_next_create_applies(source: Source) -> None:
    source.view.next.fails("Image pixel is invalid").pace("instant")
    task_id = source.caller.create()["task_id"]
    assert source.caller.query(task_id)["task_status"] == "failed"
    assert (source.view.task.id, source.view.task.status) == (task_id, "failed")
    assert source.view.task.failure == "Image pixel is invalid"
    assert [change.status for change in source.view.task.history] == ["submitted", "processing", "failed"]
    source.view.check()


def test_scripts_of_matching_creates_and_their_uses(source: Source) -> None:
    source.view.when(prompt="*cat*").refuses(1303).times(2)
    assert source.caller.ask(prompt="a cat").status == 429
    assert source.caller.ask(prompt="a dog").status == 200
    (rule,) = source.view.scripts
    assert (rule.uses_left, source.view.script_uses) == (1, {rule.id: 1})
    source.view.check()


@pytest.mark.parametrize("kind", ["query", "picture", "request"])
def test_scripts_of_other_requests(source: Source, kind: str) -> None:
    task = source.caller.make()
    source.fake.clock.advance(10)
    getattr(source.view, f"next_{kind}").answers(502)
    (url,) = task.images
    reply = source.caller.picture(url) if kind == "picture" else source.caller.poll(task.id)
    assert reply.status == 502
    getattr(source.view, f"when_{kind}")(account="sk-mock-z").answers(503).optional()
    assert source.caller.poll(task.id).status == 200
    source.view.check()


def test_a_script_can_be_about_one_account(source: Source) -> None:
    source.view.account("sk-secret-1").next.fails("no")
    source.caller.account("sk-mock-b").make()
    source.caller.account("sk-secret-1").make()
    source.fake.clock.advance(10)
    assert [task.status for task in source.view.tasks] == ["succeed", "failed"]
    assert [task.status for task in source.view.account("sk-secret-1").tasks] == ["failed"]
    source.view.check()


def test_unused_scripts_are_reported_with_their_line_and_the_closest_request(source: Source) -> None:
    source.view.when(prompt="cat").fails("no")
    source.view.next_query.delays(3)
    source.caller.make(prompt="a cat at sea")
    with pytest.raises(UnusedScripts) as caught:
        source.view.check()
    text = str(caught.value)
    assert text.startswith("2 scripts had no effect")
    assert "test_vocabulary.py:" in text
    assert "prompt: expected 'cat', got 'a cat at sea'" in text
    source.view.check()


def test_a_script_with_an_error_is_withdrawn(source: Source) -> None:
    script = source.view.next.fails("no")
    with pytest.raises(ValueError, match="times must be"):
        script.times(0)
    with pytest.raises(TypeError, match="did you mean 'prompt'"):
        source.view.when(promt="x")
    source.caller.make()
    source.fake.clock.advance(10)
    assert source.view.task.status == "succeed"
    source.view.check()


def test_a_task_is_read_ended_and_asserted(source: Source) -> None:
    source.caller.make(prompt="a cat", external_task_id="mine", n=2)
    task = source.view.task
    assert (task.status, task.polls, task.images) == ("submitted", 0, ())
    assert (task.request.prompt, task.request.external_task_id, task.request.n) == ("a cat", "mine", 2)
    assert [picture.field for picture in task.request.subjects] == [
        "subject_image_list[0].subject_image",
        "subject_image_list[1].subject_image",
    ]
    source.view.clock.advance(1)
    source.caller.poll(task.id)
    task.assert_status("processing")
    task.assert_polled(1)
    task.release()
    task.assert_status("succeed")
    assert len(task.images) == 2
    assert [change.status for change in task.history] == ["submitted", "processing", "succeed"]
    with pytest.raises(TaskAlreadyEnded, match="already ended"):
        task.fail("no")
    with pytest.raises(AssertionError, match="to be failed, but it is succeed"):
        task.assert_status("failed")
    with pytest.raises(AssertionError, match=r"exactly 2 times, but it was polled 1 times(.|\n)*GET"):
        task.assert_polled(2)
    assert task == source.view.find_task(task.id)
    assert source.view.find_task("1") is None


def test_a_failed_task_has_its_message(source: Source) -> None:
    source.caller.make()
    source.view.task.fail("no")
    assert (source.view.task.status, source.view.task.failure) == ("failed", "no")
    with pytest.raises(ValueError, match="message must be"):
        source.view.task.fail("")


def test_one_task_is_expected(source: Source) -> None:
    source.caller.ask(n=99)
    with pytest.raises(NotOneTask, match=re.compile("none was created.*n.maximum", re.DOTALL)):
        _ = source.view.task
    source.caller.make()
    source.caller.make()
    with pytest.raises(NotOneTask, match="2 exist"):
        _ = source.view.task


def test_a_fault_of_a_task_is_shown_and_counted(source: Source) -> None:
    source.caller.make()
    task = source.view.task
    task.shows_status("queued", at="submitted", polls=1).omits_images()
    assert source.caller.status(task.id) == "queued"
    assert [(fault.kind, shown) for fault, shown in task.faults] == [("shows_status", 1), ("omits_images", 0)]
    assert [(shown.status, shown.actual) for shown in task.shown] == [("queued", "submitted")]
    with pytest.raises(UnusedScripts, match=r"unused fault of task .*omits_images"):
        source.view.check()
    with pytest.raises(ValueError, match="images must be an integer"):
        task.miscounts(0)
    task.succeed()
    with pytest.raises(TaskAlreadyEnded):
        task.sticks()


def test_calls_have_assertions(source: Source) -> None:
    source.caller.make(prompt="a cat", n=2)
    source.caller.ask(prompt="a dog", n=99)
    calls = source.view.calls
    calls.assert_created(times=1, prompt="*cat*", n=2, subjects=2)
    assert [call.rule for call in calls.refused] == ["n.maximum"]
    assert [call.status for call in calls.creates] == [200, 400]
    assert len(calls[0].id) == 36
    with pytest.raises(AssertionError, match=r"found 0\. Create requests(.|\n)*a cat"):
        calls.assert_created(prompt="dog")
    with pytest.raises(TypeError, match="aspect_ratio"):
        calls.assert_created(aspect_rati="1:1")


def test_an_assertion_waits_for_other_threads(source: Source) -> None:
    started = time.perf_counter()
    timer = threading.Timer(0.05, source.caller.make)
    timer.start()
    source.view.calls.assert_created(times=1, within=10)
    timer.join()
    assert time.perf_counter() - started < 5
    with pytest.raises(AssertionError, match="exactly 2"):
        source.view.calls.assert_created(times=2, within=0.01)
    with pytest.raises(ValueError, match="within"):
        source.view.calls.assert_created(within=True)


def test_money_and_concurrency(source: Source) -> None:
    source.caller.make(n=2)
    source.caller.account("sk-mock-b").make(n=3).fail("no")
    assert source.view.spend == source.view.account("sk-mock-a").spend == 32
    assert (source.view.peak_concurrency, source.view.account("sk-mock-b").peak_concurrency) == (5, 3)
    assert source.view.account("sk-mock-c").spend == 0
    source.view.assert_paid(images=2)
    with pytest.raises(AssertionError, match="expected 1 image to be paid; found 2"):
        source.view.assert_paid(images=1)


def test_the_clock_is_read_and_steered(source: Source) -> None:
    clock = source.view.clock
    start = clock.now()
    clock.advance(1, minutes=1)
    assert clock.now() == start + 61
    assert [(jump.at, jump.seconds) for jump in clock.jumps] == [(start, 61.0)]
    assert clock.speed == 0
    clock.freeze()
    for change in (lambda: clock.advance(-1), clock.resume):
        with pytest.raises(ValueError):  # noqa: PT011 -- the messages differ
            change()
    assert clock.now() == start + 61


def test_wrong_settings_raise_the_same_error_and_change_nothing(source: Source) -> None:
    for name, wrong in (("pace", "fast"), ("seed", 5)):
        with pytest.raises(ValueError, match=name):
            source.view.change_settings(slots=1, **{name: wrong})
    with pytest.raises(TypeError, match="unknown setting 'slot'; did you mean 'slots'"):
        source.view.change_settings(slots=1, slot=1)
    assert source.fake.settings.slots is None


def test_skip_moves_to_the_next_event(source: Source) -> None:
    task = source.caller.make()
    event = source.view.next_event
    assert (event.kind, event.task_id) == ("task", task.id)
    assert source.view.skip() == event
    assert source.view.task.status == "processing"
    source.view.skip()
    assert source.view.skip() is None


def test_callbacks_have_their_attempts(source: Source) -> None:
    source.fake.callbacks.deliver_to(lambda callback: 200 if callback.position else 503)
    source.caller.make(callback_url=HOOK)
    source.view.clock.advance(10)
    callbacks = list(source.view.callbacks)
    assert [(each.status, each.delivered) for each in callbacks] == [
        ("submitted", False),
        ("processing", True),
        ("succeed", True),
    ]
    assert callbacks[0].attempts[0].status == 503
    assert callbacks[2].body["task_id"] == source.view.task.id
    assert len(source.view.account("sk-mock-b").callbacks) == 0


def test_a_callback_is_delivered_again(source: Source) -> None:
    bodies: list[dict[str, object]] = []
    source.fake.callbacks.deliver_to(lambda callback: bodies.append(callback.body))
    source.caller.make(callback_url=HOOK)
    attempt = source.view.callbacks[0].redeliver(task_status="other")
    assert (attempt.kind, attempt.number, attempt.status) == ("edited", 2, 200)
    assert source.view.callbacks[0].redeliver().kind == "redelivered"
    assert [body["task_status"] for body in bodies] == ["submitted", "other", "submitted"]
    assert source.view.callbacks[0].attempts[1] == attempt


def test_reset_drops_one_account_or_all(source: Source) -> None:
    source.caller.make()
    source.caller.account("sk-mock-b").make()
    source.view.account("sk-mock-b").next.fails("no")
    source.view.account("sk-mock-b").reset()
    assert [len(source.view.account(key).tasks) for key in ("sk-mock-a", "sk-mock-b")] == [1, 0]
    source.view.check()
    source.view.reset()
    assert (len(source.view.tasks), len(source.view.calls)) == (0, 0)


def test_a_document_is_applied(source: Source) -> None:
    rule = apply_script(source.view, {"next": True, "fails": "no", "optional": True})
    assert [each.id for each in source.view.scripts] == [rule.id]


def test_a_script_is_removed(source: Source) -> None:
    source.view.next.fails("no")
    source.view.remove_script(source.view.scripts[0].id)
    with pytest.raises(LookupError):
        source.view.remove_script(99)
    assert len(source.view.scripts) == 0
    source.view.forget_scripts()


def test_all_state_is_read_and_taken_over(source: Source) -> None:
    source.caller.make(prompt="first")
    saved = source.view.snapshot()
    assert Fake.restore(saved).task.request.prompt == "first"
    source.caller.make(prompt="second")
    with pytest.raises((ValueError, StateNotEmpty), match="already"):
        source.view.load_state(saved)
    source.view.load_state(saved, replace=True)
    assert source.view.task.request.prompt == "first"
    with pytest.raises(ValueError):  # noqa: PT011 -- of any text
        source.view.load_state(SavedState(b"not a state"), replace=True)
    assert len(source.view.tasks) == 1


def test_settings_are_changed(source: Source) -> None:
    source.view.change_settings(pace="instant", slots=3)
    assert source.caller.status(source.caller.make().id) == "succeed"
    with pytest.raises(ValueError, match="keys"):
        source.view.change_settings(keys=[])


def test_the_timeline_has_all_events(source: Source) -> None:
    source.view.next.fails("no").pace("seconds:1,1")
    task = source.caller.make(callback_url=HOOK)
    source.view.clock.advance(2)
    source.view.when(prompt="x").fails("y")
    text = timeline(source.view)
    parts = ("[script #0:", "is due, not delivered", "advanced by 2 s", "unused script")
    for part in (f"task {task.id} failed: no", *parts):
        assert part in text
    source.view.forget_scripts()


def test_the_timeline_of_an_account_has_its_own_unused_scripts(source: Source) -> None:
    account = source.view.account("sk-mock")
    source.view.when(prompt="all").fails("y").optional()
    account.when(prompt="own").fails("y").optional()
    assert re.findall(r"unused script .*'(all|own)'", timeline(account)) == ["own"]
    assert re.findall(r"unused script .*'(all|own)'", timeline(source.view)) == ["all", "own"]
