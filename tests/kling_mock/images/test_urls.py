"""Result pictures: URLs that are absolute, distinct, stable and expire, and the files behind them."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image, PngImagePlugin

from kling_mock import Request

if TYPE_CHECKING:
    from kling_mock import Reply
    from tests.kling_mock.conftest import Caller, Start

# By hand: side lengths of about one megapixel with exactly the documented ratios.
SIZES = {
    "16:9": (1280, 720),
    "9:16": (720, 1280),
    "1:1": (1024, 1024),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "21:9": (1344, 576),
}


@pytest.fixture
def caller(start: Start) -> Caller:
    return start(pace="instant")


def urls(caller: Caller, **fields: Any) -> list[str]:
    data = caller.query(caller.create(**fields)["task_id"])
    return [image["url"] for image in data["task_result"]["images"]]


def opened(reply: Reply) -> PngImagePlugin.PngImageFile:
    image = Image.open(io.BytesIO(reply.body))
    image.load()
    return cast("PngImagePlugin.PngImageFile", image)


# -- URLs


def test_each_image_has_a_url_of_its_own_and_keeps_it(caller: Caller) -> None:
    task_id = caller.create(n=9)["task_id"]
    first = caller.query(task_id)["task_result"]["images"]
    caller.clock.advance(days=29)
    assert caller.query(task_id)["task_result"]["images"] == first
    assert [image["index"] for image in first] == list(range(9))
    assert len({image["url"] for image in first}) == 9
    assert {url for image in first if (url := image["url"]).endswith(".png")} == {
        image["url"] for image in first
    }


def test_two_tasks_never_share_a_url(caller: Caller) -> None:
    other = caller.account("sk-mock-b")
    found = [url for each in (caller, other, caller) for url in urls(each, n=2)]
    assert len(set(found)) == 6


@pytest.mark.parametrize(
    ("switches", "origin", "expected"),
    [
        ({}, None, "https://cdn.klingai.com/bs2/"),
        ({}, "http://127.0.0.1:8000", "http://127.0.0.1:8000/bs2/"),
        ({"base_url": "https://fake.test"}, None, "https://fake.test/bs2/"),
        ({"base_url": "https://fake.test/"}, "http://127.0.0.1:8000", "https://fake.test/bs2/"),
    ],
)
def test_the_origin_is_the_setting_or_the_socket_or_that_of_the_service(
    switches: dict[str, Any], origin: str | None, expected: str, start: Start
) -> None:
    caller = start(pace="instant", **switches)
    (url,) = urls(caller, origin=origin)
    assert url.startswith(expected)
    assert caller.picture(url).status == 200


def test_the_origin_is_fixed_at_creation(caller: Caller) -> None:
    task_id = caller.create(origin="http://one.test")["task_id"]
    reply = caller.send("GET", f"/kling/v1/images/generations/{task_id}", origin="http://two.test")
    (image,) = caller.data(reply)["task_result"]["images"]
    assert image["url"].startswith("http://one.test/")


# -- missing pictures


def refusal(reply: Reply) -> str:
    assert reply.status == 404
    assert reply.content_type == "text/plain; charset=utf-8"
    assert reply.body == b"404 page not found\n"
    return dict(reply.headers)["x-kling-mock-rule"]


def test_there_is_no_picture_before_success(start: Start) -> None:
    caller = start(pace="polls:2")
    task = caller.make()
    model = start(pace="instant")
    (url,) = urls(model)
    for status in ("submitted", "processing"):
        assert f"the task has no result; its status is {status}" in refusal(caller.picture(url))
        caller.query(task.id)
    assert caller.picture(task.images[0]).status == 200
    assert task.images == (url,)


def test_there_is_no_picture_of_a_failed_task(start: Start) -> None:
    (url,) = urls(start(pace="instant"))
    caller = start(pace="instant")
    caller.fake.next.fails("no such luck")
    caller.create()
    assert "the task has no result; its status is failed" in refusal(caller.picture(url))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-1_raw", "-2_raw"),
        ("-1_raw", "-01_raw"),
        ("-1_raw", "-9999_raw"),
        ("kling-api/", "kling-api/1"),
        ("_image_0", "_image_1"),
    ],
)
def test_an_altered_url_shows_nothing(old: str, new: str, caller: Caller) -> None:
    url = urls(caller, n=2)[1]
    assert old in url
    assert caller.picture(url.replace(old, new)).status in (401, 404)


def test_a_url_with_another_bucket_or_task_shows_nothing(caller: Caller) -> None:
    (url,) = urls(caller)
    before, bucket, rest = url.partition("kling-api/")
    digit = "1" if rest[0] == "0" else "0"
    assert "the URL was altered" in refusal(caller.picture(f"{before}{bucket}{digit}{rest[1:]}"))
    task_id = caller.fake.task.id
    assert "does not exist" in refusal(caller.picture(url.replace(task_id, str(int(task_id) + 1))))


def test_a_url_expires_after_exactly_30_days(caller: Caller) -> None:
    (url,) = urls(caller)
    caller.clock.advance(days=30, seconds=-0.001)
    assert caller.picture(url).status == 200
    caller.clock.advance(0.001)
    assert "has expired" in refusal(caller.picture(url))


def test_the_reply_for_a_missing_picture_names_the_reason_and_the_setting(caller: Caller) -> None:
    (url,) = urls(caller)
    caller.clock.advance(days=30)
    assert refusal(caller.picture(url)) == (
        "result.url; source=assumed (no source settles it); relax=retention_days; "
        "the picture does not exist or has expired"
    )


# -- the file


@pytest.mark.parametrize(("ratio", "size"), SIZES.items())
def test_a_png_of_the_asked_ratio_opens(ratio: str, size: tuple[int, int], caller: Caller) -> None:
    (url,) = urls(caller, aspect_ratio=ratio, prompt="two at sea, 船")
    reply = caller.picture(url)
    assert (reply.status, reply.content_type) == (200, "image/png")
    image = opened(reply)
    assert (image.format, image.size) == ("PNG", size)
    wide, high = (int(side) for side in ratio.split(":"))
    assert image.width * high == image.height * wide


def test_a_picture_contains_its_metadata(caller: Caller) -> None:
    """So a test can check that it received the right picture, made from the right input pictures."""
    second = urls(caller, n=2, prompt="two at sea")[1]
    text = json.loads(opened(caller.picture(second)).text["kling-mock"])
    task = caller.fake.task
    assert (text["task_id"], text["index"], text["count"], text["prompt"]) == (task.id, 1, 2, "two at sea")
    expected = [sha256(str(picture.url).encode()).hexdigest() for picture in task.request.subjects]
    assert [picture["sha256"] for picture in text["pictures"]] == expected


def test_pictures_need_no_key_and_accept_any(caller: Caller, start: Start) -> None:
    strict = start(pace="instant", keys=["sk-one"]).account("sk-one")
    (url,) = urls(strict)
    assert strict.picture(url).status == 200
    assert strict.picture(url, authorization="Bearer sk-two").status == 200


def test_equal_requests_give_equal_bytes_and_different_ones_different_bytes(start: Start) -> None:
    def drawn(**fields: Any) -> bytes:
        caller = start(pace="instant")
        return caller.picture(urls(caller, **fields)[-1]).body

    same = drawn(prompt="two at sea")
    assert same == drawn(prompt="two at sea")
    others = [
        drawn(prompt="one at sea"),
        drawn(prompt="two at sea", aspect_ratio="1:1"),
        drawn(prompt="two at sea", n=2),
        drawn(prompt="two at sea", style_image="https://pictures.test/s.png"),
    ]
    assert len({same, *others}) == 5


def test_a_picture_is_the_same_each_time_it_is_fetched(caller: Caller) -> None:
    found = urls(caller, n=2)
    assert caller.picture(found[0]).body == caller.picture(found[0]).body != caller.picture(found[1]).body


# -- HTTP


def fetch(caller: Caller, url: str, method: str = "GET", **headers: str) -> Reply:
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return caller.fake.handle(Request(method, "/" + url.split("/", 3)[3], "", given))


def test_head_has_the_headers_of_get(caller: Caller) -> None:
    """The body stays in the reply for its length; transports and servers do not send it."""
    (url,) = urls(caller)
    got, head = fetch(caller, url), fetch(caller, url, "HEAD")
    assert (head.status, head.headers) == (got.status, got.headers)
    assert len(head.body) == len(got.body)
    assert dict(got.headers)["accept-ranges"] == "bytes"
    assert dict(got.headers)["cache-control"].startswith("public, max-age=")


@pytest.mark.parametrize(
    ("given", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, -1),
        ("bytes=-50", -50, -1),
        ("bytes=0-99999999", 0, -1),
        ("bytes=-99999999", 0, -1),
        ("bytes=7-7", 7, 7),
    ],
)
def test_a_range_returns_that_part(given: str, first: int, last: int, caller: Caller) -> None:
    (url,) = urls(caller)
    whole = fetch(caller, url).body
    total = len(whole)
    first, last = first % total, last % total
    reply = fetch(caller, url, range=given)
    assert reply.status == 206
    assert dict(reply.headers)["content-range"] == f"bytes {first}-{last}/{total}"
    assert reply.body == whole[first : last + 1]


@pytest.mark.parametrize("given", ["bytes=99999999-", "bytes=99999999-999999999", "bytes=-0"])
def test_a_range_beyond_the_end_is_416_with_the_length(given: str, caller: Caller) -> None:
    (url,) = urls(caller)
    total = len(fetch(caller, url).body)
    reply = fetch(caller, url, range=given)
    assert (reply.status, reply.body) == (416, b"")
    assert dict(reply.headers)["content-range"] == f"bytes */{total}"


def test_head_ignores_a_range(caller: Caller) -> None:
    """By RFC 9110 a range is one of GET."""
    (url,) = urls(caller)
    assert fetch(caller, url, "HEAD", range="bytes=0-9").headers == fetch(caller, url).headers


def test_every_path_in_the_folder_of_results_is_that_of_a_result(caller: Caller) -> None:
    """A misspelled URL is not a matter of keys: 404, as for a result that does not exist."""
    (url,) = urls(caller)
    for wrong in (url + "/", url.replace(".png", ".jpg"), url.replace("_0.png", "_1.png"), url[:-4]):
        reply = fetch(caller, wrong)
        assert (reply.status, reply.body) == (404, b"404 page not found\n"), wrong
        assert fetch(caller, wrong, "POST").status == 405


@pytest.mark.parametrize("given", ["bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes=", "0-1"])
def test_an_invalid_range_is_ignored(given: str, caller: Caller) -> None:
    (url,) = urls(caller)
    assert fetch(caller, url, range=given).status == 200


def test_an_entity_tag_saves_the_body(caller: Caller) -> None:
    first, second = urls(caller, n=2)
    tag = dict(fetch(caller, first).headers)["etag"]
    same = fetch(caller, first, if_none_match=tag)
    assert (same.status, same.body) == (304, b"")
    assert dict(same.headers)["etag"] == tag
    assert fetch(caller, second, if_none_match=tag).status == 200
    assert fetch(caller, first, if_none_match='"other"').status == 200
    assert fetch(caller, first, if_match=f'"other", {tag}').status == 200
    assert fetch(caller, first, if_match="*").status == 200
    assert (changed := fetch(caller, first, if_match='"other"')).status == 412
    assert changed.body == b""
