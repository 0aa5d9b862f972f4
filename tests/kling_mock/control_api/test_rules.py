"""The rules of refusals over the control API."""

from __future__ import annotations

from typing import Any

from kling_contracts.gateways import RefusalReason
from kling_contracts.vocabulary import Origin
from tests.kling_mock.control_api.conftest import Control


def test_a_rule_has_its_sentence_and_source_for_each_operation(control: Control) -> None:
    assert control.ok("GET", "/rules/n.maximum") == {
        "id": "n.maximum",
        "texts": [
            {
                "of": ["multi-image", "text-to-image", "multi-image2image"],
                "sentence": "n is at most 9",
                "origin": "official",
                "reference": "Kling, Multi-Image to Image",
                "confidence": "high",
                "effect": "refused",
            }
        ],
        "switches": [],
    }
    fewest = control.ok("GET", "/rules/subject_image_list.min_items")["texts"]
    assert {name for each in fewest for name in each["of"]} >= {"multi-image"}
    assert control.refused(404, "GET", "/rules/n.maximun")["nearest"][0] == "n.maximum"


def test_every_rule_of_a_refusal_is_known(control: Control) -> None:
    others = [
        "body.encoding",
        "body.unknown_field",
        "result.url",
        "server.state",
        "script.refuses",
        "script.answers",
    ]
    for name in [*RefusalReason, *others]:
        texts = control.ok("GET", f"/rules/{name}")["texts"]
        assert texts, name
        for each in texts:
            assert each["sentence"]
            assert each["of"]
            assert Origin(each["origin"])


def test_a_switch_of_a_rule_relaxes_it() -> None:
    """The value of each switch is one that PATCH accepts, and with it the same request is accepted."""
    control = Control(slots=2, rate="9/60", strict_fields=True, balance=10_000, ignore=["prompt.max_length"])
    requests: dict[str, dict[str, Any]] = {
        "account.slots": {"n": 3},
        "body.unknown_field": {"colour": "red"},
        "aspect_ratio.enum": {"aspect_ratio": "7:5"},
        "model_name.enum": {"model_name": "kling-v9"},
    }
    for name, fields in requests.items():
        assert control.caller.ask(**fields).status >= 400
        assert control.fake.calls[-1].rule == name
        (switch,) = control.ok("GET", f"/rules/{name}")["switches"]
        assert switch["fixed"] is None
        assert control.ok("GET", "/settings")["settings"][switch["setting"]] == switch["value"]
        control.ok("PATCH", "/settings", {switch["setting"]: switch["relaxed"]})
        assert control.caller.ask(**fields).status == 200, name
    assert control.fake.settings.ignore == {"prompt.max_length", "aspect_ratio.enum", "model_name.enum"}


def test_a_limit_has_only_the_switches_that_are_set() -> None:
    control = Control(rate="1/60", poll_rate_total="5/1", credit=0, balance=100)
    for name, settings in {
        "account.rate": ["rate", "poll_rate_total"],
        "account.credit": ["credit", "balance"],
        "account.balance": [],  # the balance was relaxed with the credit
        "account.slots": [],
    }.items():
        switches = control.ok("GET", f"/rules/{name}")["switches"]
        assert [each["setting"] for each in switches] == settings
        control.ok("PATCH", "/settings", {each["setting"]: each["relaxed"] for each in switches})
    (keys,) = control.ok("GET", "/rules/auth.key")["switches"]
    assert (keys["setting"], "given them" in keys["fixed"]) == ("keys", True)
