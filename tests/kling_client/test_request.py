"""The body of a create: exactly the given fields; every invalid body is refused, no valid one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_client import ConfigError, Image, InvalidRequest
from kling_client.request import CreateRequest, write
from kling_contracts.operations import MULTI_IMAGE, validate
from tests.kling_client.conftest import picture

A, B = "https://h/a.png", "https://h/b.png"


def body(*, check: bool = True, **arguments: Any) -> dict[str, object]:
    request = CreateRequest(**{"images": [A, B]} | arguments)
    return cast("dict[str, object]", json.loads(write(request, MULTI_IMAGE, check=check).content))


def test_only_what_is_given_is_sent() -> None:
    """The server's defaults apply to the rest."""
    assert body() == {"subject_image_list": [{"subject_image": A}, {"subject_image": B}]}


def test_every_argument_arrives_under_its_name_on_the_wire() -> None:
    """The scene field has the service's spelling, `scence_image`."""
    assert body(
        prompt="p",
        aspect_ratio="3:2",
        n=2,
        scene="https://h/s.png",
        style="https://h/t.png",
        model="kling-v2",
        callback_url="https://h/cb",
        external_task_id="mine",
        extra={"negative_prompt": "x"},
    ) == {
        "subject_image_list": [{"subject_image": A}, {"subject_image": B}],
        "prompt": "p",
        "aspect_ratio": "3:2",
        "n": 2,
        "scence_image": "https://h/s.png",
        "style_image": "https://h/t.png",
        "model_name": "kling-v2",
        "callback_url": "https://h/cb",
        "external_task_id": "mine",
        "negative_prompt": "x",
    }


arguments = st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.text(max_size=20) | st.just("x" * 2501),
        "aspect_ratio": st.sampled_from(["16:9", "21:9", "5:4", " 2:3", ""]),
        "n": st.sampled_from([0, 1, 9, 10, True, 2.0, 1.5, "1"]),
        "scene": st.sampled_from([A, b"x", picture(), "a.png", ""]),
        "style": st.sampled_from([B, picture(299, 300), picture(2500, 1000), picture(2501, 1000)]),
        "model": st.sampled_from(["kling-v2", "kling-v2-1", ""]),
        "callback_url": st.sampled_from(["https://h/cb", "h/cb", ""]),
        "external_task_id": st.text(max_size=5),
        "extra": st.dictionaries(
            st.sampled_from(["seed", "n", "prompt"]), st.none() | st.integers(0, 12) | st.text(max_size=3)
        ),
    },
)
pictures = st.lists(
    st.sampled_from([A, B, picture(), Image.from_bytes(picture()), b"", "data:x"]), max_size=5
)


@given(images=pictures, given_arguments=arguments)
def test_exactly_the_given_fields_are_encoded(images: list[Any], given_arguments: dict[str, Any]) -> None:
    names = {"scene": "scence_image", "style": "style_image", "model": "model_name"}
    wire = body(check=False, images=images, **given_arguments)
    extra = given_arguments.get("extra", {})
    expected = {"subject_image_list"} | {names.get(name, name) for name in given_arguments if name != "extra"}
    assert wire.keys() == expected | extra.keys()
    assert len(cast("list[object]", wire["subject_image_list"])) == len(images)
    for name in ("prompt", "n", "aspect_ratio", "callback_url", "external_task_id"):
        if name in given_arguments and name not in extra:
            assert wire[name] == given_arguments[name]
    assert {name: wire[name] for name in extra} == extra


@given(images=pictures, given_arguments=arguments)
def test_what_the_contract_refuses_is_never_sent_and_what_it_allows_always_is(
    images: list[Any], given_arguments: dict[str, Any]
) -> None:
    """The error has all violations, including those that would only make the task fail."""
    wire = body(check=False, images=images, **given_arguments)
    violations = validate(wire)
    if violations:
        with pytest.raises(InvalidRequest) as caught:
            body(images=images, **given_arguments)
        assert caught.value.violations == violations
    else:
        assert body(images=images, **given_arguments) == wire


# Typed by hand from the page of the service: arguments, and the rule they break (None: they are valid).
TABLE: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"images": []}, "subject_image_list.required"),
    ({"images": [A]}, "subject_image_list.min_items"),
    ({"images": [A] * 4}, None),
    ({"images": [A] * 5}, "subject_image_list.max_items"),
    ({"images": [A, ""]}, "subject_image.required"),
    ({"images": [A, "a.png"]}, "subject_image.base64"),
    ({"images": [A, "data:image/png;base64,aGVsbG8="]}, "subject_image.base64"),
    ({"images": [A, "https://"]}, "subject_image.url"),
    ({"images": [A, b"no picture"]}, "subject_image.format"),
    ({"images": [A, picture(300, 300)]}, None),
    ({"images": [A, picture(299, 300)]}, "subject_image.min_side"),
    ({"images": [A, picture(750, 300)]}, None),
    ({"images": [A, picture(751, 300)]}, "subject_image.shape"),
    ({"images": [A, picture(300, 751)]}, "subject_image.shape"),
    ({"images": [A, picture(size=10 * 1024 * 1024)]}, None),
    ({"images": [A, picture(size=10 * 1024 * 1024 + 1)]}, "subject_image.max_bytes"),
    ({"prompt": "x" * 2500}, None),
    ({"prompt": "\U0001f40b" * 2500}, None),
    ({"prompt": "x" * 2501}, "prompt.max_length"),
    ({"prompt": ""}, None),
    ({"prompt": "\ud800"}, "prompt.unicode"),
    ({"n": 1}, None),
    ({"n": 9}, None),
    ({"n": 0}, "n.minimum"),
    ({"n": 10}, "n.maximum"),
    ({"n": True}, "n.type"),
    ({"aspect_ratio": "21:9"}, None),
    ({"aspect_ratio": "5:4"}, "aspect_ratio.enum"),
    ({"aspect_ratio": " 2:3"}, "aspect_ratio.enum"),
    ({"model": "kling-v2"}, None),
    ({"model": "kling-v3"}, "model_name.enum"),
    ({"scene": picture()}, None),
    ({"scene": b"x"}, "scence_image.format"),
    ({"style": "a.png"}, "style_image.base64"),
    ({"callback_url": "https://h/cb"}, None),
    ({"callback_url": "h/cb"}, "callback_url.url"),
    ({"extra": {"unknown": [1, {"a": None}]}}, None),
    ({"extra": {"unknown": "\ud800"}}, "body.unicode"),
    ({"extra": {"n": "1"}}, "n.type"),
    ({"extra": {"n": None}}, None),
]


@pytest.mark.parametrize(("given_arguments", "rule"), TABLE)
def test_the_limits_of_the_page(given_arguments: dict[str, Any], rule: str | None) -> None:
    """`check=False` encodes each of them."""
    if rule is None:
        body(**given_arguments)
    else:
        with pytest.raises(InvalidRequest) as caught:
            body(**given_arguments)
        assert [violation.rule.id for violation in caught.value.violations] == [rule]
    assert body(check=False, **given_arguments)


def test_a_field_of_extra_replaces_the_argument_of_that_name() -> None:
    assert body(n=1, extra={"n": 3})["n"] == 3


@pytest.mark.parametrize("one", [A, b"x", Path("a.png"), Image.from_url(A)])
def test_one_picture_instead_of_a_list_is_noticed(one: Any) -> None:
    """A string is a sequence of strings: each character would be sent as an image."""
    with pytest.raises(ConfigError, match="images: must be a list of images"):
        body(images=one)


FILE_RULES = {
    "text.txt (subject image 2)": "subject_image.format",
    "small.png (scence_image)": "scence_image.min_side",
    "wide.png (style_image)": "style_image.shape",
}


def test_violations_name_the_file_of_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other images are named by their field."""
    monkeypatch.chdir(tmp_path)
    text, small, wide = Path("text.txt"), Path("small.png"), Path("wide.png")
    text.write_text("hello")
    small.write_bytes(picture(100, 100))
    wide.write_bytes(picture(3000, 300))
    with pytest.raises(InvalidRequest) as caught:
        body(images=[A, text], scene=small, style=Image.from_path(wide))
    found = {
        each.rule.id: message
        for each, message in zip(caught.value.violations, caught.value.messages, strict=True)
    }
    assert found.keys() == set(FILE_RULES.values())
    assert all(found[rule].startswith(f"{label}: ") for label, rule in FILE_RULES.items())
    with pytest.raises(InvalidRequest, match=r"^subject_image_list\[1\]\.subject_image: "):
        body(images=[A, picture(100, 100)])


def test_an_image_replaced_by_extra_is_not_named_by_the_file_of_the_argument(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    with pytest.raises(InvalidRequest, match=r"^style_image: "):
        body(style=tmp_path / "a.png", extra={"style_image": "no image"})


def _loop() -> list[object]:
    loop: list[object] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), _loop(), {(1, 2): 3}, b"bytes"])
def test_what_json_cannot_hold_is_refused_before_anything_is_sent(value: object) -> None:
    with pytest.raises(ConfigError, match="JSON"):
        body(check=False, extra={"x": value})


def test_tuples_are_judged_as_the_arrays_they_become() -> None:
    subjects = ({"subject_image": A}, {"subject_image": B})
    assert body(extra={"subject_image_list": subjects})["subject_image_list"] == list(subjects)


def test_the_draft_keeps_the_callers_own_id_for_the_case_that_no_answer_comes() -> None:
    request = CreateRequest(images=[A, B], external_task_id="mine")
    assert write(request, MULTI_IMAGE, check=True).external_task_id == "mine"
    assert (
        write(CreateRequest(images=[A, B], external_task_id=""), MULTI_IMAGE, check=True).external_task_id
        is None
    )
