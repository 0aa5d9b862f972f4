"""The dashboard in headless Chromium. All tests are in one module, since a browser costs seconds of CPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from kling_mock import Fake
from kling_mock.callbacks.model import Callback
from kling_mock.scenarios.scenario_file import parse_scenario
from tests.kling_mock.dashboard.conftest import SIZE, Dashboard
from tests.kling_mock.dashboard.dropped_files import drop, picture
from tests.kling_mock.dashboard.hostile_values import PLACES, fill, places
from tests.rows import exhaustive

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE: Final = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


def test_a_task_is_created_from_files_and_watched_until_it_has_finished(dashboard: Dashboard) -> None:
    page, expect = dashboard.open(), dashboard.expect
    page.get_by_role("button", name="New task").click()
    form = page.get_by_role("dialog", name="New task")
    form.get_by_label("Choose pictures").set_input_files([picture("a.png", "red"), picture("b.png", "blue")])
    form.get_by_label("prompt").fill("a cat at sea")
    form.get_by_role("button", name="Create").click()

    detail = page.get_by_label("Detail of a task")
    heading = detail.get_by_role("heading", level=2)
    expect(heading).to_contain_text("submitted")
    task = dashboard.fake.task
    assert (task.request.prompt, len(task.request.pictures), task.account) == ("a cat at sea", 2, "sk-mock")
    row = dashboard.rows
    expect(row).to_contain_text("processing in 2.0 s")
    page.get_by_role("button", name="+1 min").click()
    expect(row).to_contain_text("succeed after 10 s")
    expect(heading).to_contain_text("succeed")
    expect(detail.get_by_role("img", name="Result 1")).to_have_js_property("naturalWidth", 1280)
    expect(detail).to_contain_text(re.compile("1280 . 720"))


def test_the_modules_without_dom(dashboard: Dashboard) -> None:
    tests = Path(__file__).with_name("module_tests.js").read_text(encoding="utf-8")
    assert dashboard.open().evaluate(tests) == []


@exhaustive
def test_a_refused_create_shows_the_reply_and_its_rule(dashboard: Dashboard) -> None:
    page, expect = dashboard.open(), dashboard.expect
    page.get_by_role("button", name="New task").click()
    form = page.get_by_role("dialog", name="New task")
    form.get_by_label("Choose pictures").set_input_files([picture("a.png", "red")])
    form.get_by_role("button", name="Create").click()
    expect(form).to_contain_text("refused with 400")
    expect(form).to_contain_text("subject_image_list.min_items; source=")
    dashboard.problems.clear()  # Chromium reports replies with an error status
    drop(form.locator(".drop"), picture("b.png", "blue"))
    form.get_by_role("button", name="Create").click()
    expect(form).to_have_count(0)
    expect(dashboard.rows).to_have_count(1)


def test_tasks_are_failed_and_released_and_the_clock_is_moved(dashboard: Dashboard) -> None:
    caller, expect = dashboard.caller, dashboard.expect
    tasks = [caller.make(prompt=f"number {number}") for number in range(3)]
    page = dashboard.open(f"#/tasks/{tasks[0].id}")
    detail = page.get_by_label("Detail of a task")
    detail.get_by_label("Message of the failure").fill("no <b>such</b> cat")
    detail.get_by_role("button", name="Fail").click()
    expect(detail).to_contain_text("no <b>such</b> cat")
    expect(dashboard.rows.filter(has_text="number 0")).to_contain_text("failed")
    assert tasks[0].failure == "no <b>such</b> cat"
    expect(detail.get_by_role("button", name="Release")).to_have_count(0)  # it has ended

    dashboard.rows.filter(has_text="number 1").click()
    detail.get_by_role("button", name="Release").click()
    expect(dashboard.rows.filter(has_text="number 1")).to_contain_text("succeed")

    clock = page.get_by_label("Clock of the server")
    expect(clock).to_contain_text("task changes in 2.0 s")
    clock.get_by_label("Seconds to advance").fill("-1")
    clock.get_by_label("Seconds to advance").press("Enter")
    expect(clock).to_contain_text("Seconds to advance: must be a number of at least 0")
    before = dashboard.fake.clock.now()
    clock.get_by_role("button", name="Skip to it").click()
    expect(dashboard.rows.filter(has_text="number 2")).to_contain_text("succeed in 8.0 s")
    assert dashboard.fake.clock.now() == pytest.approx(before + 2, abs=0.001)
    slider = clock.get_by_label("Events ahead")
    slider.focus()
    slider.press("ArrowRight")
    expect(dashboard.rows.filter(has_text="number 2")).to_contain_text("succeed after 10 s")
    clock.get_by_role("button", name="Resume").click()
    expect(clock.get_by_role("button", name="Freeze")).to_be_visible()
    clock.get_by_label("Speed of the clock").select_option("10")
    expect(clock.get_by_role("button", name="Freeze")).to_be_enabled()
    expect(page.locator("main")).to_have_attribute("aria-busy", "false")
    assert dashboard.fake.clock.speed == 10


@exhaustive
def test_a_callback_is_seen_redelivered_and_edited(dashboard: Dashboard) -> None:
    expect, received = dashboard.expect, list[str]()
    statuses = [500]

    def receive(callback: Callback) -> int:
        received.append(str(callback.body["task_id"]))
        return statuses[0]

    dashboard.fake.callbacks.deliver_to(receive)
    task = dashboard.caller.make(callback_url="http://127.0.0.1:9/hook")
    dashboard.caller.poll(task.id)
    page = dashboard.open()
    expect(dashboard.rows).to_contain_text(re.compile(r"1 poll . callback in \d"))
    dashboard.go("#/callbacks")
    expect(dashboard.rows).to_contain_text("pending")
    dashboard.rows.click()
    detail = page.get_by_label("Detail of a callback")
    expect(detail).to_contain_text("http://127.0.0.1:9/hook")
    statuses[0] = 200
    detail.get_by_role("button", name="Redeliver").click()
    expect(detail.get_by_role("status")).to_have_text("The receiver answered with 200")
    expect(dashboard.rows).to_contain_text("delivered")
    expect(detail).to_contain_text("Reports○ submitted")
    detail.get_by_text("Edit and send").click()
    detail.get_by_label("Body to send").fill('{"task_id": "another"}')
    detail.get_by_role("button", name="Send this body").click()
    expect(detail.get_by_role("row")).to_have_count(4)  # of names, and three attempts
    assert received == [task.id, task.id, "another"]


@exhaustive
def test_calls_are_filtered_by_an_address_and_a_rule_is_relaxed(dashboard: Dashboard) -> None:
    caller, expect = dashboard.caller, dashboard.expect
    caller.make(prompt="a cat")
    caller.make(prompt="a dog")
    caller.make(prompt="another dog")
    dashboard.fake.change_settings(slots=3)
    caller.ask()  # refused, since three images are unfinished
    page = dashboard.open("#/calls")
    expect(dashboard.rows).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("dog")
    expect(dashboard.rows).to_have_count(2)
    page.get_by_label("Search calls").fill("generations")
    page.get_by_label("Status of the reply").select_option("4xx")
    expect(dashboard.rows).to_have_count(1)
    assert page.url.endswith("#/calls?text=generations&status=4xx")
    page.reload()
    expect(dashboard.rows).to_have_count(1)
    expect(page.get_by_label("Search calls")).to_have_value("generations")
    dashboard.rows.click()
    detail = page.get_by_label("Detail of a call")
    expect(detail).to_contain_text("confidence: ")
    detail.get_by_role("button", name="Relax").click()
    expect(detail).to_contain_text("slots is now null")
    assert caller.ask().status == 200
    detail.get_by_role("link", name="all calls that it refused").click()
    expect(detail).to_be_hidden()
    expect(dashboard.rows).to_have_count(1)
    page.get_by_role("button", name="rule: account.slots").click()
    expect(dashboard.rows).to_have_count(5)
    page.go_back()
    expect(detail).to_contain_text("confidence: ")


@exhaustive
def test_a_call_is_sent_again_and_copied_as_code(dashboard: Dashboard) -> None:
    dashboard.caller.make(prompt="a 'quoted' cat")
    page, expect = dashboard.open("#/calls"), dashboard.expect
    dashboard.rows.click()
    detail = page.get_by_label("Detail of a call")
    detail.get_by_role("button", name="Copy as curl").click()
    expect(detail.get_by_role("button", name="Copied")).to_be_visible()
    command = str(page.evaluate("navigator.clipboard.readText()"))
    assert command.startswith("curl")
    assert dashboard.url.removesuffix("/_mock/") + "/kling/v1/images/generations" in command
    detail.get_by_text("Edit and send").click()
    detail.get_by_label("Changed fields").fill('{"prompt": "another cat"}')
    detail.get_by_role("button", name="Send with these fields").click()
    expect(detail.get_by_role("link", name="the new call")).to_be_visible()
    expect(dashboard.rows).to_have_count(2)
    assert [task.request.prompt for task in dashboard.fake.tasks] == ["a 'quoted' cat", "another cat"]


@exhaustive
def test_the_story_of_a_task_runs_as_it_was_copied(dashboard: Dashboard) -> None:
    task = dashboard.caller.make(prompt="a cat that 'fails'")
    task.fail("no cats")
    page, expect = dashboard.open(f"#/tasks/{task.id}"), dashboard.expect
    page.get_by_role("button", name="Copy as pytest test").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    module: dict[str, Any] = {}
    exec(compile(str(page.evaluate("navigator.clipboard.readText()")), "story", "exec"), module)
    fake = Fake()
    with fake.intercept():
        module["test_task"](fake)
    assert (fake.task.request.prompt, fake.task.failure) == ("a cat that 'fails'", "no cats")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download scenario").click()
    assert len(parse_scenario(download.value.path().read_text(encoding="utf-8"), "F.toml").scripts) == 1


@exhaustive
def test_scripts_are_written_and_switched_off_and_accounts_have_charts(dashboard: Dashboard) -> None:
    page, expect, caller = dashboard.open("#/scripts"), dashboard.expect, dashboard.caller
    page.get_by_label("Document of the script").fill('{"when": {"promt": "*dog*"}, "fails": "no dogs"}')
    page.get_by_role("button", name="Write script").click()
    expect(page.locator("form .output")).to_contain_text("did you mean 'prompt'")
    dashboard.problems.clear()  # Chromium reports replies with an error status
    page.get_by_label("Document of the script").fill('{"when": {"prompt": "*dog*"}, "fails": "no dogs"}')
    page.get_by_role("button", name="Write script").click()
    script = page.get_by_role("article")
    expect(script).to_contain_text("0 uses")
    caller.make(prompt="a cat")
    script.get_by_text("Nearest misses").click()
    expect(script).to_contain_text("'a cat'")
    caller.make(prompt="a dog")
    expect(script).to_contain_text("1 use")
    script.get_by_role("button", name="Switch off").click()
    expect(script).to_contain_text("switched off")
    task = caller.make(prompt="another dog")
    dashboard.go(f"#/tasks/{task.id}")
    page.get_by_role("button", name="Add fault").click()
    expect(page.get_by_role("heading", name="Faults")).to_be_visible()
    dashboard.go("#/scripts")
    script.get_by_role("button", name="Remove").click()
    expect(script).to_have_count(0)
    dashboard.go("#/accounts")
    expect(page.get_by_role("img", name="Unfinished images over time: now 3")).to_have_count(2)


def test_the_keyboard_suffices(dashboard: Dashboard) -> None:
    expect = dashboard.expect
    tasks = [dashboard.caller.make(prompt=f"number {number}") for number in range(3)]
    page = dashboard.open()
    expect(dashboard.rows).to_have_count(3)
    assert page.locator("main").evaluate("main => main.getBoundingClientRect().bottom") == SIZE["height"]
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Enter"):  # the first one enters the list
        page.keyboard.press(key)
    detail = page.get_by_label("Detail of a task")
    expect(detail).to_contain_text(tasks[1].id)
    expect(dashboard.rows.and_(page.get_by_role("option", selected=True))).to_contain_text("number 1")
    detail.get_by_role("button", name="Release").focus()
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(page.get_by_role("listbox")).to_be_focused()
    page.keyboard.press("ArrowDown")  # from the row that was open
    page.keyboard.press("Enter")
    expect(detail).to_contain_text(tasks[0].id)
    detail.get_by_label("Fault of the task").fill('{"sticks"')
    detail.get_by_role("button", name="Add fault").click()
    expect(detail.locator(".output")).to_contain_text("Fault: must be JSON. ")
    detail.get_by_label("Fault of the task").focus()
    page.keyboard.press("Escape")  # leaves the text; a second one closes the detail
    expect(detail).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_focused()
    page.set_viewport_size({"width": 400, "height": 600})
    page.keyboard.press("Enter")
    expect(detail).to_be_focused()  # it covers the list
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_focused()
    page.set_viewport_size(SIZE)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    expect(page.get_by_role("link", name="Scripts")).to_have_attribute("aria-current", "page")


def test_a_restart_of_the_server_is_shown(page: Page) -> None:
    fake, other = Fake(pace="held"), Fake(pace="held")
    with fake.serve() as server:
        shown = Dashboard(page, server.url, fake)
        shown.caller.make(prompt="of the first run")
        shown.open()
        expect = shown.expect
        expect(shown.rows).to_contain_text("of the first run")
        port = int(server.url.rpartition(":")[2])
    expect(page.locator("#connection")).to_have_text("reconnecting")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_label("Clock of the server")).to_contain_text("the server does not answer")
    Dashboard(page, "", other).caller.make(prompt="of the second run")
    with other.serve(port=port):
        expect(page.locator("#connection")).to_have_text("live")
        expect(page.locator("#notice")).to_contain_text("The server was restarted")
        expect(page.get_by_label("Clock of the server")).not_to_contain_text("does not answer")
        expect(shown.rows).to_have_count(1)
        expect(shown.rows).to_contain_text("of the second run")
        page.evaluate("fetch('reset', { method: 'POST' })")
        expect(page.get_by_role("heading", name="No tasks yet")).to_be_visible()
        origin = shown.url.removesuffix("/_mock/")
        expect(page.locator("main pre")).to_contain_text(f"curl -s {origin}/kling/v1/images/generations -H")


@exhaustive
def test_the_page_asks_for_the_token(page: Page) -> None:
    fake = Fake(control_token="let-me-in")
    with fake.serve("0.0.0.0") as server:
        shown = Dashboard(page, server.url.replace("0.0.0.0", "127.0.0.1"), fake)
        shown.caller.make(prompt="a secret cat")
        page.goto(shown.url)
        page.get_by_role("textbox", name="Token").fill("let-me-out")
        page.get_by_role("button", name="Use this token").click()
        shown.expect(page.get_by_role("dialog", name="Token")).to_contain_text("The server refused the token")
        page.get_by_role("textbox", name="Token").fill("let-me-in")
        page.get_by_role("button", name="Use this token").click()
        shown.expect(page.locator("#connection")).to_have_text("live")
        shown.expect(shown.rows).to_contain_text("a secret cat")


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
    page.set_viewport_size(SIZE)


@exhaustive
@pytest.mark.parametrize(
    ("scheme", "places"),
    [
        ("light", ("#/scripts", "#/accounts", "#/tasks/{task}", "#/calls/{call}", "#/callbacks/{task}-0")),
        ("dark", ("#/tasks/{task}", "#/calls/{call}")),
    ],
)
def test_the_page_has_no_serious_finding_of_axe(
    dashboard: Dashboard, scheme: Literal["light", "dark"], places: tuple[str, ...]
) -> None:
    """All rules in the light theme, those about colours in the dark one."""
    if not AXE.exists():
        pytest.skip("needs axe-core, which make types installs by npm")
    dashboard.fake.callbacks.deliver_to(lambda _: 500)
    tasks = [dashboard.caller.make(prompt="a cat", callback_url="http://127.0.0.1:9/") for _ in range(2)]
    tasks[0].fail("no cats")
    dashboard.fake.when(prompt="*dog*").fails("no dogs")
    dashboard.caller.ask(n=17)
    page = dashboard.open()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    call = list(dashboard.fake.calls)[-1].id
    rules = (
        "runOnly: ['color-contrast', 'link-in-text-block']"
        if scheme == "dark"
        else "resultTypes: ['violations']"
    )
    found: dict[str, Any] = {}
    page.emulate_media(color_scheme=scheme)
    for place in places:
        dashboard.go(place.format(task=tasks[0].id, call=call))
        for each in page.evaluate(f"axe.run({{{rules}, preload: false}})")["violations"]:
            if each["impact"] in ("serious", "critical"):
                targets = [(node["target"], node.get("failureSummary")) for node in each["nodes"][:3]]
                found[f"{place} {each['id']}"] = targets
    page.emulate_media(color_scheme="light")
    assert found == {}
