"""The dashboard with hostile values, with an accessibility checker, and in narrow windows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from kling_mock import TaskHandle
from tests.kling_mock.dashboard.conftest import Dashboard, give_up

AXE: Final = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
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
    url = "https://pictures.test/<img src=x>.png?q=%3Cscript%3E&" + "long" * 200
    pictures = [{"subject_image": url.replace("<", "%3C").replace(">", "%3E").replace(" ", "+")}] * 2
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
    tasks[1].poll() if hasattr(tasks[1], "poll") else caller.poll(tasks[1].id)
    last = caller.make(prompt=HTML)
    last.fail(HTML)
    return tasks


def places(dashboard: Dashboard, tasks: list[TaskHandle]) -> list[str]:
    details = [f"#/tasks/{task.id}" for task in tasks[:4]]
    calls = [f"#/calls/{call.id}" for call in list(dashboard.fake.calls)[-6:]]
    return [*PLACES, *details, *calls, f"#/callbacks/{tasks[0].id}-0", "#/tasks?text=%3Cb%3E%3Cscript%3E"]


def test_hostile_values_are_shown_as_text_and_nothing_scrolls_horizontally(dashboard: Dashboard) -> None:
    """The fixture checks that the console has no error; a violation of the policy is one."""
    tasks = fill(dashboard)
    page, expect = dashboard.open(), dashboard.expect
    page.evaluate("document.addEventListener('securitypolicyviolation', () => window.harmed = 2)")
    expect(dashboard.rows.first).to_contain_text("<img src=x onerror=")
    widths = dict[tuple[int, str], int]()
    for width, shown in ((400, places(dashboard, tasks)), (900, PLACES)):
        page.set_viewport_size({"width": width, "height": 800})
        for place in shown:
            dashboard.go(place)
            widths[width, place] = dashboard.width
    assert {place: found for place, found in widths.items() if found > place[0]} == {}
    dashboard.go(f"#/tasks/{tasks[3].id}")
    expect(page.get_by_label("Detail of a task")).to_contain_text("null ␀ bell ␇ escape ␛[31m delete ␡")
    assert page.evaluate("window.harmed") is None
    assert page.locator("main script, main img[src='x'], main b").count() == 0


def test_the_page_has_no_serious_finding_of_axe(dashboard: Dashboard) -> None:
    """All rules in the light theme, those about colours in the dark one."""
    if not AXE.exists():
        (give_up if shutil.which("npm") else pytest.skip)("needs axe-core: make types installs it by npm")
    tasks = fill(dashboard)
    page = dashboard.open()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    details = (
        f"#/tasks/{tasks[0].id}",
        f"#/calls/{list(dashboard.fake.calls)[-3].id}",
        f"#/callbacks/{tasks[0].id}-0",
    )
    themes: tuple[tuple[Literal["light", "dark"], str], ...] = (
        ("light", "{resultTypes: ['violations']}"),
        ("dark", "{runOnly: ['color-contrast', 'link-in-text-block']}"),
    )
    for scheme, options in themes:
        page.emulate_media(color_scheme=scheme)
        for place in ("#/scripts", "#/accounts", *details):
            dashboard.go(place)
            for each in page.evaluate(f"axe.run({options})")["violations"]:
                if each["impact"] in ("serious", "critical"):
                    targets = [(node["target"], node.get("failureSummary")) for node in each["nodes"][:3]]
                    found[f"{scheme} {place} {each['id']}"] = targets
    assert found == {}
