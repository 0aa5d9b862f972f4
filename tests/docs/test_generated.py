"""The generated pages are up to date and complete, and have no traces of Python objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from docs import generate
from docs.faithful_page import SETTING_OF_SITUATION, faithful
from docs.generate import PAGES
from kling_contracts import vocabulary
from kling_contracts.gateways import COMETAPI, KLING, Gateway, RefusalReason, every_operation
from kling_contracts.operations import MULTI_IMAGE
from kling_contracts.vocabulary import ERRORS, Fact
from kling_mock import Fake
from tests.trial_operations import TRIAL, TRIAL_KLING, TRIAL_OPERATIONS

DOCS = Path(__file__).parents[2] / "docs"
GOOD = b'{"subject_image_list": [{"subject_image": "https://h/a.png"}, {"subject_image": "https://h/b.png"}]}'
SECRET = "s" * 32
WRONG_TOKEN = jwt.encode({"iss": "access", "exp": 2**32}, "x" * 32, algorithm="HS256")
ENDLESS_TOKEN = jwt.encode({"iss": "access"}, SECRET, algorithm="HS256")


@pytest.mark.parametrize("name", ["faithful.md", "settings.md"])
def test_the_page_is_up_to_date(name: str) -> None:
    """On failure: make docs."""
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name]()


def test_check_writes_nothing_and_reports_both_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty folder `--check` finds both pages missing; after a run it is content."""
    monkeypatch.setattr(generate, "HERE", tmp_path)
    assert generate.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.count("is out of date") == 2
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("name", ["faithful.md", "settings.md"])
def test_the_lines_read_well(name: str) -> None:
    """No traces of Python objects, no holes in templates, and tables whose rows have all their cells."""
    text = PAGES[name]()
    for noise in ("<class", "object at", "mappingproxy", "frozenset", "Fact(", "Source(", "Origin.", "None"):
        assert noise not in text, noise
    width = 0
    for line in text.splitlines():
        cells = line.replace("\\|", "").count("|")
        width = 0 if not line.startswith("|") else width or cells
        assert not line.startswith("|") or cells == width, line


def test_every_rule_situation_code_and_fact_is_listed() -> None:
    text = faithful()
    rules = {rule for each in every_operation() for rule in each.rules}
    facts = {name for name, value in vars(vocabulary).items() if isinstance(value, Fact)}
    for name in (*rules, *facts, *RefusalReason, *map(str, ERRORS)):
        assert f"\n| `{name}` |" in text, name


@pytest.mark.parametrize("page", ["faithful.md", "settings.md"])
def test_the_pages_can_be_about_any_gateways(page: str) -> None:
    """Every rule of trial operations is in a row of its own, with the names of those that have it."""
    text = PAGES[page]((TRIAL, TRIAL_KLING))
    rules = {rule for each in TRIAL_OPERATIONS for rule in each.rules}
    if page == "settings.md":
        assert "`camera_control.config" not in text, "what a number has to be cannot be ignored"
        assert "`multi_prompt.shot.prompt.max_length`" in text
        return
    for name in rules:
        assert f"\n| `{name}` |" in text, name
    row = next(line for line in text.splitlines() if line.startswith("| `video_id.exactly_one` |"))
    assert "exactly one of video_id, video_url, image is given | trial-sound | refused" in row
    assert "POST /kling/v1/audio/tts" in text
    assert f"\n| `{MULTI_IMAGE.fields[0].name}.required` |" not in text


# The causes of refusals: a request that differs from a good one, or a setting. Left out are duplicates, times
# of tokens, rules of an operation and internal errors.
CAUSES: dict[RefusalReason, dict[str, Any]] = {
    RefusalReason.NO_KEY: {"headers": {}},
    RefusalReason.MALFORMED_KEY: {"headers": {"Authorization": "sk-mock"}},
    RefusalReason.BAD_KEY: {"headers": {"Authorization": f"Bearer {WRONG_TOKEN}"}},
    RefusalReason.BAD_TOKEN: {"headers": {"Authorization": f"Bearer {ENDLESS_TOKEN}"}},
    RefusalReason.NO_ROUTE: {"tail": "/a/b"},
    RefusalReason.WRONG_METHOD: {"method": "DELETE"},
    RefusalReason.TOO_LARGE: {"content": b" " * 3000},
    RefusalReason.BAD_JSON: {"content": b"{"},
    RefusalReason.UNKNOWN_MODEL: {"content": GOOD[:-1] + b', "model_name": "other"}'},
    RefusalReason.TOO_MANY: {"rate": "0/60"},
    RefusalReason.IN_ARREARS: {"credit": 0},
    RefusalReason.NO_BALANCE: {"balance": 0},
    RefusalReason.NO_SLOTS: {"slots": 0},
    RefusalReason.UNKNOWN_TASK: {"tail": "/1", "method": "GET"},
}


def refuse(gateway: Gateway, *, method: str = "POST", tail: str = "", **cause: Any) -> httpx.Response:
    """The answer of a fake to a request that is good but for one thing."""
    headers = cause.pop("headers", {"Authorization": "Bearer sk-mock"})
    content = cause.pop("content", GOOD)
    fake = Fake(keys=["sk-mock", f"access:{SECRET}"], body_cap=2000, **cause)
    with httpx.Client(transport=fake.transport(), base_url=gateway.base_url, headers=headers) as http:
        return http.request(method, gateway.create_path + tail, content=content)


@pytest.mark.parametrize("reason", CAUSES, ids=str)
@pytest.mark.parametrize("gateway", [COMETAPI, KLING], ids=lambda each: each.name)
def test_the_setting_is_the_one_that_the_fake_names(gateway: Gateway, reason: RefusalReason) -> None:
    """The page's column `setting` and the header of the refusal agree."""
    if reason is RefusalReason.BAD_TOKEN and not gateway.takes_tokens:
        reason = RefusalReason.BAD_KEY
    reply = refuse(gateway, **CAUSES[reason])
    rule, _, relax = reply.headers["x-kling-mock-rule"].split("; ")
    assert rule == reason.value
    named = relax.removeprefix("relax=").partition(",")[0].replace("none", "")
    assert named == SETTING_OF_SITUATION.get(reason, "")
