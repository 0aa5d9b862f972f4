"""Bodies as large as the service allows, and larger. Built once; few doors, since each costs 100 MB."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from kling_contracts.gateways import COMETAPI
from kling_contracts.image_files import encoded, png
from kling_contracts.vocabulary import BODY_MAXIMUM
from kling_mock import Fake
from kling_mock.doors.asgi import INLINE_BYTES
from tests.kling_mock.doors.served_fakes import HeldFake
from tests.rows import some_rows

if TYPE_CHECKING:
    from tests.kling_mock.doors.conftest import Build, Door

LARGEST_PICTURE = 10 * 1024 * 1024
DOORS = ("transport sync", "serve sync")


@pytest.fixture(scope="module")
def picture() -> bytes:
    return png(300, 300, LARGEST_PICTURE)


@pytest.fixture(scope="module")
def heaviest(picture: bytes) -> bytes:
    """Four subjects, scene and style, each as large as a picture may be: all of it legal."""
    spelled = encoded(picture)
    subjects = ", ".join([f'{{"subject_image": "{spelled}"}}'] * 4)
    return (
        f'{{"subject_image_list": [{subjects}], "scence_image": "{spelled}", "style_image": "{spelled}"}}'
    ).encode()


@some_rows("door", DOORS, usual=["serve sync"], indirect=True)
def test_the_heaviest_legal_create_is_accepted(
    door: Door, post: Build, heaviest: bytes, picture: bytes
) -> None:
    """80 MB of base64 are within the rules; of the pictures only size and digest are kept."""
    assert 80_000_000 < len(heaviest) < BODY_MAXIMUM.value
    fake = Fake()
    with door(fake) as send:
        assert send(post(heaviest)).status_code == 200
    pictures = fake.task.request.pictures
    assert len(pictures) == 6
    assert {(each.size, each.sha256) for each in pictures} == {
        (LARGEST_PICTURE, hashlib.sha256(picture).hexdigest())
    }
    fake.check()


@some_rows("door", DOORS, usual=["transport sync"], indirect=True)
def test_97_mib_are_refused_with_413_and_nothing_is_stored(
    door: Door, post: Build, get: Build, heaviest: bytes
) -> None:
    """The client gets to read the refusal, and the same connection serves on."""
    fake = Fake()
    body = heaviest + b" " * (97 * 1024 * 1024 - len(heaviest))
    with door(fake) as send:
        refused = send(post(body))
        del body
        assert refused.status_code == 413
        assert refused.json()["code"] == "read_request_body_failed"
        assert refused.headers["x-kling-mock-rule"].startswith("body.max_bytes; ")
        assert refused.headers["x-kling-mock-rule"].endswith("; relax=body_cap")
        assert send(get("/_mock/health")).status_code == 200
    assert fake.tasks == ()
    fake.check()


def test_heavy_requests_are_answered_beside_the_event_loop(post: Build, get: Build) -> None:
    """While two heavy creates are being worked on, small requests come and go in the loop."""
    fake = HeldFake()
    events: list[str] = []
    heavy = b" " * (INLINE_BYTES + 1)

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(fake.asgi())) as client:

            async def create() -> None:
                assert (await client.send(post(heavy))).status_code == 400
                events.append("heavy")

            creates = [asyncio.create_task(create()) for _ in range(2)]
            for _ in range(3):
                assert (await client.send(get("/_mock/health"))).status_code == 200
                events.append("small")
            fake.go_on.set()
            await asyncio.gather(*creates)

    asyncio.run(main())
    assert events == ["small"] * 3 + ["heavy"] * 2
    loop = threading.current_thread().name
    assert fake.threads[:3] == [loop] * 3
    assert all(name.startswith("kling-mock") for name in fake.threads[3:])


@pytest.mark.parametrize(("size", "beside"), [(INLINE_BYTES, False), (INLINE_BYTES + 1, True)])
def test_what_is_heavy_is_decided_by_the_size_of_the_body(post: Build, size: int, *, beside: bool) -> None:
    """256 kB are answered in the loop, a byte more beside it."""
    fake = HeldFake()
    fake.go_on.set()

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(fake.asgi())) as client:
            await client.send(post(b" " * size))

    asyncio.run(main())
    assert fake.threads[0].startswith("kling-mock") == beside


def test_pictures_are_drawn_beside_the_event_loop(post: Build, get: Build, good_body: bytes) -> None:
    """Drawing takes longer than answering a poll."""
    fake = HeldFake()
    fake.go_on.set()

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(fake.asgi())) as client:
            await client.send(post(good_body))
            task = fake.task
            task.succeed()
            await client.send(get(httpx.URL(task.images[0]).path))
            await client.send(get(f"{COMETAPI.create_path}/{task.id}"))

    asyncio.run(main())
    assert [name.startswith("kling-mock") for name in fake.threads] == [False, True, False]
