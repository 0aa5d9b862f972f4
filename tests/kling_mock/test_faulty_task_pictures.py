"""Faulty tasks whose result pictures cannot be downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_mock import Request
from kling_mock.delivery import Delivery

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Caller, Start


def fetch(caller: Caller, url: str) -> Any:
    path, _, query = url.removeprefix("https://cdn.klingai.com").partition("?")
    return caller.fake.handle(Request("GET", path, query))


def test_pictures(start: Start) -> None:
    caller = start(pace="instant")
    statuses = {"refused": 403, "expired": 404, "html": 200, "truncated": 200, "redirect": 302, "slow": 200}
    for how in statuses:
        caller.fake.next.pictures_are(how, polls=1)  # type: ignore[arg-type]
    for how, status in statuses.items():
        task = caller.make()
        wrong, right = fetch(caller, task.images[0]), fetch(caller, task.images[0])
        assert wrong.status == status, how
        assert (right.status, right.content_type, right.delivery) == (200, "image/png", None)
        assert caller.fake.calls[-2].faults == ("pictures_are",)
        assert caller.fake.calls[-1].faults == ()
        if how == "html":
            assert wrong.content_type.startswith("text/html")
        elif how == "truncated":
            assert wrong.delivery == Delivery(cut=len(right.body) // 2)
            assert wrong.body == right.body
            assert dict(wrong.framed_headers)["content-length"] == str(len(right.body))
        elif how == "redirect":
            target = fetch(caller, dict(wrong.headers)["location"])
            assert target.body == right.body
        elif how == "slow":
            assert (wrong.delivery, wrong.body) == (Delivery(delay=10.0), right.body)
        assert task.polls == 0


def test_every_download_of_a_redirected_task_is_redirected(start: Start) -> None:
    """To a URL that works: a client that follows redirects gets each picture."""
    caller = start(pace="instant")
    caller.fake.next.pictures_are("redirect")
    for url in caller.make(n=3).images:
        assert fetch(caller, dict(fetch(caller, url).headers)["location"]).content_type == "image/png"
