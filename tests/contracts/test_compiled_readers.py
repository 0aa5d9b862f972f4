"""Compiled readers agree with `Operation.read` on every body that they accept, and accept the usual ones."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from kling_contracts import compiled_readers
from kling_contracts.compiled_readers import (
    SIZE_MAXIMUM,
    CompiledReader,
    compiled_reader,
    kind_of,
    run,
    source,
)
from kling_contracts.composite_fields import ListOf, Nested
from kling_contracts.fields import Choice
from kling_contracts.image_fields import PictureList
from kling_contracts.operations import MULTI_IMAGE, OPERATIONS, TEXT_TO_IMAGE, Operation
from kling_contracts.web_urls import PLAIN_URL
from tests.contracts.reader_bodies import edited_texts, usual_body, usual_texts
from tests.contracts.reader_comparison import agrees
from tests.profiles import share
from tests.trial_operations import EXPAND, SERIES, SOUND, SPEECH, VIDEO, whole

COMPILED: Final = (
    *(*OPERATIONS, TEXT_TO_IMAGE, EXPAND, SPEECH),
    *(replace(each, constraints=()) for each in (SOUND, VIDEO)),
)


def compiled(operation: Operation) -> tuple[str, ...]:
    return tuple(field.name for field in operation.fields if kind_of(field))


def flaw(read: CompiledReader, operation: Operation) -> bytes | None:
    """The first body with another result than expected, or that should be accepted; None if there is none."""
    names = compiled(operation)
    for body in usual_texts(operation, names):
        if read(body) is None:
            return body
    large = json.dumps(usual_body(operation, names)).encode() + b" " * SIZE_MAXIMUM
    if read(large) is not None:
        return large
    return next((body for body in edited_texts(operation, names) if not agrees(read, operation, body)), None)


def kinds_of(operation: Operation) -> dict[str, Any]:
    return {each.name: kind_of(each) for each in operation.fields}


def reader(operation: Operation) -> CompiledReader:
    read = compiled_reader(operation)
    assert read is not None
    return read


@pytest.mark.parametrize("operation", COMPILED, ids=[each.name for each in COMPILED])
def test_usual_bodies_are_accepted_and_results_are_those_of_the_operation(operation: Operation) -> None:
    assert flaw(reader(operation), operation) is None
    assert compiled_reader(operation) is compiled_reader(operation)


def test_choices_are_the_declared_strings() -> None:
    """So that tasks do not keep copies of them."""
    body = usual_body(MULTI_IMAGE, compiled(MULTI_IMAGE))
    found = reader(MULTI_IMAGE)(json.dumps(body).encode())
    assert found is not None
    for value, name in zip(found[0], MULTI_IMAGE.value_names, strict=True):
        match MULTI_IMAGE.field(name):
            case Choice(options=options):
                assert any(value is option for option in options.value), name
            case _:
                pass


def test_all_fields_are_compiled_except_those_of_other_fields() -> None:
    for operation in (*COMPILED, SERIES):
        others = [each.name for each in operation.fields if isinstance(each, Nested | ListOf)]
        assert {*compiled(operation), *others} == {each.name for each in operation.fields}


def test_operations_with_constraints_or_required_objects_have_no_reader() -> None:
    assert [compiled_reader(each) for each in (VIDEO, SERIES, SOUND)] == [None, None, None]
    fields = tuple(replace(each, required=True) for each in VIDEO.fields)
    assert compiled_reader(replace(VIDEO, constraints=(), fields=fields)) is None


@share(2)
@given(st.sampled_from(COMPILED), st.data())
def test_results_of_random_edits_are_those_of_the_operation(
    operation: Operation, data: st.DataObject
) -> None:
    body = data.draw(st.sampled_from(edited_texts(operation, compiled(operation))))
    places = st.tuples(st.integers(0, len(body)), st.integers(0, 3), st.binary(max_size=2))
    for at, dropped, added in data.draw(st.lists(places, min_size=1, max_size=3)):
        body = body[:at] + added + body[at + dropped :]
    assert agrees(reader(operation), operation, body)


def test_an_empty_list_counts_as_missing_where_the_minimum_is_0() -> None:
    subjects = cast("PictureList", MULTI_IMAGE.field("subject_image_list"))
    fields = (replace(subjects, minimum=whole(0)), *MULTI_IMAGE.fields[1:])
    operation = replace(MULTI_IMAGE, fields=fields)
    assert flaw(reader(operation), operation) is None


TEXT: Final = Annotated[str, Meta(min_length=1)]
# Kinds with which a reader must not decode a field.
WRONG_KINDS: Final[list[tuple[Operation, str, Any]]] = [
    (MULTI_IMAGE, "prompt", Annotated[str, Meta(min_length=1, max_length=2499)]),
    (MULTI_IMAGE, "prompt", Annotated[str, Meta(min_length=1, max_length=2501)]),
    (MULTI_IMAGE, "prompt", Annotated[str, Meta(max_length=2500)]),
    (MULTI_IMAGE, "external_task_id", Annotated[str, Meta(min_length=2)]),
    (MULTI_IMAGE, "n", int | float),
    (MULTI_IMAGE, "n", int | bool),
    (MULTI_IMAGE, "n", Annotated[int, Meta(ge=2)]),
    (MULTI_IMAGE, "model_name", Literal["kling-v2", "kling-v2-1"]),
    (MULTI_IMAGE, "aspect_ratio", TEXT),
    (MULTI_IMAGE, "aspect_ratio", Literal["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3"]),
    (TEXT_TO_IMAGE, "image_fidelity", float),
    (TEXT_TO_IMAGE, "human_fidelity", int),
    (replace(SOUND, constraints=()), "asmr_mode", bool | int),
]


def test_a_reader_with_a_wrong_kind_is_found() -> None:
    for operation, name, kind in WRONG_KINDS:
        kinds = kinds_of(operation) | {name: kind}
        assert flaw(run(source(operation, kinds), operation, kinds), operation), f"{name}: {kind}"


def test_a_reader_of_lists_of_other_lengths_is_found() -> None:
    for low, high in ((2, 5), (1, 4), (3, 4), (2, 3)):
        kinds = kinds_of(MULTI_IMAGE)
        items = kinds["subject_image_list"].__origin__
        kinds["subject_image_list"] = Annotated[items, Meta(min_length=low, max_length=high)]
        read = run(source(MULTI_IMAGE, kinds), MULTI_IMAGE, kinds)
        assert flaw(read, MULTI_IMAGE), f"{low} to {high} items"


@pytest.mark.parametrize("operation", [MULTI_IMAGE, SPEECH], ids=["images", "speech"])
def test_a_reader_without_one_of_its_lines_is_found(operation: Operation) -> None:
    kinds = kinds_of(operation)
    lines = source(operation, kinds).splitlines()
    for at, line in enumerate(lines):
        if line.endswith(":"):
            continue
        without = [*lines[:at], re.sub(r"\S.*", "pass", line), *lines[at + 1 :]]
        read = run("\n".join(without), operation, kinds)
        try:
            assert flaw(read, operation), line
        except NameError:  # the line defines a variable
            assert " = " in line or line.strip() == "return None"


def _ignores_escapes(body: bytes, expected: int) -> bool:
    return body.count(b'"') == expected


def _ignores_backslashes(body: bytes, expected: int) -> bool:
    return body.count(b'"') - body.count(b'\\"') == expected


def _checks_pattern_only(urls: list[str]) -> bool:
    return all(PLAIN_URL.fullmatch(url) for url in "\n".join(urls).splitlines())


def _checks_beginning_only(urls: list[str]) -> bool:
    return all(re.match("https?://[a-z]", url) for url in urls[:-1])


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("_has_marks", lambda *_: True),
        ("_has_marks", _ignores_escapes),
        ("_has_marks", _ignores_backslashes),
        ("_are_plain", lambda *_: True),
        ("_are_plain", _checks_pattern_only),
        ("_are_plain", _checks_beginning_only),
        ("_paths", lambda field: (field.name,) * 4),
    ],
)
def test_a_reader_with_a_wrong_check_is_found(
    part: str, wrong: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_readers, part, wrong)
    kinds = kinds_of(MULTI_IMAGE)
    assert flaw(run(source(MULTI_IMAGE, kinds), MULTI_IMAGE, kinds), MULTI_IMAGE)
