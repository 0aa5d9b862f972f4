"""Watermarks: `watermark_info` adds the address of a marked picture to each result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import read_picture

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start

PATHS = ["/kling/v1/images/generations", "/v1/images/multi-image2image"]


@pytest.fixture
def caller(start: Start) -> Caller:
    return start(pace="instant")


def finished(caller: Caller, path: str = PATHS[0], **fields: Any) -> dict[str, Any]:
    """The task object of a new task that has ended."""
    task_id = caller.data(caller.ask(path=path, **fields))["task_id"]
    return caller.data(caller.get(f"{path}/{task_id}"))


@pytest.mark.parametrize("path", PATHS)
def test_each_result_has_a_marked_picture(path: str, caller: Caller) -> None:
    data = finished(caller, path, n=2, watermark_info={"enabled": True})
    assert data["watermark_info"] == {"enabled": True}
    images = data["task_result"]["images"]
    urls = [image[name] for image in images for name in ("url", "watermark_url")]
    assert len(set(urls)) == 4
    shown = [read_picture(caller.picture(url).body) for url in urls]
    assert [(each.index, each.watermark) for each in shown] == [(0, False), (0, True), (1, False), (1, True)]
    assert len({caller.picture(url).body for url in urls}) == 4


@pytest.mark.parametrize("given", [None, {}, {"enabled": False}, {"enabled": 1}, True, "on"])
def test_without_watermarks_there_is_no_second_address(given: object, caller: Caller) -> None:
    data = finished(caller, watermark_info=given)
    assert "watermark_info" not in data
    (image,) = data["task_result"]["images"]
    assert image.keys() == {"index", "url"}
    marked = image["url"].replace("_raw_image_0", "_raw_image_0_watermark")
    reply = caller.picture(marked)
    assert reply.status == 404
    assert "the request did not enable watermarks" in dict(reply.headers)["x-kling-mock-rule"]


def test_an_unfinished_or_failed_task_has_no_addresses(start: Start) -> None:
    caller = start()
    caller.fake.next.fails("no")
    task = caller.make(watermark_info={"enabled": True})
    seen = [caller.query(task.id), caller.query(task.id)]
    assert [each["task_result"] for each in seen] == [{}, {}]
    assert [each["watermark_info"] for each in seen] == [{"enabled": True}] * 2


def test_the_request_shows_it_and_notes_only_what_is_ignored(caller: Caller) -> None:
    applied = caller.make(watermark_info={"enabled": True}, other=1)
    ignored = caller.make(watermark_info={"enabled": "true"})
    assert applied.request.watermark
    assert not ignored.request.watermark
    assert [call.notes for call in caller.fake.calls] == [
        ("unknown field ignored: 'other'",),
        ("unknown field ignored: 'watermark_info'",),
    ]
    assert "watermark=True" in repr(applied.request)
    assert "watermark" not in repr(ignored.request)


@pytest.mark.parametrize("body", [b"[]", b'"watermark_info"', b'{"watermark_info": {"enabled": true}}'])
def test_an_invalid_body_with_it_is_refused_as_without(body: bytes, caller: Caller) -> None:
    assert caller.post(body).status == 400
    caller.fake.check()


def test_a_callback_has_the_same_results(caller: Caller) -> None:
    caller.ask(watermark_info={"enabled": True}, callback_url="https://me.test/hook")
    last = list(caller.fake.callbacks)[-1]
    assert last.body == caller.query(caller.fake.task.id)
    assert "watermark_url" in str(last.body)
