"""Coverage of the strategies: every declared class of input is drawn, and a missing class is reported."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kling_contracts.operations import MULTI_IMAGE, OPERATIONS, Operation
from kling_contracts.rules import Effect
from kling_contracts.strategies import (
    BoundaryRequest,
    FailingRequest,
    InvalidRequest,
    failing_classes,
    failing_requests,
    invalid_classes,
    valid_requests,
)
from tests.intent import ALPHABETS, alphabets, census, missing, saw
from tests.profiles import CI
from tests.rows import exhaustive, some_rows

if TYPE_CHECKING:
    from tests.contracts.conftest import Tagged

Heard = set[tuple[str, str]]
operations = pytest.mark.parametrize("operation", OPERATIONS, ids=[each.name for each in OPERATIONS])


def rules_of(operation: Operation, effect: Effect) -> set[str]:
    return {rule.id for rule in operation.rules.values() if rule.effect is effect}


def picture_kind(text: str) -> str:
    starts = {"http": "url", "ivborw0kggo": "png", "/9j/": "jpeg"}
    return next((kind for start, kind in starts.items() if text[:16].lower().startswith(start)), "other")


def pictures_of(body: dict[str, object]) -> Iterator[str]:
    items = body.get("subject_image_list")
    subjects = items if isinstance(items, list) else []
    held = [item.get("subject_image") for item in subjects if isinstance(item, dict)]
    named = [value for name, value in body.items() if name.endswith("_image")]
    yield from (value for value in (*held, *named) if isinstance(value, str) and value)


def tell(body: object) -> None:
    """Label a request: fields, number of subjects, kinds of pictures, alphabets of the prompt."""
    if not isinstance(body, dict):
        saw("body", type(body).__name__)
        return
    given_fields = cast("dict[str, object]", body)
    for name in given_fields:
        saw("field", name)
    for picture in pictures_of(given_fields):
        saw("picture", picture_kind(picture))
    items = given_fields.get("subject_image_list")
    if isinstance(items, list):
        saw("subjects", len(items))
    prompt = given_fields.get("prompt")
    for alphabet in alphabets(prompt) if isinstance(prompt, str) else ():
        saw("alphabet", alphabet)


def labels_of(requests: st.SearchStrategy[object], examples: int) -> Heard:
    """The labels of a fixed number of examples; deterministic."""

    @settings(CI, max_examples=examples, phases=[Phase.generate])
    @given(requests)
    def look(drawn: object) -> None:
        for request in drawn if isinstance(drawn, tuple) else (drawn,):
            if isinstance(request, InvalidRequest | FailingRequest | BoundaryRequest):
                saw("rule", request.rule_id)
                tell(request.body)
            else:
                tell(request)

    with census() as heard:
        look()
    return heard


def heard_of_sample(sample: Collection[Tagged], kind: type) -> Heard:
    found: Heard = set()
    for case in sample:
        if isinstance(case, kind):
            found.add(("rule", case.rule_id))
            prompt = case.body.get("prompt") if isinstance(case.body, dict) else None
            if case.rule_id == "prompt.max_length" and isinstance(prompt, str):
                found |= {("alphabet", name) for name in alphabets(prompt)}
    return found


def test_every_declared_rule_is_broken_in_the_sample(sample: list[Tagged]) -> None:
    """The sample, which tests of validators use, breaks each rule."""
    heard = heard_of_sample(sample, InvalidRequest)
    assert missing(rules_of(MULTI_IMAGE, Effect.REFUSED), heard, "rule") == []
    heard = heard_of_sample(sample, FailingRequest)
    assert missing(rules_of(MULTI_IMAGE, Effect.FAILS), heard, "rule") == []


@pytest.mark.parametrize("kind", [BoundaryRequest, InvalidRequest], ids=lambda kind: kind.__name__)
def test_the_limit_of_the_prompt_is_met_in_every_alphabet(sample: list[Tagged], kind: type) -> None:
    assert missing(ALPHABETS, heard_of_sample(sample, kind), "alphabet") == []


@operations
def test_every_refusing_rule_of_every_operation_is_broken(operation: Operation) -> None:
    """One request per rule, as random choice would miss the rarest of a hundred classes."""
    due = rules_of(operation, Effect.REFUSED)
    classes = {label.partition(": ")[0]: each for label, each in invalid_classes(operation).items()}
    heard = labels_of(st.tuples(*classes.values()), 1)
    assert missing(due, heard, "rule") == []


@operations
def test_every_failing_rule_of_every_operation_is_broken(operation: Operation) -> None:
    classes = {label.partition(": ")[0]: each for label, each in failing_classes(operation).items()}
    heard = labels_of(st.tuples(*classes.values()), 1)
    assert missing(rules_of(operation, Effect.FAILS), heard, "rule") == []


@some_rows("operation", OPERATIONS, usual=[MULTI_IMAGE], ids=lambda each: each.name)
def test_valid_requests_are_of_every_kind(operation: Operation) -> None:
    """Valid requests have every field and alias, number of subjects, kind of picture, and alphabet."""
    heard = labels_of(valid_requests(operation), 200)
    fewest = 2 if operation is MULTI_IMAGE else 1
    assert missing(operation.keys, heard, "field") == []
    assert missing(range(fewest, 5), heard, "subjects") == []
    assert missing(("url", "png", "jpeg"), heard, "picture") == []
    assert missing(ALPHABETS, heard, "alphabet") == []


# -- counterexamples: strategies that lack a class; the check names it


@exhaustive
def test_a_lost_rule_is_named() -> None:
    due = rules_of(MULTI_IMAGE, Effect.FAILS)
    poor = failing_requests(rules=due - {"style_image.shape"})
    assert missing(due, labels_of(poor, 200), "rule") == ["style_image.shape"]


def test_a_rule_that_is_new_and_never_broken_is_named(sample: list[Tagged]) -> None:
    due = rules_of(MULTI_IMAGE, Effect.REFUSED) | {"prompt.rhyme"}
    assert missing(due, heard_of_sample(sample, InvalidRequest), "rule") == ["prompt.rhyme"]


def test_a_lost_alphabet_is_named() -> None:
    """A strategy that draws only ASCII letters lacks the other alphabets."""
    poor = st.fixed_dictionaries({"prompt": st.text("abc é漢", min_size=50, max_size=60)})
    assert missing(ALPHABETS, labels_of(poor, 50), "alphabet") == ["astral", "combining", "joined"]


def test_a_lost_kind_of_picture_is_named() -> None:
    poor = st.fixed_dictionaries({"style_image": st.just("https://example.com/1.png")})
    assert missing(("url", "png", "jpeg"), labels_of(poor, 5), "picture") == ["jpeg", "png"]


def test_a_census_hears_nothing_before_it_and_nothing_after() -> None:
    with census() as outer:
        first = labels_of(st.just({"n": 1}), 1)
    assert (first, outer) == ({("field", "n")}, set())
