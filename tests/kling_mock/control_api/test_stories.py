"""The story of a task as a test and as a scenario file: both run as they are, and have the same outcome."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kling_contracts.cases.images import picture
from kling_mock import Fake, ManualClock
from kling_mock.scenarios.scenario_file import parse_scenario
from tests.kling_mock.conftest import SUBJECTS, Caller
from tests.kling_mock.control_api.conftest import Control

HOSTILE = (
    'it\'s "quoted" \'\'\'and\'\'\' """triple""" \\ \\n \n\r\t\0\x7f {x} ${y} [a] *glob? \u202e \u2028 '
    "\U0001f600 \u00fc <b> # %s" + " long" * 40
)
HOOK = "http://127.0.0.1:1/hook"


def _success(control: Control) -> None:
    task = control.make(prompt="a cat", n=2)
    control.fake.clock.advance(1.1)
    control.caller.poll(task.id)
    control.fake.clock.advance(9)
    control.caller.poll(task.id)
    control.caller.picture(task.images[1])


def _failure(control: Control) -> None:
    control.fake.next.fails("Image pixel is invalid. " + "A long text. " * 8).pace("polls:3")
    task = control.make(external_task_id="mine")
    for _ in range(3):
        control.fake.clock.advance(0.37)
        control.caller.poll(task.id)


def _faults(control: Control) -> None:
    script = control.fake.next.succeeds().goes_back().omits_index().adds_fields({"progress": 5})
    script.pictures_are("truncated").shows_status("queued").appears_late(0.5).miscounts(3).nulls_fields(
        "task_info"
    )
    script.optional()
    control.fake.when_query(nth=3).answers(429, 1303, headers={"x-a": "b"}).times(1)
    control.fake.when_query(nth=5).resets().times(1)
    control.fake.when_query(nth=6).garbles("html").times(1)
    task = control.make()
    for seconds in (0.1, 1.2, 0.5, 0.5, 8, 1, 1, 1):
        control.fake.clock.advance(seconds)
        control.caller.poll(task.id)
    control.caller.picture(task.images[0])


def _lost_create(control: Control) -> None:
    control.fake.next.loses_reply()
    control.caller.ask(prompt="lost")
    control.fake.clock.advance(20)


def _late_create(control: Control) -> None:
    control.fake.next_request.delays(0.01)
    control.caller.ask(prompt="late")


def _callbacks(control: Control) -> None:
    statuses = [200, 500, 200]
    control.fake.callbacks.deliver_to(lambda _: statuses.pop(0) if statuses else 200)
    task = control.make(callback_url=HOOK)
    control.fake.clock.advance(1)
    control.caller.poll(task.id)
    control.fake.clock.advance(30)


def _cancelled(control: Control) -> None:
    task = control.make()
    control.fake.clock.advance(0.4)
    control.caller.poll(task.id)
    control.fake.clock.advance(3)
    control.caller.poll(task.id)
    task.fail("cancelled by hand")
    control.caller.poll(task.id)


def _held(control: Control) -> None:
    control.fake.next.holds("submitted")
    control.caller.poll(control.make().id)


def _instant(control: Control) -> None:
    control.fake.next.succeeds().pace("instant").long_id()
    control.caller.poll(control.make().id)


def _hostile(control: Control) -> None:
    control.fake.next.fails(HOSTILE)
    control.make(prompt=HOSTILE, external_task_id="\"x'\\", callback_url="http://a.test/?a='b'&token=secret")
    control.fake.clock.advance(10)


def _inline(control: Control) -> None:
    control.make(
        subject_image_list=[{"subject_image": picture(300, 300)}] * 2, scence_image=picture(300, 301)
    )


def _other_settings(control: Control) -> None:
    ignored = ["prompt.max_length", "aspect_ratio.enum"]
    control.fake.change_settings(operations=["text-to-image"], ignore=ignored, models=["m"])
    control.caller.post({"prompt": "x" * 2501, "model_name": "m"})


def _other_gateway(control: Control) -> None:
    control.caller.ask(path="/v1/images/multi-image2image", prompt="at Kling")
    control.fake.clock.advance(3)
    control.caller.get(f"/v1/images/multi-image2image/{control.fake.task.id}")


STORIES: dict[str, Callable[[Control], None]] = {
    name.removeprefix("_"): each
    for name, each in list(globals().items())
    if name.startswith("_") and not name.startswith("__") and callable(each)
}


def story(control: Control, form: str) -> str:
    reply = control.send("GET", f"/tasks/{control.fake.task.id}/story?as={form}")
    assert (reply.status, reply.content_type) == (200, "text/plain; charset=utf-8"), reply.body
    return reply.body.decode()


def run(text: str) -> Fake:
    """Run the test of a story, as with the fixture `kling`; the fake that it used."""
    module: dict[str, Any] = {}
    text = text.replace("httpx.Client()", "httpx.Client(verify=False)")  # certificates take long to load
    exec(compile(text, "story", "exec"), module)
    fake = Fake(clock=ManualClock(1_800_000_000.123457))
    with fake.intercept():
        module["test_task"](fake)
    fake.check()
    return fake


@pytest.mark.parametrize("name", STORIES)
def test_a_story_runs_as_it_is_and_has_the_same_outcome(name: str) -> None:
    control = Control(pace="seconds:1,9", clock=ManualClock(1_750_000_000.7654321))
    STORIES[name](control)
    control.fake.forget_scripts()
    task = control.fake.task
    made = run(story(control, "pytest")).task
    assert (made.status, made.failure) == (task.status, task.failure)
    assert made.request.values == task.request.values or "secret" in str(task.request.values)
    assert [each.status for each in made.history] == [each.status for each in task.history]

    text = story(control, "scenario")
    again = Caller(Fake(clock=ManualClock()))
    for each in parse_scenario(text, "story.toml").scripts:
        again.fake.add_script(each.rule)
    again.fake.change_settings(**parse_scenario(text, "story.toml").settings)
    again.post({"subject_image_list": SUBJECTS, **task.request.values})
    repeated = again.fake.tasks[0]
    again.fake.clock.advance(60)
    again.fake.forget_scripts()
    control.fake.clock.advance(60)
    if not task.read()[0].plan.counted:
        assert (repeated.status, repeated.failure) == (task.status, task.failure)
    assert [each.kind for each, _ in repeated.faults] == [each.kind for each, _ in task.faults]


def test_stories_are_formatted(tmp_path: Path) -> None:
    for name, make in STORIES.items():
        control = Control(pace="seconds:1,9")
        make(control)
        (tmp_path / f"{name}.py").write_text(story(control, "pytest"), encoding="utf-8")
        control.fake.forget_scripts()
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.stdout.decode() == ""
    assert done.returncode == 0, done.stderr


def test_a_create_that_a_script_refuses_has_a_story(control: Control) -> None:
    control.fake.when(prompt="*").refuses(1303, "too many, 'quoted'").times(2)
    control.caller.ask(prompt="a cat")
    call = control.fake.calls[-1].id
    reply = control.send("GET", f"/calls/{call}/story")
    assert len(run(reply.body.decode()).calls) == 1
    scenario = control.send("GET", f"/calls/{call}/story?as=scenario").body.decode()
    assert "refuses = { code = 1303, message = \"too many, 'quoted'\" }" in scenario
    assert len(parse_scenario(scenario, "F.toml").scripts) == 1
    control.fake.forget_scripts()


def test_a_create_that_a_rule_refuses_has_a_story(control: Control) -> None:
    for fields in ({"n": 99}, {"prompt": "x" * 2501}, {"model_name": "kling-v9"}):
        control.caller.ask(**fields)
        call = control.fake.calls[-1]
        made = run(control.send("GET", f"/calls/{call.id}/story").body.decode()).calls[-1]
        assert (made.rule, made.message) == (call.rule, call.message)


def test_a_story_that_is_not_kept_is_409(control: Control) -> None:
    control.caller.ask(n=99, subject_image_list=[{"subject_image": picture()}] * 2)
    error = control.refused(409, "GET", f"/calls/{control.fake.calls[-1].id}/story")
    assert "only a create that a script or a rule" in error["message"]
    control = Control(journal_bytes=1)
    task = control.make()
    assert control.send("GET", f"/calls/{control.fake.calls[-1].id}/story").status == 200
    control.caller.poll(task.id)
    assert "the journal has dropped" in control.refused(409, "GET", f"/tasks/{task.id}/story")["message"]
