"""The strategies: right verdicts, complete classes, and counterexamples for small mistakes of a validator."""

import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, cast

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from kling_contracts.gateways import COMETAPI
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE, OPERATIONS, Operation, validate
from kling_contracts.rules import Effect
from kling_contracts.strategies import (
    BoundaryRequest,
    FailingRequest,
    InvalidRequest,
    boundary_classes,
    boundary_requests,
    failing_classes,
    failing_requests,
    invalid_classes,
    invalid_requests,
    valid_requests,
)
from tests.contracts.reader_comparison import read_alike
from tests.intent import saw
from tests.profiles import CI, share
from tests.rows import some_rows

Tagged = BoundaryRequest | InvalidRequest | FailingRequest
operations = pytest.mark.parametrize("operation", OPERATIONS, ids=[each.name for each in OPERATIONS])


def rules_broken(body: object, operation: Operation = MULTI_IMAGE) -> list[str]:
    return [violation.rule.id for violation in validate(body, operation)]


@some_rows("operation", OPERATIONS, usual=[MULTI_IMAGE], ids=lambda each: each.name)
def test_valid_requests_are_valid(operation: Operation) -> None:
    """Valid requests break no rule, and some have every field."""
    keys: Counter[str] = Counter()

    @settings(CI, max_examples=150)
    @given(valid_requests(operation))
    def check(body: dict[str, object]) -> None:
        keys.update(body.keys())
        assert rules_broken(body, operation) == []

    check()
    assert set(keys) == operation.keys


def due(case: Tagged) -> list[str]:
    """The rules that a request must break."""
    return [] if isinstance(case, BoundaryRequest) else [case.rule_id]


def test_requests_break_their_rule(sample: list[Tagged]) -> None:
    """Each request breaks exactly its rule, or none if it is on a limit."""
    wrong = [case.label for case in sample if rules_broken(case.body) != due(case)]
    assert wrong == []


def test_compiled_readers_agree_on_requests_of_every_class(sample: list[Tagged]) -> None:
    small = [case for case in sample if "max_bytes" not in case.label]
    for operation in OPERATIONS:
        assert [case.label for case in small if not read_alike(operation, case.body)] == []


def test_every_class_occurs(sample: list[Tagged]) -> None:
    """Every class of requests is drawn."""
    for kind, classes in (
        (BoundaryRequest, boundary_classes()),
        (InvalidRequest, invalid_classes()),
        (FailingRequest, failing_classes()),
    ):
        assert {case.label for case in sample if isinstance(case, kind)} == set(classes)


@pytest.mark.parametrize("strategy", [boundary_requests, invalid_requests, failing_requests])
def test_requests_of_another_operation(strategy: Callable[..., st.SearchStrategy[Tagged]]) -> None:
    """The strategies work for another operation without changes."""

    @share(0.8)
    @given(strategy(MULTI_IMAGE2IMAGE))
    def check(case: Tagged) -> None:
        saw("class", case.label)
        assert rules_broken(case.body, MULTI_IMAGE2IMAGE) == due(case)

    check()


@operations
def test_every_rule_can_be_broken(operation: Operation) -> None:
    """The strategies break every rule of the operation."""
    refused = {rule.id for rule in operation.rules.values() if rule.effect is Effect.REFUSED}
    assert {label.partition(": ")[0] for label in invalid_classes(operation)} == refused
    assert {label.partition(": ")[0] for label in failing_classes(operation)} == set(
        operation.rules
    ) - refused


def test_every_alphabet_is_used() -> None:
    """The limit of the prompt is approached in all seven alphabets, from both sides."""
    alphabets = {"ascii", "space", "accented", "han", "astral", "combining", "joined"}
    for labels in (boundary_classes(), invalid_classes()):
        assert {
            label.removeprefix("prompt.max_length: ") for label in labels if "prompt.max" in label
        } == alphabets


def test_expected_status_and_code() -> None:
    """The expected status and code: the gateway's own for an unknown model, Kling's for the rest."""

    @share(0.8)
    @given(invalid_requests())
    def check(case: InvalidRequest) -> None:
        saw("rule", case.rule_id)
        expected = (503, "model_not_found") if case.rule_id == "model_name.enum" else (400, 1201)
        assert (case.status, case.code) == expected

    check()
    assert COMETAPI.refusal_for(MULTI_IMAGE.rules["model_name.enum"]).source.origin == "captured"
    assert COMETAPI.refusal_for(MULTI_IMAGE.rules["n.type"]).code == 1201


def test_failing_requests_know_their_message() -> None:
    """A failing request has the expected `task_status_msg`."""

    @share(0.8)
    @given(failing_requests())
    def check(case: Any) -> None:
        saw("rule", case.rule_id)
        (violation,) = validate(case.body)
        assert (violation.message, violation.status, violation.code) == (case.message, 200, 0)

    check()


def test_rules_can_be_chosen() -> None:
    """`rules` selects rules; an id without such requests is an error."""
    with pytest.raises(ValueError, match=r"n\.nonsense"):
        invalid_requests(rules=["n.type", "n.nonsense"])
    with pytest.raises(ValueError, match=r"style_image\.format"):
        invalid_requests(rules=["style_image.format"])
    with pytest.raises(ValueError, match=r"body\.type"):
        boundary_requests(rules=["body.type"])


def test_external_ids_are_new() -> None:
    """External ids are unique, and begin with the name of the run."""
    seen: list[str] = []

    @settings(CI, max_examples=80)
    @given(valid_requests(run="r7"))
    def check(body: dict[str, object]) -> None:
        if "external_task_id" in body:
            seen.append(cast("str", body["external_task_id"]))

    check()
    assert len(seen) > 20
    assert len(set(seen)) == len(seen)
    assert all(each.startswith("r7-") for each in seen)


def test_requests_share_nothing() -> None:
    """A test can change its request without an effect on the next one."""

    @share(0.8)
    @given(invalid_requests())
    def check(case: InvalidRequest) -> None:
        assert "spoilt" not in repr(case.body)[:100_000]
        if isinstance(case.body, dict):
            case.body["spoilt"] = True
            items = case.body.get("subject_image_list")
            if isinstance(items, list):
                items.append("spoilt")
        elif isinstance(case.body, list):
            case.body.append("spoilt")

    check()


def test_bulky_requests_print_shortly(sample: list[Tagged]) -> None:
    """The repr of a 10 MB picture is the expression that creates it; JSON has the whole text."""
    case = next(case for case in sample if case.label == "style_image.max_bytes: inline")
    assert len(repr(case.body["style_image"])) < 50  # type: ignore[index]  # an object
    assert "encoded(png(300, 300, 10485760))" in repr(case)
    assert len(json.dumps(case.body)) > 13_000_000


# --- shrinking


QUICK = settings(CI, max_examples=80, phases=[Phase.generate, Phase.shrink])


def minimal(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool] = lambda _: True) -> Any:
    return find(strategy, condition, settings=QUICK, random=Random(0))


def test_valid_requests_shrink_to_the_least() -> None:
    """Valid requests shrink to two subjects by URL and no optional field."""
    picture = {"subject_image": "https://example.com/1.png"}
    assert minimal(valid_requests()) == {"subject_image_list": [picture, picture]}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("subject_image_list.min_items", {"subject_image_list": 1}),
        ("subject_image_list.max_items", {"subject_image_list": 5}),
        ("n.minimum", {"subject_image_list": 2, "n": 0}),
        ("n.maximum", {"subject_image_list": 2, "n": 10}),
        ("n.integer", {"subject_image_list": 2, "n": 1.5}),
        ("aspect_ratio.enum", {"subject_image_list": 2, "aspect_ratio": "16:9 "}),
        ("model_name.enum", {"subject_image_list": 2, "model_name": "kling-v2 "}),
        ("prompt.max_length", {"subject_image_list": 2, "prompt": "a" * 2501}),
    ],
)
def test_invalid_requests_shrink_to_the_limit(rule: str, expected: dict[str, object]) -> None:
    """Invalid requests shrink to a value just beyond the limit, and no other field."""
    body = minimal(invalid_requests(rules=[rule])).body
    assert body | {"subject_image_list": len(body["subject_image_list"])} == expected


# --- counterexamples: small mistakes of a validator

# A mistake is a function that changes the request before the right validation.
Mistake = Callable[[dict[str, Any]], dict[str, Any]]


def on(name: str, change: Callable[[Any], object]) -> Mistake:
    """A mistake about one field; `change` applies to its value, if given."""

    def mistaken(body: dict[str, Any]) -> dict[str, Any]:
        return body | {name: change(body[name])} if body.get(name) not in (None, "") else body

    return mistaken


def on_text(name: str, change: Callable[[str], object]) -> Mistake:
    return on(name, lambda value: change(value) if isinstance(value, str) else value)


def on_list(change: Callable[[list[Any]], object]) -> Mistake:
    return on(
        "subject_image_list", lambda value: change(value) if isinstance(value, list) and value else value
    )


def distinct(items: list[Any]) -> list[Any]:
    return [item for at, item in enumerate(items) if item not in items[:at]]


def on_pictures(change: Callable[[str], str]) -> Mistake:
    """A mistake about every subject; `change` applies to its text."""

    def changed(item: Any) -> Any:
        picture = item.get("subject_image") if isinstance(item, dict) else None
        return item | {"subject_image": change(picture)} if isinstance(picture, str) else item

    return on_list(lambda items: [changed(item) for item in items])


def utf16(text: str) -> str:
    return "x" * (len(text.encode("utf-16-le", "surrogatepass")) // 2)


def graphemes(text: str) -> str:
    return text.replace("\u0301", "").replace("\u200d", "")


MISTAKES: dict[str, Mistake] = {
    "counts UTF-16 units": on_text("prompt", utf16),
    "counts bytes": on_text("prompt", lambda text: "x" * len(text.encode("utf-8", "surrogatepass"))),
    "counts what the reader sees": on_text("prompt", graphemes),
    "trims the prompt": on_text("prompt", str.strip),
    "cuts the prompt": on_text("prompt", lambda text: text[:2500]),
    "< for <= at the prompt": on_text("prompt", lambda text: text + "x"),
    "no check of surrogates": on_text("prompt", lambda text: text.encode("utf-8", "replace").decode()),
    "only the first subject": on_list(lambda items: [items[0]] * len(items)),
    "all but the last subject": on_list(lambda items: [*items[:-1], items[0]]),
    "equal subjects count once": on_list(distinct),
    "five subjects": on_list(lambda items: items[:4] if len(items) == 5 else items),
    "one subject": on_list(lambda items: items * 2 if len(items) == 1 else items),
    "three subjects at most": on_list(lambda items: items * 2 if len(items) == 4 else items),
    "three subjects at least": on_list(lambda items: items[:1] if len(items) == 2 else items),
    "bool for integer": on("n", lambda n: int(n) if isinstance(n, bool) else n),
    "text for integer": on("n", lambda n: int(n) if isinstance(n, str) and n.isdigit() else n),
    "floats refused": on("n", lambda n: "x" if isinstance(n, float) else n),
    "fractions cut": on("n", lambda n: int(n) if isinstance(n, float) and abs(n) < 99 else n),
    "zero is one": on("n", lambda n: 1 if n == 0 else n),
    "ten allowed": on("n", lambda n: 9 if n == 10 else n),
    "nine refused": on("n", lambda n: 10 if n == 9 else n),
    "ratio trimmed": on_text("aspect_ratio", str.strip),
    "ratio mirrored": on_text("aspect_ratio", lambda text: "21:9" if text == "9:21" else text),
    "21:9 forgotten": on_text("aspect_ratio", lambda text: "?" if text == "21:9" else text),
    "model in any case": on_text("model_name", str.lower),
    "data URIs": on_pictures(lambda text: text.partition(";base64,")[2] or text),
    "URL-safe base64": on_pictures(
        lambda text: text if ":" in text else text.replace("-", "+").replace("_", "/")
    ),
    "base64 with white space": on_pictures(lambda text: text if "://" in text else "".join(text.split())),
    "base64 without padding": on_pictures(
        lambda text: text if "://" in text else text + "=" * (-len(text) % 4)
    ),
    "only lower-case schemes": on_pictures(lambda text: "?" if text.startswith("HTTP") else text),
    "decimal megabytes": on_text("style_image", lambda text: "?" if len(text) > 13_333_336 else text),
    "any callback": on_text("callback_url", lambda _: "https://example.com/"),
    "null is a value": lambda body: {
        key: 5 if value is None and key != "subject_image_list" else value for key, value in body.items()
    },
    "alias unknown": lambda body: {key: value for key, value in body.items() if key != "scene_image"},
    "empty text is a value": lambda body: {key: 5 if value == "" else value for key, value in body.items()},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_caught(mistake: str, sample: list[Tagged]) -> None:
    """A validator with one small mistake disagrees with the verdict of some request."""
    broken = MISTAKES[mistake]
    assert any(
        isinstance(case.body, dict) and rules_broken(broken(case.body)) != due(case) for case in sample
    )


def test_plain_text_catches_nothing() -> None:
    """Counterexample: random text does not reveal how a validator counts characters."""
    with pytest.raises(NoSuchExample):
        find(
            st.text(max_size=3000),
            lambda text: (len(utf16(text)) > 2500) != (len(text) > 2500),
            settings=settings(CI, max_examples=300),
            random=Random(0),
        )
