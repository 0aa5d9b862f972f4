"""Any operation of a gateway, with both clients: fields, images, results."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_client import (
    ApiError,
    ConfigError,
    DownloadError,
    Image,
    InvalidRequest,
    SubmitUncertain,
    TaskFailed,
    UnreadableReceipt,
)
from kling_contracts.gateways import COMETAPI, KLING
from kling_contracts.image_files import png
from kling_contracts.messages import ResultMedia
from kling_contracts.operations import MULTI_IMAGE, TEXT_TO_IMAGE
from kling_mock import Fake
from tests.kling_client.conftest import KEY, TASK_ID, Service, shown
from tests.trial_operations import EXPAND, SERIES, SPEECH, TRIAL, VIDEO

PICTURE = png(300, 300)
WIRE = base64.b64encode(PICTURE).decode()
MP4 = b"\0\0\0\x18ftypmp42" + bytes(200)


def through(fake: Fake) -> Callable[[httpx.Request], httpx.Response]:
    """Answer requests by a fake."""
    inner = fake.transport()

    def answer(request: httpx.Request) -> httpx.Response:
        response = inner.handle_request(request)
        headers = response.headers
        return httpx.Response(response.status_code, headers=headers, content=response.read())

    return answer


def faked(service: Service, operation: Any, **settings: Any) -> Any:
    """A client of a trial operation, connected to a fake with that operation."""
    service.will(through(Fake(gateways=(TRIAL,), keys=[KEY], pace="polls:1", **settings)))
    return service.client(gateway=TRIAL, operation=operation)


def body_sent(service: Service) -> Any:
    return json.loads(service.requests[0].content)


# --- which operation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["text-to-image", TEXT_TO_IMAGE])
def test_an_operation_is_chosen_by_name_or_by_its_declaration(service: Service, operation: Any) -> None:
    """Creates and queries use its path."""
    service.will(shown())
    client = service.client(gateway="kling", operation=operation)
    client.create(prompt="a boat").refresh()
    assert service.calls == ["POST /v1/images/generations", f"GET /v1/images/generations/{TASK_ID}"]
    assert body_sent(service) == {"prompt": "a boat"}
    assert "operation='text-to-image'" in repr(client)


@pytest.mark.parametrize(
    ("gateway", "operation", "message"),
    [
        ("kling", "text-to-video", "text-to-image"),
        (KLING, MULTI_IMAGE, "'multi-image'"),
        (TRIAL, "multi-image", "trial-expand"),
        (COMETAPI, VIDEO, "'trial-video'"),
    ],
)
def test_an_operation_that_the_gateway_lacks_is_refused(
    service: Service, gateway: Any, operation: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        service.client(gateway=gateway, operation=operation)


def test_a_gateway_may_be_a_declaration_of_ones_own(service: Service) -> None:
    """Its base URL is the default; without `operation` its first operation is used."""
    service.will(shown())
    client = service.client(gateway=TRIAL)
    client.create(image=PICTURE, up_expansion_ratio=0, down_expansion_ratio=1)
    assert str(service.requests[0].url) == "https://api.trial.test/kling/v1/images/editing/expand"


@pytest.mark.parametrize("end", ["/kling", "/kling/v1", "/v1/audio", "/kling/v1/images/editing/expand"])
def test_a_base_url_without_what_the_client_adds(service: Service, end: str) -> None:
    """The path ends of all its routes are recognised."""
    with pytest.raises(ConfigError, match=r"use https://proxy\.test"):
        service.client(gateway=TRIAL, base_url=f"https://proxy.test{end}")


def test_the_main_operation_as_well(service: Service) -> None:
    """`create` is `generate` with the field names of the wire."""
    service.will(shown())
    service.client().create(
        {"subject_image_list": [{"subject_image": PICTURE}, {"subject_image": "https://h/b"}]},
        scence_image=PICTURE,
        prompt=None,
        n=2,
    )
    assert body_sent(service) == {
        "subject_image_list": [{"subject_image": WIRE}, {"subject_image": "https://h/b"}],
        "scence_image": WIRE,
        "n": 2,
    }


# --- the body ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["path", "bytes", "image", "text"])
def test_pictures_of_every_form(service: Service, form: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PICTURE)
    forms = {
        "path": tmp_path / "a.png",
        "bytes": PICTURE,
        "image": Image.from_bytes(PICTURE),
        "text": WIRE,
    }
    service.will(shown())
    service.client(gateway=TRIAL).create(image=forms[form], up_expansion_ratio=0, down_expansion_ratio=1)
    assert body_sent(service)["image"] == WIRE


def test_pictures_in_lists_and_objects(service: Service) -> None:
    """Also under an alias, and in a list of plain images."""
    service.will(shown())
    service.client(gateway=TRIAL, operation=SERIES).create(
        prompt="a boat",
        series_amount=2,
        image_list=[{"image": PICTURE, "type": "scene"}, {"image_url": Image.from_url("https://h/1")}],
        mask_list=(PICTURE, "https://h/2"),
    )
    assert body_sent(service) == {
        "prompt": "a boat",
        "series_amount": 2,
        "image_list": [{"image": WIRE, "type": "scene"}, {"image_url": "https://h/1"}],
        "mask_list": [WIRE, "https://h/2"],
    }


def test_the_arguments_are_not_changed(service: Service) -> None:
    """Neither the body nor its nested objects."""
    service.will(shown())
    entry: dict[str, object] = {"image": PICTURE}
    body: dict[str, object] = {"prompt": "a", "series_amount": 2, "image_list": [entry], "mask_list": None}
    service.client(gateway=TRIAL, operation=SERIES).create(body, prompt="b")
    assert (body["prompt"], entry, body_sent(service)["prompt"]) == ("a", {"image": PICTURE}, "b")
    assert body_sent(service)["mask_list"] is None, "a body is sent as it is"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"promt": "a"}, r": unknown field 'promt'; did you mean 'prompt'\?"),
        ({"zzz": 1}, ": unknown field 'zzz'; known: callback_url, camera"),
    ],
)
def test_an_unknown_keyword_is_refused(service: Service, fields: dict[str, object], message: str) -> None:
    """The service would ignore it. Unknown fields can be sent in `body`."""
    client = service.client(gateway=TRIAL, operation="trial-video")
    with pytest.raises(ConfigError, match=message):
        client.create(**fields)
    service.will(shown())
    client.create({"zzz": 1}, prompt="a")
    assert body_sent(service) == {"zzz": 1, "prompt": "a"}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({}, "prompt.required"),
        ({"prompt": "x" * 501}, "prompt.max_length"),
        ({"prompt": "a", "mode": "best"}, "mode.enum"),
        ({"prompt": "a", "camera_control": {"config": {"pan": 11}}}, "camera_control.config.pan.range"),
        ({"prompt": "a", "sound": True}, "cfg_scale.required_when"),
    ],
)
def test_what_the_declaration_refuses_is_not_sent(
    service: Service, fields: dict[str, object], rule: str
) -> None:
    client = service.client(gateway=TRIAL, operation="trial-video")
    with pytest.raises(InvalidRequest) as caught:
        client.create(**fields)
    assert [each.rule.id for each in caught.value.violations] == [rule]
    assert service.requests == []
    service.will(shown())
    client.create(check=False, **fields)
    assert body_sent(service) == fields


def test_bytes_where_no_picture_belongs(service: Service) -> None:
    with pytest.raises(ConfigError, match="cannot be encoded as JSON"):
        service.client(gateway=TRIAL, operation="trial-video").create(prompt=b"a boat")


@pytest.mark.parametrize("operation", [VIDEO, EXPAND, SPEECH])
def test_generate_is_for_subject_pictures(service: Service, operation: Any) -> None:
    """The error refers to `create` and lists the fields."""
    client = service.client(gateway=TRIAL, operation=operation)
    with pytest.raises(ConfigError, match=f"use create .*{operation.fields[0].name}"):
        client.generate(["https://h/a", "https://h/b"], "a boat")
    assert service.requests == []


def test_a_lost_answer_is_never_sent_again(service: Service) -> None:
    """A create that may have been accepted is billed; the same holds for `generate`."""
    service.will(httpx.ReadTimeout("late"))
    client = service.client(gateway=TRIAL, operation="trial-video")
    with pytest.raises(SubmitUncertain) as caught:
        client.create(prompt="a boat", external_task_id="mine-1")
    assert caught.value.external_task_id == "mine-1"
    assert len(service.requests) == 1
    service.will(httpx.Response(200, content=b"{}"))
    with pytest.raises(UnreadableReceipt):
        client.create(prompt="a boat")


# --- the results ------------------------------------------------------------------------------------------


def test_a_video_from_its_create_to_its_file(service: Service, tmp_path: Path) -> None:
    task = faked(service, "trial-video").create(prompt="a boat", duration="10")
    assert task.results == ()
    done = task.wait()
    (video,) = done.media
    assert isinstance(video, ResultMedia)
    assert (video.duration, done.images, done.results) == ("10", (), (video,))
    assert repr(done).endswith(f"Task({done.id!r}, status='succeed', media=1)")
    service.will(httpx.Response(200, headers={"content-type": "video/mp4"}, content=MP4))
    (path,) = done.save(tmp_path)
    assert (path.name, path.read_bytes()) == (f"{done.id}-0.mp4", MP4)
    assert service.requests[-1].headers["accept"] == "*/*"
    assert "authorization" not in service.requests[-1].headers


@pytest.mark.parametrize(
    ("kind", "url", "content_type", "extension"),
    [
        ("videos", "https://h/v", "video/mp4", ".mp4"),
        ("videos", "https://h/v.webm?x=1", "application/octet-stream", ".webm"),
        ("videos", "https://h/v", "video/quicktime; x=1", ".mov"),
        ("audios", "https://h/a", "audio/mpeg", ".mp3"),
        ("audios", "https://h/a.wav", "", ".wav"),
        ("audios", "https://h/a", "audio/x-wav", ".wav"),
        ("audios", "https://h/a", "", ""),
    ],
)
def test_extensions(  # noqa: PLR0917 -- a table
    service: Service, tmp_path: Path, kind: str, url: str, content_type: str, extension: str
) -> None:
    """By Content-Type, else by the URL. For videos and audios the first bytes do not matter."""
    result = {kind: [{"id": "1", "url": url, "duration": "5"}]}
    service.will(shown("succeed", task_result=result))
    task = service.client().get(TASK_ID)
    service.will(httpx.Response(200, headers={"content-type": content_type}, content=PICTURE))
    (path,) = task.save(tmp_path)
    assert (path.name, path.read_bytes()) == (f"{TASK_ID}-0{extension}", PICTURE)


def test_several_videos_are_numbered(service: Service, tmp_path: Path) -> None:
    videos = [{"id": str(at), "url": f"https://h/{at}.mp4", "duration": "5"} for at in range(2)]
    service.will(shown("succeed", task_result={"videos": videos}))
    task = service.client().get(TASK_ID)
    service.will(httpx.Response(200, content=MP4))
    assert [path.name for path in task.save(tmp_path)] == [f"{TASK_ID}-0.mp4", f"{TASK_ID}-1.mp4"]


def test_a_page_is_no_video(service: Service, tmp_path: Path) -> None:
    service.will(shown("succeed", task_result={"videos": [{"id": "1", "url": "https://h/v.mp4"}]}))
    task = service.client().get(TASK_ID)
    service.will(httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>"))
    with pytest.raises(DownloadError, match="must be that of a video or audio, not 'text/html'"):
        task.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_series_is_images(service: Service, tmp_path: Path) -> None:
    done = faked(service, SERIES).create(prompt="a boat", series_amount=2, n=2).wait()
    assert [image.index for image in done.images] == [0, 1]
    service.will(httpx.Response(200, content=PICTURE))
    assert [path.name for path in done.save(tmp_path)] == [f"{done.id}-0.png", f"{done.id}-1.png"]


def test_a_synchronous_task_has_ended_when_it_is_created(service: Service) -> None:
    """`wait` and `updates` make no request; `refresh` does."""
    task = faked(service, "trial-speech").create(text="Hello.", voice_language="en")
    assert (task.status, task.terminal, len(task.media)) == ("succeed", True, 1)
    assert repr(task.wait()) == repr(task)
    assert [state.status for state in task.updates()] == ["succeed"]
    assert len(service.requests) == 1
    assert task.refresh().media == task.media


def test_a_synchronous_task_that_failed(service: Service) -> None:
    """`create` returns it; `wait` raises."""
    service.will(shown("failed", task_status_msg="the voice is gone", task_result={}))
    task = service.client(gateway=TRIAL, operation="trial-speech").create(text="Hi.", voice_language="en")
    with pytest.raises(TaskFailed, match="the voice is gone"):
        task.wait()
    assert len(service.requests) == 1


def test_refusals_come_as_ever(service: Service) -> None:
    """An error that local validation cannot detect is an ApiError."""
    client = faked(service, "trial-video")
    client.create(prompt="a", external_task_id="one")
    with pytest.raises(ApiError, match="already exists"):
        client.create(prompt="a", external_task_id="one")
