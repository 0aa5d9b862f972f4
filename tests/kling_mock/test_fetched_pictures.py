"""Setting `fetch_images`: pictures at URLs are judged like inline ones, by the end of the task."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import httpx
import pytest
from PIL import Image

from kling_contracts.vocabulary import FILE_UNAVAILABLE, PIXELS_INVALID, SHAPE_INVALID
from kling_mock import Fake, ManualClock
from kling_mock.doors import picture_client
from kling_mock.doors.asgi import is_heavy
from kling_mock.fetched_pictures import FetchedPicture
from kling_mock.settings import Settings
from tests.kling_mock.conftest import PATH, SUBJECTS, Caller

Transport = Callable[[Fake], httpx.AsyncBaseTransport]
URLS = [each["subject_image"] for each in SUBJECTS]


def png(width: int, height: int) -> bytes:
    written = io.BytesIO()
    Image.new("P", (width, height)).save(written, "PNG")
    return written.getvalue()


GOOD = FetchedPicture(png(400, 300))


class Pictures:
    """Stands for `fetch_pictures`: the pictures by URL, others are good."""

    def __init__(self) -> None:
        self.found: dict[str, FetchedPicture] = {}
        self.asked: list[Sequence[str]] = []
        self.before: Callable[[], bool] = lambda: True
        self.went_on = False

    def __call__(self, urls: Sequence[str], reach: str) -> Mapping[str, FetchedPicture]:
        assert reach == "any"
        self.asked.append(urls)
        self.went_on = self.before()
        return {url: self.found.get(url, GOOD) for url in urls}


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Pictures:
    pictures = Pictures()
    monkeypatch.setattr(picture_client, "fetch_pictures", pictures)
    return pictures


def fetching(**switches: Any) -> Caller:
    return Caller(Fake(clock=ManualClock(), pace="polls:1", **{"fetch_images": "any", **switches}))


def test_good_pictures_change_nothing_but_their_record(pictures: Pictures) -> None:
    caller = fetching(thumbnails=True)
    task = caller.make()
    assert caller.status(task.id) == "succeed"
    assert pictures.asked == [URLS]
    inline = Caller(Fake(thumbnails=True)).make(
        subject_image_list=[{"subject_image": base64.b64encode(png(400, 300)).decode()}] * 2
    )
    for fetched, given, url in zip(task.request.subjects, inline.request.subjects, URLS, strict=True):
        assert fetched.url == url
        assert (fetched.size, fetched.digest) == (given.size, given.digest)
        assert fetched.thumbnail == given.thumbnail is not None


def test_nothing_is_fetched_by_default(pictures: Pictures) -> None:
    """Counterexample."""
    caller = fetching(fetch_images="off")
    pictures.found[URLS[0]] = FetchedPicture(b"<html>")
    assert caller.status(caller.make().id) == "succeed"
    assert pictures.asked == []


@pytest.mark.parametrize(
    ("found", "message", "note"),
    [
        (FetchedPicture(b"<!doctype html>"), PIXELS_INVALID.value, "must be a PNG or JPEG; got 15 bytes"),
        (FetchedPicture(png(299, 400)), PIXELS_INVALID.value, "it is 299 x 400"),
        (FetchedPicture(png(300, 800)), SHAPE_INVALID.value, "it is 300 x 800"),
        (FetchedPicture(problem="no route"), FILE_UNAVAILABLE.value, "not fetched: no route"),
    ],
)
def test_a_bad_picture_makes_the_task_fail(
    found: FetchedPicture, message: str, note: str, pictures: Pictures
) -> None:
    caller = fetching()
    pictures.found[URLS[1]] = found
    task = caller.make()
    assert caller.query(task.id)["task_status_msg"] == message
    (noted,) = caller.fake.calls[0].notes
    assert noted.startswith("subject_image_list[1].subject_image: ")
    assert note in noted


def test_the_judgement_is_that_of_inline_pictures(pictures: Pictures) -> None:
    for data in (b"text", png(299, 400), png(300, 800), png(300, 750), png(5, 5)):
        caller = fetching()
        pictures.found[URLS[0]] = FetchedPicture(data)
        inline = [{"subject_image": base64.b64encode(data).decode()}, SUBJECTS[1]]
        ends = [caller.query(each.id) for each in (caller.make(), caller.make(subject_image_list=inline))]
        assert len({(each["task_status"], each.get("task_status_msg")) for each in ends}) == 1


def test_an_ignored_rule_is_not_enforced(pictures: Pictures) -> None:
    caller = fetching(ignore=["subject_image.min_side"])
    pictures.found[URLS[0]] = FetchedPicture(png(5, 5))
    assert caller.status(caller.make().id) == "succeed"


def test_a_url_that_must_not_be_fetched_stays_a_url(pictures: Pictures) -> None:
    caller = fetching()
    pictures.found[URLS[0]] = FetchedPicture(problem="elsewhere", allowed=False)
    task = caller.make()
    assert caller.status(task.id) == "succeed"
    assert task.request.subjects[0].size == 0
    assert caller.fake.calls[0].notes == ("subject_image_list[0].subject_image: not fetched: elsewhere",)


def test_only_the_pictures_of_an_accepted_create_are_fetched(pictures: Pictures) -> None:
    caller = fetching(keys=["sk-good"])
    assert caller.ask().status == 401
    assert caller.account("sk-good").ask(n=0).status == 400
    assert caller.account("sk-good").post(b"{}", f"{PATH}/1").status == 405
    assert pictures.asked == []
    again = [SUBJECTS[0], SUBJECTS[0], SUBJECTS[1]]
    assert caller.account("sk-good").ask(subject_image_list=again).status == 200
    assert pictures.asked == [URLS]


def test_a_server_fetches_in_a_thread() -> None:
    assert is_heavy(PATH, 100, Settings(fetch_images="loopback"))
    assert not is_heavy(f"{PATH}/1", 0, Settings(fetch_images="loopback"))
    assert not is_heavy(PATH, 100, Settings())


def application(fake: Fake) -> httpx.ASGITransport:
    return httpx.ASGITransport(fake.asgi())


async def fetched_meanwhile(caller: Caller, pictures: Pictures, transport: Transport) -> str:
    """The id of a task whose pictures are fetched while the event loop does something else."""
    went_on = threading.Event()
    pictures.before = lambda: went_on.wait(5)
    sent: list[httpx.Response] = []

    async def send(client: httpx.AsyncClient) -> None:
        sent.append(await client.post(PATH, json={"subject_image_list": SUBJECTS}))

    headers = {"authorization": f"Bearer {caller.key}"}
    client = httpx.AsyncClient(
        base_url="https://api.cometapi.com", transport=transport(caller.fake), headers=headers
    )
    async with client, anyio.create_task_group() as group:
        group.start_soon(send, client)
        await anyio.wait_all_tasks_blocked()
        went_on.set()
    return str(sent[0].json()["data"]["task_id"])


@pytest.mark.parametrize("transport", [Fake.transport, application])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_event_loop_goes_on_during_a_fetch(
    backend: str, transport: Transport, pictures: Pictures
) -> None:
    """That of a client, and that of an ASGI server."""
    caller = fetching()
    task_id = anyio.run(fetched_meanwhile, caller, pictures, transport, backend=backend)
    assert caller.status(task_id) == "succeed"
    assert pictures.went_on
