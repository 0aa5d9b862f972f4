"""The pictures of a task over the control API: results, their metadata, and inputs."""

from __future__ import annotations

import base64
from io import BytesIO

import pytest
from PIL import Image

from kling_contracts.cases.images import picture
from kling_mock import read_picture
from tests.kling_mock.control_api.conftest import Control


@pytest.fixture
def control() -> Control:
    return Control(pace="seconds:1,9", thumbnails=True)


def test_a_result_is_the_picture_that_a_client_downloads(control: Control) -> None:
    control.fake.next.pictures_are("refused")
    task = control.make(n=2, prompt="a cat", watermark_info={"enabled": True})
    path = f"/tasks/{task.id}/images"
    assert "has no result; its status is submitted" in control.refused(409, "GET", f"{path}/0")["message"]
    control.fake.clock.advance(10)
    calls = len(control.fake.calls)
    reply = control.send("GET", f"{path}/1")
    assert (reply.status, reply.content_type) == (200, "image/png")
    assert ("cache-control", "no-store") in reply.headers
    info = control.ok("GET", f"{path}/1/info")
    shown = read_picture(reply.body)
    assert (shown.task_id, shown.index, shown.prompt) == (task.id, 1, "a cat")
    assert (info["url"], info["size"]) == (task.images[1], len(reply.body))
    assert Image.open(BytesIO(reply.body)).size == (info["width"], info["height"])
    assert info["metadata"]["prompt"] == "a cat"
    assert len(info["metadata"]["pictures"]) == 2
    assert read_picture(control.send("GET", f"{path}/1?watermark=true").body).watermark
    assert (len(control.fake.calls), task.polls) == (calls, 0)
    assert control.caller.picture(task.images[0]).status == 403  # the fault is still to be shown
    assert control.send("GET", f"{path}/0").status == 200


def test_a_picture_that_does_not_exist_is_404_and_one_that_cannot_be_drawn_409(control: Control) -> None:
    task = control.make()
    control.fake.clock.advance(10)
    for path in (
        "images/1",
        "images/x",
        "images/-1",
        "images/00",
        "images/1/info",
        "inputs/2",
        "inputs/\u0661",
    ):
        assert "unknown" in control.refused(404, "GET", f"/tasks/{task.id}/{path}")["message"]
    assert control.refused(404, "GET", "/tasks/1/images/0")["nearest"] == []
    assert control.refused(409, "GET", f"/tasks/{task.id}/images/0?watermark=true")["pointer"] == "?watermark"


def test_an_input_is_its_thumbnail_or_a_pattern(control: Control) -> None:
    sent = picture(600, 400)
    listed = [{"subject_image": each} for each in (sent, "https://pictures.test/b.png")]
    task = control.make(subject_image_list=listed)
    inputs = [control.send("GET", f"/tasks/{task.id}/inputs/{index}") for index in range(2)]
    assert [Image.open(BytesIO(each.body)).size for each in inputs] == [(480, 320), (288, 192)]
    shown = control.ok("GET", f"/tasks/{task.id}")["request"]["pictures"]
    assert [each["thumbnail"] for each in shown] == [True, False]
    assert shown[0]["size"] == len(base64.b64decode(sent))
    assert inputs[1].body == control.send("GET", f"/tasks/{task.id}/inputs/1").body
