"""Validation: it reports every violation in order, is pure and never raises; patterns agree with parsers."""

from __future__ import annotations

import copy
import itertools
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.image_fields import BASE64_PATTERN, decode_base64
from kling_contracts.image_files import encoded, png
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, OPERATIONS, Operation, validate
from kling_contracts.rules import Violation
from kling_contracts.strategies import (
    BoundaryRequest,
    boundary_classes,
    boundary_requests,
    valid_requests,
)
from kling_contracts.web_urls import URL_PATTERN, is_web_url
from tests.contracts.reader_comparison import read_alike
from tests.intent import saw
from tests.profiles import share

if TYPE_CHECKING:
    from tests.contracts.conftest import HostileBodies


URL = "https://example.com/a.png"
# Without megabytes of base64, where the pattern is slow; test_boundaries covers the limit in bytes.
BULKY = {"subject_image.max_bytes", "scence_image.max_bytes", "style_image.max_bytes"}


def on_limits(operation: Operation) -> list[str]:
    return sorted({label.partition(":")[0] for label in boundary_classes(operation)} - BULKY)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.just("\ud800")
    | st.just(URL),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=2) | st.just("\ud800"), inner, max_size=3)
    ),
    max_leaves=8,
)


def seen(violations: tuple[Violation, ...]) -> list[tuple[str, str, str]]:
    return [(violation.field, violation.rule.id, violation.message) for violation in violations]


@pytest.mark.parametrize("operation", OPERATIONS, ids=[each.name for each in OPERATIONS])
def test_never_fails_and_is_pure(operation: Operation, hostile_bodies: HostileBodies) -> None:
    """Any JSON value has the same verdict twice and is not changed."""

    @share(0.8)
    @given(hostile_bodies(operation, json_values), st.booleans())
    def check(body: object, null_is_absent: bool) -> None:
        before = repr(body)
        first = validate(body, operation, null_is_absent=null_is_absent)
        again = validate(body, operation, null_is_absent=null_is_absent)
        assert seen(first) == seen(again)
        assert repr(body) == before
        assert {violation.rule.id for violation in first} <= set(operation.rules)
        assert read_alike(operation, body)
        for violation in first:
            violation.message.encode()

    check()


def test_all_violations_in_order() -> None:
    """Each of many violations is reported once, in order of declaration, ignored parts last."""
    body = {
        "note": "\ud800",
        "external_task_id": 1,
        "callback_url": "x",
        "aspect_ratio": "5:4",
        "n": 10,
        "style_image": "AAAA",
        "scene_image": "data:,",
        "prompt": "a" * 2501,
        "model_name": "kling-v9",
        "subject_image_list": [
            1,
            {},
            {"subject_image": 2},
            {"subject_image": "http://"},
            {"subject_image": "?"},
        ],
    }
    assert [(violation.field, violation.rule.id) for violation in validate(body)] == [
        ("subject_image_list", "subject_image_list.max_items"),
        ("subject_image_list[0]", "subject_image_list.item_type"),
        ("subject_image_list[1].subject_image", "subject_image.required"),
        ("subject_image_list[2].subject_image", "subject_image.type"),
        ("subject_image_list[3].subject_image", "subject_image.url"),
        ("model_name", "model_name.enum"),
        ("prompt", "prompt.max_length"),
        ("scene_image", "scence_image.base64"),
        ("style_image", "style_image.format"),
        ("n", "n.maximum"),
        ("aspect_ratio", "aspect_ratio.enum"),
        ("callback_url", "callback_url.url"),
        ("external_task_id", "external_task_id.type"),
        ("'note'", "body.unicode"),
    ]


def test_faults_add_up() -> None:
    """Two invalid fields have the violations of each alone."""
    faults: dict[str, object] = {
        "model_name": 1,
        "prompt": [],
        "scence_image": "?",
        "style_image": True,
        "n": 0,
        "aspect_ratio": "1:9",
        "callback_url": "/",
        "external_task_id": {},
    }
    good = {"subject_image_list": [{"subject_image": URL}, {"subject_image": URL}]}
    for one, other in itertools.combinations(faults, 2):
        alone = [seen(validate(good | {name: faults[name]})) for name in (one, other)]
        assert seen(validate(good | {one: faults[one], other: faults[other]})) == alone[0] + alone[1]
        assert seen(validate({other: faults[other], one: faults[one]} | good)) == alone[0] + alone[1]


@share(0.8)
@given(valid_requests(), st.data())
def test_monotony(body: dict[str, object], data: st.DataObject) -> None:
    """Dropping any optional field of a valid request, or shuffling its keys or subjects, keeps it valid."""
    kept = data.draw(st.sets(st.sampled_from(sorted(body))))
    smaller = {key: value for key, value in body.items() if key in kept or key == "subject_image_list"}
    assert validate(smaller) == ()
    assert validate(dict(data.draw(st.permutations(list(body.items()))))) == ()
    subjects = cast("list[object]", body["subject_image_list"])
    assert validate(body | {"subject_image_list": data.draw(st.permutations(subjects))}) == ()


@share(0.8)
@given(boundary_requests(rules=on_limits(MULTI_IMAGE)))
def test_json_makes_no_difference(case: BoundaryRequest) -> None:
    """A request has the same verdict after a JSON round trip, with or without escapes."""
    saw("class", case.label)
    body = case.body
    for ascii_only in (True, False):
        assert validate(json.loads(json.dumps(body, ensure_ascii=ascii_only))) == ()


def test_null_can_be_a_value() -> None:
    """Without `null_is_absent`, null is a value of the wrong type."""
    good = {"subject_image_list": [{"subject_image": URL}, {"subject_image": URL}]}
    names = ["model_name", "prompt", "scence_image", "style_image", "n", "aspect_ratio", "callback_url"]
    for name in [*names, "external_task_id"]:
        assert validate(good | {name: None}) == ()
        (violation,) = validate(good | {name: None}, null_is_absent=False)
        assert violation.rule.id == f"{name}.type"
    assert (
        validate({"subject_image_list": None}, null_is_absent=False)[0].rule.id == "subject_image_list.type"
    )


def test_official_route_differs_in_two_limits() -> None:
    """multi-image2image differs in two limits: one subject, and the newer model."""
    one = {"subject_image_list": [{"subject_image": URL}]}
    assert validate(one, MULTI_IMAGE2IMAGE) == ()
    assert validate(one | {"model_name": "kling-v2-1"}, MULTI_IMAGE2IMAGE) == ()
    assert [each.rule.id for each in validate({"subject_image_list": []}, MULTI_IMAGE2IMAGE)] == [
        "subject_image_list.required"
    ]
    gone = set(MULTI_IMAGE.rules) - set(MULTI_IMAGE2IMAGE.rules)
    assert {rule for rule in gone if not rule.startswith("scence_image")} == {"subject_image_list.min_items"}


def test_each_route_spells_the_scene_its_own_way() -> None:
    """`scence_image` on CometAPI, `scene_image` on Kling; each accepts the other as an alias."""
    for operation, name, other in (
        (MULTI_IMAGE, "scence_image", "scene_image"),
        (MULTI_IMAGE2IMAGE, "scene_image", "scence_image"),
    ):
        for key in (name, other):
            body = {"subject_image_list": [{"subject_image": URL}] * 2, key: URL}
            assert operation.read(body).values[name] == URL
            (broken,) = validate(body | {key: "data:image/png;base64,AAAA"}, operation)
            assert (broken.field, broken.rule.id) == (key, f"{name}.base64")


def test_reading_normalises() -> None:
    """Aliases and integral floats are normalised; ignored keys are noted."""
    body = {
        "subject_image_list": [{"subject_image": URL, "id": 3}] * 2,
        "n": 2.0,
        "scene_image": URL,
        "prompt": "",
    }
    reading = MULTI_IMAGE.read(body | {"seed": 1})
    assert reading.values == {
        "subject_image_list": [{"subject_image": URL}] * 2,
        "scence_image": URL,
        "n": 2,
    }
    assert isinstance(reading.values["n"], int)
    assert [picture.field for picture in reading.pictures] == [
        "subject_image_list[0].subject_image",
        "subject_image_list[1].subject_image",
        "scene_image",
    ]
    assert reading.notes == [
        "unknown field ignored: subject_image_list[0]['id']",
        "unknown field ignored: subject_image_list[1]['id']",
        "scene_image used as scence_image",
        "unknown field ignored: 'seed'",
    ]


def test_notes_on_unknown_keys() -> None:
    """Notes on unknown keys of the body and of items; names are cut after 60 characters."""
    full: dict[str, object] = dict.fromkeys(MULTI_IMAGE.keys)
    long = "k" * 61
    subject: dict[str, object] = {"subject_image": URL, "a": 1, "zoom": 2, long: 3}
    full["subject_image_list"] = [{"subject_image": URL}, subject]
    assert MULTI_IMAGE.read(full | {"zoom": 1, long: 2}).notes == [
        "unknown field ignored: subject_image_list[1]['a']",
        "unknown field ignored: subject_image_list[1]['zoom']",
        f"unknown field ignored: subject_image_list[1]['{'k' * 60}']",
        "scene_image used as scence_image",
        "unknown field ignored: 'zoom'",
        f"unknown field ignored: '{'k' * 60}'",
    ]


def test_pictures_and_their_headers() -> None:
    data = png(300, 400)
    reading = MULTI_IMAGE.read(
        {"subject_image_list": [{"subject_image": URL}, {"subject_image": encoded(data)}]}
    )
    assert [tuple(picture) for picture in reading.pictures] == [
        ("subject_image_list[0].subject_image", URL, None, None),
        ("subject_image_list[1].subject_image", None, data, ("png", 300, 400)),
    ]
    assert reading.values == {"subject_image_list": [{"subject_image": URL}, {}]}, "no bytes beside those"


def test_valid_values_are_not_changed() -> None:
    given: dict[str, object] = {
        "model_name": "kling-v2",
        "prompt": " at sea ",
        "scence_image": URL,
        "style_image": URL,
        "n": 3,
        "aspect_ratio": "3:2",
        "callback_url": "https://example.com/hook",
        "external_task_id": "mine",
    }
    subjects = [{"subject_image": URL}, {"subject_image": URL}]
    reading = MULTI_IMAGE.read({"subject_image_list": subjects, **given})
    assert reading.values == {"subject_image_list": subjects, **given}
    assert MULTI_IMAGE.read({"subject_image_list": subjects, "n": None}).violations == []


def test_a_field_may_have_several_aliases() -> None:
    """The first alias that is given is used, in order of declaration."""
    name = replace(MULTI_IMAGE.field("external_task_id"), aliases=("one", "two"))
    operation = replace(MULTI_IMAGE2IMAGE, selector=None, fields=(name,))
    assert operation.read({"two": "x"}).values == {"external_task_id": "x"}
    assert operation.read({"one": "x", "two": "y"}).values == {"external_task_id": "x"}
    assert operation.read({"external_task_id": "x", "two": "y"}).notes == [
        "two ignored: external_task_id is given",
    ]


def test_base64_against_a_pattern() -> None:
    """Decoder and published pattern agree on all short texts over critical characters."""
    for length in range(1, 9):
        for letters in itertools.product("A/=\n -_" if length < 6 else "A+=", repeat=length):
            text = "".join(letters)
            assert (decode_base64(text) is not None) == bool(re.search(BASE64_PATTERN, text)), text


def test_urls_against_a_pattern() -> None:
    """URL parser and published pattern agree on all short authorities over critical characters."""
    for length in range(5):
        for letters in itertools.product("a/@: ?#\n9\\", repeat=length):
            url = "http://" + "".join(letters)
            assert is_web_url(url) == bool(re.search(URL_PATTERN, url)), url


def test_ports_against_the_pattern() -> None:
    """Every number of five digits, some of six, and leading zeros."""
    for port in (*range(100_000), 655_350, 655_360, 999_999):
        for digits in (f"{port}", f"{port:07}"):
            legal = re.search(URL_PATTERN, f"http://a:{digits}/") is not None
            assert legal == (port <= 65_535), digits
    for port in (0, 9, 65_535, 65_536, 99_999, 655_350):
        assert is_web_url(f"http://a:{port}/") == (port <= 65_535)


def test_bodies_are_not_kept() -> None:
    """A later change of the body does not change the validation result."""
    body: dict[str, Any] = {"subject_image_list": [{"subject_image": URL}] * 2, "prompt": "x"}
    reading = MULTI_IMAGE.read(body)
    before = copy.deepcopy(reading.values)
    body["subject_image_list"].append(1)
    body["prompt"] = "y"
    assert reading.values == before
