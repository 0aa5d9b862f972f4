"""The dashboard in headless Chromium."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from tests.kling_mock.dashboard.conftest import Dashboard

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload


def picture(name: str, colour: str) -> FilePayload:
    content = BytesIO()
    Image.new("RGB", (320, 320), colour).save(content, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": content.getvalue()}


def test_a_task_is_created_from_files_and_watched_until_it_has_finished(dashboard: Dashboard) -> None:
    page, expect = dashboard.open(), dashboard.expect
    page.get_by_role("button", name="New task").click()
    form = page.get_by_role("dialog", name="New task")
    form.get_by_label("Choose pictures").set_input_files([picture("a.png", "red"), picture("b.png", "blue")])
    form.get_by_label("prompt").fill("a cat at sea")
    form.get_by_role("button", name="Create").click()

    detail = page.get_by_label("Detail of a task")
    expect(detail.get_by_role("heading", level=2)).to_contain_text("submitted")
    task = dashboard.fake.task
    assert (task.request.prompt, len(task.request.pictures), task.account) == ("a cat at sea", 2, "sk-mock")
    row = dashboard.rows
    expect(row).to_contain_text("a cat at sea")
    page.get_by_role("button", name="Advance by 10 s").click()
    expect(row).to_contain_text("succeed")
    expect(detail.get_by_role("heading", level=2)).to_contain_text("succeed")
    result = detail.get_by_role("img", name="Result 1")
    expect(result).to_have_js_property("naturalWidth", 1280)
