"""Tasks, calls, callbacks and scripts with hostile values, and the places of the dashboard that show them."""

from __future__ import annotations

from typing import Final

from kling_mock import TaskHandle
from tests.kling_mock.dashboard.conftest import Dashboard

HTML: Final = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>\'"`${harmed=1}'
HOSTILE: Final = (
    HTML,
    "\u202etxet siht sesrever\u202c \u2066isolated\u2069 قطة في البحر",
    "🐈" * 1250 + "e\u0301" * 600 + "x" * 50,
    "null \x00 bell \x07 escape \x1b[31m delete \x7f",
    "one word" + "w" * 2000,
    "{{constructor.constructor('window.harmed=1')()}}\u2028\u2029\ud7ff",
)
PLACES: Final = ("#/tasks", "#/calls", "#/callbacks", "#/scripts", "#/accounts")


def fill(dashboard: Dashboard) -> list[TaskHandle]:
    """Tasks, calls, callbacks and scripts with hostile values."""
    fake, caller = dashboard.fake, dashboard.caller
    fake.callbacks.deliver_to(lambda _: 500)
    pictures = [{"subject_image": "https://pictures.test/%3Cimg%20src=x%3E.png?" + "long" * 200}] * 2
    tasks = [
        caller.make(prompt=text, external_task_id=text[:200], callback_url="http://127.0.0.1:9/%3Cb%3E", n=2)
        for text in HOSTILE
    ]
    caller.account("sk-mock-<b>").make(subject_image_list=pictures)
    caller.send("GET", "/kling/v1/<script>alert(1)</script>", headers=(("x-hostile", HTML),))
    caller.ask(n=HTML)
    caller.ask(prompt=HTML, aspect_ratio=HTML)
    fake.when(prompt=HTML).fails(HTML).times(2)
    fake.clock.advance(60)
    caller.poll(tasks[1].id)
    caller.make(prompt=HTML).fail(HTML)
    return tasks


def places(dashboard: Dashboard, tasks: list[TaskHandle]) -> list[str]:
    """Every tab, and details of each kind."""
    details = [f"#/tasks/{task.id}" for task in tasks[:3]]
    calls = [f"#/calls/{call.id}" for call in list(dashboard.fake.calls)[-5:]]
    return [*PLACES, *details, *calls, f"#/callbacks/{tasks[0].id}-0", "#/tasks?text=%3Cb%3E%3Cscript%3E"]
