"""Settings: each is validated, can be given as text, and has an effect."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from kling_contracts.gateways import GATEWAYS, VALIDATION_SHAPES
from kling_mock import Fake, Pace, Settings
from kling_mock.rate import Rate
from kling_mock.setting_text import read_switch
from kling_mock.webhook_secret import WebhookSecret
from tests.kling_mock.reading import body_of, header
from tests.rows import each_row

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start

URL = "https://pictures.test/a.png"
SUBJECTS = [{"subject_image": URL}] * 2
KLING = "/kling/v1/images/multi-image2image"


# -- messages for invalid values begin with the setting

BAD: dict[str, tuple[object, ...]] = {
    "keys": ("sk-one", [1], [""], 5, None),
    "pace": ("fast", 5, None, True),
    "clock_mode": ("advance", "", 5, True, None),
    "seed": ("1", 1.5, None, True, 2**63, -(2**63) - 1),
    "base_url": ("fake.test", "/here", "ftp://fake.test", "", 5, "https://"),
    "operations": ("text-to-image", ["text-to-video"], [5], None),
    "validation_errors": ("loud", "", 5, None),
    "ignore": (["n.maximun"], "n.maximum", [5], ["prompt.type"], ["nonsense"]),
    "models": ("kling-v3", [3], None),
    "null_is_absent": ("yes", 1, None),
    "thumbnails": ("yes", 1, None),
    "fetch_images": ("all", "", 5, True, None),
    "callback_submitted": ("yes", 1, None),
    "callback_faults": (5, "late", ["later"], [5], None),
    "webhook_secret": ("", "whsec_", "secret", "whsec_*", 5, b"whsec_AAAA"),
    "strict_fields": ("yes", 1, None),
    "prompt_triggers": ("yes", 1, None),
    "cors": ("", "app.example", "https://a, https://b", 5, None),
    "slots": (-1, "3", 1.5, True),
    "balance": (-1, "3", 1.5, True),
    "slots_total": (-1, "3", 1.5, True),
    "balance_total": (-1, "3", 1.5, True),
    "packs": (5, "16,32", [-1], [1.5], [True], None),
    "credit": (-1, "3", 1.5, True),
    **dict.fromkeys(
        ("rate", "poll_rate", "rate_total", "poll_rate_total"),
        ("", "10", "10/0", "-1/60", "10/inf", "ten/60", 10, True),
    ),
    "retry_after": ("soon", "", 5, None),
    "token_leeway": (-1, float("nan"), float("inf"), "5", True, None),
    "retention_days": (0, -1, float("nan"), "30", None),
    "body_cap": (0, -1, 1.5, "1", None),
    "callbacks": ("all", "", 5, True, None),
    "callback_retries": (5, "soon", ["soon"], [-1], [float("inf")], [float("nan")], None),
    "gateways": ((), "cometapi", ["comet"], [5], None),
    "state": ("", 5, b"F.db", "ftp://localhost", "redis://localhost?namespace={a}", "a\0b"),
    "journal_bytes": (0, -1, 1.5, None),
    "control_token": ("", "seven77", "with a space", "tok\u00e9n-long-enough", 5),
    "unused_scripts": ("fail", "", True, None, []),
}


@each_row(("name", "value"), [(name, value) for name in BAD for value in BAD[name]])
def test_the_error_for_an_invalid_value_begins_with_the_setting(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        Fake(**{name: value})


def test_every_setting_is_checked() -> None:
    """Fails for a new setting without a row in the table above."""
    assert set(BAD) == {each.name for each in fields(Settings)}


def test_the_error_for_an_unknown_setting_suggests_similar_ones() -> None:
    with pytest.raises(TypeError, match=r"^unknown setting 'slot'; did you mean 'slots'"):
        Fake(slot=1)
    with pytest.raises(TypeError, match=r"^unknown setting 'zzz'; known: keys, pace, seed, base_url"):
        read_switch("zzz", "1")


def test_the_error_for_a_rule_that_cannot_be_ignored() -> None:
    with pytest.raises(
        ValueError, match=r"^ignore: unknown rule 'promt.max_length'; did you mean 'prompt.max"
    ):
        Fake(ignore=["promt.max_length"])
    with pytest.raises(ValueError, match=r"^ignore: rule 'prompt.type' is always enforced; only limits"):
        Fake(ignore=["prompt.type"])


def test_settings_cannot_be_changed_under_a_fake() -> None:
    settings = Fake(seed=7).settings
    assert settings.seed == 7
    with pytest.raises(AttributeError):
        settings.seed = 8  # type: ignore[misc]


def test_every_setting_has_a_line_of_documentation() -> None:
    for each in fields(Settings):
        assert len(each.metadata["doc"]) > 20
        assert "\n" not in each.metadata["doc"]


# -- text forms

SPELLINGS: dict[str, tuple[tuple[str, object], ...]] = {
    "keys": (("sk-one, sk-two", ("sk-one", "sk-two")), ("sk-mock-*", ("sk-mock-*",)), ("none", ())),
    "pace": (("polls:3", Pace.polls(3)), ("realistic:10", Pace.realistic(10))),
    "clock_mode": (("run", "run"), ("skip", "skip")),
    "seed": (("42", 42), ("-1", -1)),
    "base_url": (("https://fake.test/", "https://fake.test"), ("none", None)),
    "operations": (("text-to-image", ("text-to-image",)), ("none", ())),
    "validation_errors": (("task", "task"),),
    "ignore": (("prompt.max_length", frozenset({"prompt.max_length"})), ("none", frozenset())),
    "models": (("kling-v3,kling-v4", ("kling-v3", "kling-v4")), ("none", ())),
    "null_is_absent": (("false", False), ("True", True)),
    "thumbnails": (("true", True), ("False", False)),
    "fetch_images": (("any", "any"),),
    "callback_submitted": (("true", True), ("False", False)),
    "callback_faults": (("late, early", ("late", "early")), ("none", ())),
    "webhook_secret": (("whsec_AAAA", WebhookSecret("whsec_AAAA")), ("none", None)),
    "strict_fields": (("true", True), ("False", False)),
    "prompt_triggers": (("true", True), ("False", False)),
    "cors": (("off", "off"), ("*", "*"), ("https://app.example", "https://app.example")),
    "slots": (("3", 3), ("none", None), ("None", None)),
    "balance": (("160", 160), ("none", None)),
    "slots_total": (("3", 3), ("none", None)),
    "balance_total": (("160", 160), ("none", None)),
    "packs": (("1000, 500", (1000, 500)), ("none", ())),
    "credit": (("0", 0), ("none", None)),
    **dict.fromkeys(
        ("rate", "poll_rate", "rate_total", "poll_rate_total"),
        (("10/60", Rate(10, 60.0)), ("0/0.5", Rate(0, 0.5)), ("none", None)),
    ),
    "retry_after": (("off", "off"), ("seconds", "seconds"), ("date", "date")),
    "token_leeway": (("0.5", 0.5), ("5", 5.0)),
    "retention_days": (("0.5", 0.5), ("7", 7.0)),
    "body_cap": (("1000", 1000),),
    "callbacks": (("off", "off"), ("loopback", "loopback"), ("any", "any")),
    "callback_retries": (("1, 2.5", (1.0, 2.5)), ("none", ())),
    "gateways": (("kling", GATEWAYS[1:]), ("kling, cometapi", GATEWAYS[::-1])),
    "state": (("F.db", "F.db"), ("none", None)),
    "journal_bytes": (("10", 10),),
    "control_token": (("let-me-in", "let-me-in"), ("none", None)),
    "unused_scripts": (("error", "error"), ("warn", "warn"), ("ignore", "ignore")),
}


@each_row(("name", "text", "value"), [(name, *row) for name, rows in SPELLINGS.items() for row in rows])
def test_every_setting_can_be_given_as_text(name: str, text: str, value: object) -> None:
    assert getattr(Settings.of({name: read_switch(name, text)}), name) == value


def test_every_setting_has_a_text_form_here() -> None:
    assert set(SPELLINGS) == {each.name for each in fields(Settings)}


@pytest.mark.parametrize(
    ("name", "text"),
    [("seed", "x"), ("slots", "many"), ("null_is_absent", "yes"), ("callback_retries", "1,x"), ("seed", "")],
)
def test_the_error_for_an_invalid_text_names_the_setting(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be .*, not {text!r}$"):
        read_switch(name, text)


@pytest.mark.parametrize("text", ["", " ", ","])
def test_an_empty_text_is_not_the_empty_list(text: str) -> None:
    """A variable without a value would accept every key, also a real one."""
    for name in ("keys", "models", "callback_retries"):
        with pytest.raises(ValueError, match=f"^{name} must not be empty; none is the empty list$"):
            read_switch(name, text)
        assert read_switch(name, "none") == ()


def test_lists_and_paces_as_text_are_accepted() -> None:
    settings = Settings.of({"keys": ["a"], "pace": "polls:3", "ignore": ["n.enum"][:0], "retention_days": 7})
    assert (settings.keys, settings.pace) == (("a",), Pace.polls(3))


# -- effects


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("kling", {"code": 1201, "message": "n value '0' is invalid", "request_id": "<id>"}),
        ("task", {"code": "fail_to_fetch_task", "message": "n value '0' is invalid", "data": None}),
        (
            "comet",
            {
                "error": {
                    "message": "n value '0' is invalid (request id: <id>)",
                    "type": "comet_api_error",
                    "param": "",
                    "code": "invalid_request",
                }
            },
        ),
    ],
)
def test_validation_errors_come_in_three_shapes(shape: str, expected: object, start: Start) -> None:
    reply = start(validation_errors=shape).ask(n=0)
    uuid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert reply.status == 400
    assert json.loads(re.sub(uuid, "<id>", reply.body.decode())) == expected


def test_the_shapes_of_the_contract_are_all_offered() -> None:
    assert set(VALIDATION_SHAPES) == {"kling", "task", "comet"}


@pytest.mark.parametrize(("field", "rule"), [("aspect_ratio", "aspect_ratio.enum"), ("n", "n.type")])
def test_models_are_models_only(field: str, rule: str, start: Start) -> None:
    """The name of an additional model is not accepted in other fields."""
    reply = start(models=["5:4"]).ask(**{field: "5:4"})
    assert (reply.status, header(reply)["rule"]) == (400, rule)


def test_models_adds_to_those_of_the_contract(start: Start) -> None:
    caller = start(models=["kling-v3"])
    statuses = [caller.ask(model_name=name).status for name in ("kling-v3", "kling-v2", "kling-v4")]
    assert statuses == [200, 200, 503]
    assert caller.fake.tasks[0].request.model_name == "kling-v3"
    caller.fake.when(model_name="kling-v3").fails("new models fail")
    task = caller.make(model_name="kling-v3")
    task.release()
    assert task.failure == "new models fail"


@pytest.mark.parametrize("field", ["prompt", "callback_url", "external_task_id", "n", "aspect_ratio"])
def test_null_is_absent_unless_switched_off(field: str, start: Start) -> None:
    null: dict[str, Any] = {field: None}
    assert start().ask(**null).status == 200
    strict = start(null_is_absent=False)
    reply = strict.ask(**null)
    assert (reply.status, header(reply)["rule"]) == (400, f"{field}.type")
    assert strict.ask(**{field: ""}).status == 200


def test_operations_enables_optional_operations(start: Start) -> None:
    """A text without pictures is accepted if it is enabled; an empty list of subjects is still refused."""
    plain = start(operations=["text-to-image"])
    assert start().post({"prompt": "a boat"}).status == 400
    assert plain.post({"prompt": "a boat"}).status == 200
    assert plain.post({"prompt": "a boat", "subject_image_list": []}).status == 400
    assert plain.ask(prompt="a boat").status == 200


def test_body_cap_counts_bytes(start: Start) -> None:
    content = json.dumps({"subject_image_list": SUBJECTS}).encode()
    assert start(body_cap=len(content)).post(content).status == 200
    reply = start(body_cap=len(content) - 1).post(content)
    assert reply.status == 413
    assert body_of(reply)["code"] == "read_request_body_failed"
    assert header(reply)["relax"] == "body_cap"
    assert start(body_cap=10).post(b"", length=11).status == 413


def test_retention_is_in_days(start: Start) -> None:
    caller = start(retention_days=0.5, pace="instant")
    task = caller.make()
    (url,) = task.images
    caller.clock.advance(hours=12, seconds=-1)
    assert (caller.picture(url).status, caller.status(task.id)) == (200, "succeed")
    caller.clock.advance(1)
    assert caller.picture(url).status == 404
    assert caller.get(f"/kling/v1/images/generations/{task.id}").status == 400


def test_retention_may_be_unlimited(start: Start) -> None:
    caller = start(retention_days=float("inf"))
    task = caller.make()
    caller.clock.advance(days=36_500)
    assert caller.status(task.id) == "processing"


def test_seed_and_pace_and_base_url_show_in_replies(start: Start) -> None:
    plain = start(pace="instant").make()
    other = start(pace="instant", seed=1, base_url="https://fake.test").make()
    assert plain.id != other.id
    assert other.images[0].startswith("https://fake.test/bs2/")
    assert start(pace="held:submitted").make().status == "submitted"
