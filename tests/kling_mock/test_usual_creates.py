"""Creates with usual bodies: read by compiled readers, with the command that `Operation.read` would give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from kling_contracts.gateways import COMETAPI
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE, Operation
from kling_contracts.rules import ValidationResult
from kling_mock import Request
from kling_mock.commands import Command, Create
from kling_mock.header_facts import header_facts
from kling_mock.routing import parse_request
from kling_mock.settings import Settings
from tests.trial_operations import SPEECH, TRIAL, TRIAL_KLING

URLS: Final = [{"subject_image": f"https://example.com/{name}.png"} for name in "abcd"]
USUAL: Final[dict[str, Any]] = {"subject_image_list": URLS, "prompt": "two at sea", "n": 2}
PLAIN: Final[dict[str, Any]] = {"prompt": "two at sea", "model_name": "kling-v3"}
KLING_PATH: Final = "/v1/images/multi-image2image"
COMET_PATH: Final = COMETAPI.create_path
WATERMARK: Final = {"watermark_info": {"enabled": True}}
BODIES: Final[list[dict[str, Any]]] = [
    USUAL,
    PLAIN,
    USUAL | PLAIN,
    USUAL | {"callback_url": "https://example.com/hook", "style_image": "https://example.com/s.png"},
    *(USUAL | changed for changed in ({"note": 1}, {"prompt": None}, {"prompt": ""}, {"n": 10}, WATERMARK)),
    *(USUAL | {"model_name": name} for name in ("kling-v2", "kling-v9")),
    USUAL | {"prompt": "x" * 2501},
    USUAL | {"scene_image": "https://example.com/s.png"},
    {"subject_image_list": URLS * 2},
    {"prompt": "two at sea", "image_list": []},
    {"text": "two at sea", "voice_language": "en"},
]
SWITCHES: Final[list[dict[str, Any]]] = [
    {},
    {"strict_fields": True},
    {"null_is_absent": False},
    {"ignore": ["prompt.max_length", "subject_image_list.max_items", "subject_image_list.min_items"]},
    {"models": ["kling-v9"]},
    {"operations": ["text-to-image"]},
    {"base_url": "https://pictures.test"},
    {"gateways": [TRIAL, TRIAL_KLING]},
]


def command_of(path: str, body: Mapping[str, object], settings: Settings) -> Command:
    headers = (("authorization", "Bearer sk-mock"),)
    request = Request("POST", path, headers=headers, body=json.dumps(body).encode(), origin="http://a.test")
    return parse_request(request, header_facts(headers), settings, 0.0)[0]


@pytest.fixture
def _compiled_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object, **__: object) -> ValidationResult:
        raise AssertionError("the body was not read by the compiled reader")

    monkeypatch.setattr(Operation, "read", read)


@pytest.mark.usefixtures("_compiled_only")
@pytest.mark.parametrize(
    ("path", "body", "switches", "operation"),
    [
        (COMET_PATH, USUAL, {}, MULTI_IMAGE),
        (COMET_PATH, USUAL, {"operations": ["text-to-image"]}, MULTI_IMAGE),
        (KLING_PATH, USUAL, {"strict_fields": True}, MULTI_IMAGE2IMAGE),
        ("/v1/images/generations", PLAIN, {}, TEXT_TO_IMAGE),
        ("/v1/audio/tts", {"text": "x", "voice_language": "en"}, {"gateways": [TRIAL_KLING]}, SPEECH),
    ],
)
def test_usual_bodies_are_read_by_compiled_readers(
    path: str, body: dict[str, Any], switches: dict[str, Any], operation: Operation
) -> None:
    command = command_of(path, body, Settings.of(switches))
    assert isinstance(command, Create)
    assert command.operation is operation
    assert command.notes == ()


def test_commands_are_those_of_the_careful_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every setting that concerns bodies, also where operations share a path."""
    tails = ("images/generations", "images/multi-image2image", "videos/text2video", "audio/tts")
    paths = [f"{prefix}/v1/{tail}" for prefix in ("", "/kling") for tail in tails]
    cases = [
        (path, body, settings) for path in paths for body in BODIES for settings in map(Settings.of, SWITCHES)
    ]
    compiled = [command_of(*case) for case in cases]
    monkeypatch.setattr("kling_mock.routing.compiled_reader", lambda _: None)
    for case, command in zip(cases, compiled, strict=True):
        assert command == command_of(*case), case
    assert sum(isinstance(command, Create) for command in compiled) > 100
