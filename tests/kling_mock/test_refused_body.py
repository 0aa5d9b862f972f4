"""The body of a refused create in the journal: kept as it was sent, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kling_contracts.cases.images import picture
from tests.kling_mock.conftest import SUBJECTS, Caller

KEPT: dict[str, dict[str, Any]] = {
    "a wrong value": {"n": 99},
    "a wrong type": {"prompt": {"a": [1, None, True, 1.5]}},
    "unknown fields": {"n": 99, "colour": ["red"]},
    "a long prompt": {"prompt": "x" * 2501},
    "a long URL": {"n": 99, "scence_image": "https://a.test/" + "a" * 100},
    "one picture": {"subject_image_list": SUBJECTS[:1]},
}
NOT_KEPT: dict[str, dict[str, Any]] = {
    "an inline picture": {"n": 99, "subject_image_list": [{"subject_image": picture()}] * 2},
    "a broken picture": {"subject_image_list": [{"subject_image": "data:image/png;base64," + "A" * 600}] * 2},
    "a large body": {"n": 99, "prompt": "x" * 16_384},
    "a lone surrogate": {"prompt": "\ud800"},
    "a large number": {"n": 2**53 + 1},
    "deep lists": {"n": json.loads("[" * 17 + "]" * 17)},
    "a long name": {"n": 99, "x" * 65: 1},
    "a long unknown text": {"n": 99, "mask": "A" * 65},
}


@pytest.mark.parametrize("fields", KEPT.values(), ids=KEPT)
def test_a_small_body_is_kept_as_it_was_sent(caller: Caller, fields: dict[str, Any]) -> None:
    sent = {"subject_image_list": SUBJECTS, **fields}
    assert caller.post(sent).status == 400
    call = caller.fake.calls[-1]
    assert call.request is not None
    assert dict(zip(call.request.names, call.request.items, strict=True)) == sent
    assert call.request.pictures == ()


@pytest.mark.parametrize("fields", NOT_KEPT.values(), ids=NOT_KEPT)
def test_a_body_that_is_large_or_has_pictures_or_no_usual_values_is_not(
    caller: Caller, fields: dict[str, Any]
) -> None:
    assert caller.post({"subject_image_list": SUBJECTS, **fields}).status == 400
    assert caller.fake.calls[-1].request is None


def test_the_request_of_a_create_beyond_a_limit_is_kept(caller: Caller) -> None:
    caller.fake.change_settings(slots=1)
    assert caller.ask(n=2, prompt="a cat").status == 429
    call = caller.fake.calls[-1]
    assert call.request is not None
    assert (call.request.prompt, call.request.n, len(call.request.pictures)) == ("a cat", 2, 2)


def test_a_body_that_is_not_an_object_is_not_kept(caller: Caller) -> None:
    assert caller.post(b"[1]").status == 400
    assert caller.fake.calls[-1].request is None
