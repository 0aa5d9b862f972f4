"""A refusal names the setting or rule that relaxes it; that one does, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from kling_contracts.operations import OPERATIONS
from kling_contracts.rules import Effect
from kling_mock import Settings, read_picture
from kling_mock.setting_checks import RELAXABLE, relaxable
from tests.kling_mock.conftest import SUBJECTS
from tests.kling_mock.reading import header
from tests.rows import some_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kling_mock.conftest import Caller, Start

KLING = "/kling/v1/images/multi-image2image"


LONG = "x" * 2501


def breaking(rule: str, png_head: Callable[[int, int], str]) -> dict[str, Any]:
    """A body that breaks one relaxable rule only."""
    name, _, kind = rule.partition(".")
    list_of: Callable[[str], dict[str, Any]] = lambda value: {  # noqa: E731 -- used only in the table below
        "subject_image_list": [*SUBJECTS, {"subject_image": value}]
    }
    in_field: Callable[[str], dict[str, Any]] = lambda value: (  # noqa: E731
        list_of(value) if name == "subject_image" else {name: value}
    )
    match kind:
        case "max_length":
            return {name: LONG}
        case "enum":
            return {name: "no such choice"}
        case "min_items":
            return {name: SUBJECTS[:1]}
        case "max_items":
            return {name: [*SUBJECTS, *SUBJECTS, *SUBJECTS]}
        case "url":
            return in_field("http://") if name != "callback_url" else {name: "not a url"}
        case "max_bytes":
            return in_field("A" * (14 * 1024 * 1024))
        case "format":
            return in_field("AAAA")
        case "min_side":
            return in_field(png_head(299, 299))
        case "shape":
            return in_field(png_head(300, 751))
        case _:
            raise LookupError(rule)


PATHS = {
    rule: f"/kling/v1/{operation.tail}" for operation in reversed(OPERATIONS) for rule in operation.rules
}
RULES = sorted({rule for operation in OPERATIONS for rule in operation.rules if relaxable(rule)})
EFFECTS = {rule.id: rule.effect for operation in OPERATIONS for rule in operation.rules.values()}


@some_rows("rule", RULES, usual=3)
def test_ignore_disables_exactly_the_named_rule(
    rule: str, start: Start, png_head: Callable[[int, int], str]
) -> None:
    """The header of the refusal names `ignore` and the rule; with that, the same body is accepted."""
    body = {"subject_image_list": SUBJECTS, **breaking(rule, png_head)}
    strict = start(pace="instant")
    reply = strict.post(body, PATHS[rule])
    if EFFECTS[rule] is Effect.FAILS:
        assert strict.query(strict.data(reply)["task_id"])["task_status"] == "failed"
    else:
        told = header(reply)
        assert told["rule"] == rule
        assert told["relax"] in (f"ignore {rule}", f"models, or ignore {rule}")
    relaxed = start(pace="instant", ignore=[rule])
    task_id = relaxed.data(relaxed.post(body, PATHS[rule]))["task_id"]
    assert relaxed.query(task_id)["task_status"] == "succeed"
    other = next(each for each in RULES if each != rule)
    still = start(pace="instant", ignore=[other])
    if EFFECTS[rule] is Effect.REFUSED:
        assert still.post(body).status == reply.status
    else:
        still_id = still.data(still.post(body))["task_id"]
        assert still.query(still_id)["task_status"] == "failed"


def test_relaxable_rules_are_limits_and_nothing_else() -> None:
    assert {rule.rpartition(".")[2] for rule in RULES} <= RELAXABLE
    for rule in ("prompt.type", "n.minimum", "n.integer", "body.type", "subject_image.base64"):
        assert not relaxable(rule)


def _keys(start: Start) -> tuple[Caller, dict[str, Any]]:
    return start(keys=["sk-mock-a"]).account("sk-mock-b"), {"keys": ["sk-mock-*"]}


def _body_cap(start: Start) -> tuple[Caller, dict[str, Any]]:
    return start(body_cap=10), {"body_cap": 10_000}


def _slots(start: Start) -> tuple[Caller, dict[str, Any]]:
    return start(slots=0), {"slots": 1}


def _balance(start: Start) -> tuple[Caller, dict[str, Any]]:
    return start(balance=15), {"balance": 16}


@pytest.mark.parametrize(
    ("name", "prepare"), [("keys", _keys), ("body_cap", _body_cap), ("slots", _slots), ("balance", _balance)]
)
def test_a_setting_that_a_refusal_names_does_relax_it(
    name: str, prepare: Callable[[Start], tuple[Caller, dict[str, Any]]], start: Start
) -> None:
    strict, relaxed = prepare(start)
    reply = strict.ask()
    assert reply.status >= 400
    assert header(reply)["relax"] == name
    assert start(**relaxed).account(strict.key).ask().status == 200


def test_every_refusal_has_the_header_and_names_a_real_setting_or_none(start: Start) -> None:
    """For every kind of refusal: rule, source, and the setting that relaxes it."""
    known = {each.name for each in fields(Settings)}
    caller = start(keys=["sk-mock-a"], slots=1, body_cap=100_000)
    caller.create(external_task_id="mine")
    caller.fake.when(aspect_ratio="1:1").refuses(1301)
    replies = [
        caller.account("").ask(),
        caller.account("sk-other").ask(),
        caller.get("/kling/v1/nothing"),
        caller.send("PUT", KLING),
        caller.post(b"", length=100_001),
        caller.post(b"{"),
        caller.post([]),
        caller.ask(model_name="kling-v9"),
        caller.ask(n=0),
        caller.ask(prompt=LONG),
        caller.ask(external_task_id="mine"),
        caller.ask(),
        caller.get("/kling/v1/images/generations/1"),
    ]
    caller.fake.task.succeed()
    replies.append(caller.ask(aspect_ratio="1:1"))
    assert all(reply.status >= 400 for reply in replies)
    relaxes = [header(reply)["relax"] for reply in replies]
    for relax in relaxes:
        assert relax == "none" or re.split(r"[ ,]", relax)[0] in known
    assert relaxes.count("none") == 8
    assert [call.rule for call in caller.fake.calls.refused] == [header(reply)["rule"] for reply in replies]


def test_successful_replies_have_no_such_header(caller: Caller) -> None:
    reply = caller.ask()
    assert "x-kling-mock-rule" not in dict(reply.headers)


def test_the_refusal_of_a_key_names_a_setting_only_if_keys_are_configured(start: Start) -> None:
    assert header(start().account("").ask())["relax"] == "none"
    assert header(start(keys=["sk-one"]).ask())["relax"] == "keys"


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "21:9"])
@pytest.mark.parametrize("count", [5, 48, 49, 1_000])
def test_without_a_maximum_every_subject_is_read_and_listed(count: int, ratio: str, start: Start) -> None:
    """A picture has room for 48 tiles; its metadata has all subjects."""
    caller = start(ignore=["subject_image_list.max_items"], pace="instant")
    urls = [f"https://pictures.test/{number}.png" for number in range(count)]
    body = {"subject_image_list": [{"subject_image": url} for url in urls], "aspect_ratio": ratio}
    caller.fake.when(subjects=count).succeeds()
    caller.post(body)
    task = caller.fake.task
    assert [each.url for each in task.request.subjects] == urls
    assert [each.url for each in read_picture(caller.picture(task.images[0]).body).pictures] == urls
    caller.fake.check()


def test_without_a_maximum_every_subject_is_checked(start: Start) -> None:
    """Counterexample: an invalid fifth picture would be accepted if only four were read."""
    caller = start(ignore=["subject_image_list.max_items"])
    reply = caller.post({"subject_image_list": [*SUBJECTS, *SUBJECTS, {"subject_image": "http://"}]})
    assert header(reply)["rule"] == "subject_image.url"
