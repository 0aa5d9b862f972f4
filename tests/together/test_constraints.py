"""Validation of the client and of the mock agree, over every transport and integration.

The limits are typed by hand from the service's documentation, not imported from the vocabulary.
"""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from kling_client import ApiError, InvalidRequest, TaskFailed
from kling_contracts.strategies import failing_requests, invalid_requests, valid_requests
from kling_mock import Fake
from tests.intent import saw
from tests.profiles import share

URL = "https://example.com/cat.png"
RATIOS = ["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9"]
ALPHABETS = {
    "ascii": "a",
    "two bytes": "é",
    "three bytes": "漢",
    "beyond the first plane": "😀",
    "combining": "e\u0301",
    "joined": "👩\u200d🚀",
    "white space": " ",
}

# Few examples for each of the seven lines.
few = share(0.12, without=(HealthCheck.function_scoped_fixture, HealthCheck.data_too_large))


async def verdict(client: Any, *, check: bool, **arguments: Any) -> str:
    """The outcome of a request: refused (locally or by the server), failed, or succeed."""
    arguments.setdefault("images", [URL, URL])
    try:
        task = await client.generate(**arguments, check=check)
    except InvalidRequest:
        return "refused locally"
    except ApiError as error:
        return "refused" if error.status in (400, 503) else f"refused with {error.status}"
    try:
        return str((await task.wait()).status)
    except TaskFailed as error:
        return "failed" if error.task.failure else "failed without a reason"


@pytest.mark.parametrize("count", range(7))
def test_two_to_four_images(line: Any, count: int) -> None:
    """0, 1, 5 and 6 images are refused by the client, and with `check=False` by the service."""
    allowed = 2 <= count <= 4

    async def script(fake: Fake, client: Any) -> None:
        local = await verdict(client, check=True, images=[URL] * count)
        remote = await verdict(client, check=False, images=[URL] * count)
        assert (local, remote) == (("succeed", "succeed") if allowed else ("refused locally", "refused"))
        assert len(fake.tasks) == (2 if allowed else 0)

    line.run(script)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_2500_characters(line: Any, alphabet: str) -> None:
    """2,500 code points are accepted in every alphabet, one more is refused; the text is sent unchanged."""
    unit = ALPHABETS[alphabet]
    longest = (unit * 2500)[:2500]

    async def script(fake: Fake, client: Any) -> None:
        assert await verdict(client, check=True, prompt=longest) == "succeed"
        assert fake.task.request.prompt == longest
        assert await verdict(client, check=True, prompt=longest + unit[0]) == "refused locally"
        assert await verdict(client, check=False, prompt=longest + unit[0]) == "refused"

    line.run(script)


def test_every_ratio_and_no_other(line: Any) -> None:
    """The eight ratios are accepted; similar strings are refused."""

    async def script(fake: Fake, client: Any) -> None:
        for ratio in RATIOS:
            task = await client.generate([URL, URL], aspect_ratio=ratio)
            assert fake.tasks[-1].request.aspect_ratio == ratio
            assert (await task.wait()).status == "succeed"
        for miss in ("5:4", "32:18", "16: 9", "16x9", "16\uff1a9", "9:21", "auto", "16:9 "):
            assert await verdict(client, check=True, aspect_ratio=miss) == "refused locally"
            assert await verdict(client, check=False, aspect_ratio=miss) == "refused"
        assert len(fake.tasks) == len(RATIOS)

    line.run(script)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ({"n": 1}, "n", 1),
        ({"n": 9}, "n", 9),
        ({"model": "kling-v2"}, "model_name", "kling-v2"),
        ({"callback_url": "https://example.com/hook"}, "callback_url", "https://example.com/hook"),
        ({"external_task_id": "order/7 é"}, "external_task_id", "order/7 é"),
        ({"scene": URL}, "scence_image", URL),
        ({"style": URL}, "style_image", URL),
    ],
)
def test_optional_fields_arrive(line: Any, arguments: dict[str, Any], field: str, value: object) -> None:
    """Each optional field is sent under its name on the wire, without other fields."""

    async def script(fake: Fake, client: Any) -> None:
        assert await verdict(client, check=True, **arguments) == "succeed"
        request = fake.task.request
        pictures = {picture.field: picture.url for picture in request.pictures}
        assert pictures.get(field, getattr(request, field, None)) == value
        assert fake.calls[0].notes == ()

    line.run(script)


@pytest.mark.parametrize(
    "arguments", [{"n": 0}, {"n": 10}, {"n": True}, {"n": 1.5}, {"model": "kling-v9"}, {"callback_url": "x"}]
)
def test_optional_fields_out_of_range(line: Any, arguments: dict[str, Any]) -> None:
    async def script(fake: Fake, client: Any) -> None:
        assert await verdict(client, check=True, **arguments) == "refused locally"
        assert await verdict(client, check=False, **arguments) == "refused"
        assert not fake.tasks

    line.run(script)


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (png(300, 300), "succeed"),
        (png(299, 300), "failed"),
        (png(300, 751), "failed"),
        (b"no picture", "failed"),
    ],
)
def test_inline_pictures(line: Any, data: bytes, ends: str) -> None:
    """Bytes are sent as raw base64; an image with which the task would fail is refused locally."""

    async def script(fake: Fake, client: Any) -> None:
        local = "succeed" if ends == "succeed" else "refused locally"
        assert await verdict(client, check=True, images=[data, URL]) == local
        assert await verdict(client, check=False, images=[data, URL]) == ends
        assert fake.tasks[-1].request.pictures[0].size == len(data)

    line.run(script)


def test_a_second_external_id_is_a_conflict(line: Any) -> None:
    async def script(fake: Fake, client: Any) -> None:
        assert await verdict(client, check=True, external_task_id="one") == "succeed"
        with pytest.raises(ApiError, match="External_task_id one already exists") as caught:
            await client.generate([URL, URL], external_task_id="one")
        assert (type(caught.value).__name__, caught.value.code) == ("Conflict", 1201)
        assert len(fake.tasks) == 1

    line.run(script)


def test_an_unknown_model_is_an_api_error(line: Any) -> None:
    """503 model_not_found is a definite refusal: no SubmitUncertain and no retry."""

    async def script(fake: Fake, client: Any) -> None:
        with pytest.raises(ApiError) as caught:
            await client.generate([URL, URL], model="kling-v9", check=False)
        assert (caught.value.status, caught.value.code) == (503, "model_not_found")
        assert len(fake.calls) == 1

    line.run(script)


@few
@given(body=st.one_of(valid_requests(), failing_requests(), invalid_requests()))
def test_client_and_service_agree(line: Any, body: Any) -> None:
    """The mock accepts every request that the client accepts, and refuses or fails every other one."""
    sent = getattr(body, "body", body)
    if not isinstance(sent, dict):
        saw("body", "no object")  # the client cannot send one
        return

    async def script(_: Fake, client: Any) -> tuple[str, str]:
        # Without external id, which the second of the two creates could not use again.
        free = {name: value for name, value in sent.items() if name != "external_task_id" or value == ""}
        local = await verdict(client, check=True, images=[], extra={"subject_image_list": None, **free})
        remote = await verdict(client, check=False, images=[], extra={"subject_image_list": None, **free})
        return local, remote

    local, remote = line.run(script)
    saw("verdicts", f"{local}, {remote}")
    saw("rule", getattr(body, "rule_id", "none"))
    assert (local, remote) in {
        ("succeed", "succeed"),
        ("refused locally", "refused"),
        ("refused locally", "failed"),
    }


def encoded_png() -> str:
    return base64.b64encode(png(300, 300)).decode()


def test_base64_text_and_bytes_are_the_same_picture(line: Any) -> None:
    async def script(fake: Fake, client: Any) -> None:
        await client.generate([png(300, 300), encoded_png()])
        first, second = fake.task.request.subjects
        assert first.sha256 == second.sha256

    line.run(script)
