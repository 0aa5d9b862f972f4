"""Tables in hand-written pages agree with the declarations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kling_client import errors
from kling_contracts.gateways import COMETAPI, KLING, Gateway, RefusalReason
from kling_contracts.image_fields import PictureList
from kling_contracts.operations import MULTI_IMAGE, MULTI_IMAGE2IMAGE
from kling_mock import Pace
from kling_mock.reply_faults import KINDS, ReplyStage
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.rule_builder import RuleBuilder
from kling_mock.stores import Key

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables, by their first cell."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    cells = (
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")
    )
    return {row[0]: row[1:] for row in cells}


@pytest.mark.parametrize(("gateway", "column"), [(COMETAPI, 0), (KLING, 1)], ids=["cometapi", "kling"])
def test_gateways(gateway: Gateway, column: int) -> None:
    told = {name: cells[column] for name, cells in rows("gateways.md").items() if len(cells) == 2}
    assert re.findall(r"`(.+?)`", told["hosts"]) == list(gateway.hosts)
    paths = [path.partition("`")[0] for path in (told["create"] + told["also"]).split("`POST ")[1:]]
    assert paths == [gateway.path(route) for route in gateway.routes]
    assert f"`GET {gateway.costs_path}`" == told["balance"]
    assert ("405" in told["list"]) is not gateway.lists
    assert ("external_task_id" in told["query"]) is gateway.finds_external_ids
    assert ("token" in told["bearer"]) is gateway.takes_tokens
    for name, reason in (
        ("bad key", RefusalReason.BAD_KEY),
        ("unknown task", RefusalReason.UNKNOWN_TASK),
        ("unknown model", RefusalReason.UNKNOWN_MODEL),
    ):
        assert told[name].startswith(str(gateway.refusals[reason].status))


def test_numbers_of_subjects() -> None:
    limits = [each.field("subject_image_list") for each in (MULTI_IMAGE, MULTI_IMAGE2IMAGE)]
    told = [
        f"{each.minimum.value} to {each.maximum.value}" for each in limits if isinstance(each, PictureList)
    ]
    comet, kling = rows("gateways.md")["subjects"]
    assert re.findall(r"\d to \d", comet) == told
    assert kling == told[1]


def test_verbs_of_scripts() -> None:
    verbs = {name for name in (*vars(Script), *vars(RuleBuilder)) if not name.startswith("_")}
    listed = [*rows("scripting.md"), *rows("faulty-tasks.md")]
    found = {verb for row in listed for verb in re.findall(r"^`\.(\w+)\(", row)}
    assert found - {"answers"} == verbs  # `answers` stands for all faults of requests


def test_faults_of_requests() -> None:
    """Each with its effect: those that replace the reply have none."""
    effects = {
        verb: cells[1] for row, cells in rows("faults.md").items() for verb in re.findall(r"^`\.(\w+)\(", row)
    }
    assert effects == {
        name: "none" if kind.stage is ReplyStage.INSTEAD else "as usual" for name, kind in KINDS.items()
    }


def test_spellings_of_paces() -> None:
    """Each spelling of the table is the pace beside it."""
    spelled = {name: cells[0] for name, cells in rows("scripting.md").items() if "`Pace." in cells[0]}
    assert len(spelled) == 5
    for name, call in spelled.items():
        spelling = re.findall(r"`(.+?)`", name)[-1]
        assert Pace.parse(spelling) == eval(call.strip("`"), {"Pace": Pace})


def test_advice_on_errors() -> None:
    """Every error that is raised has its advice."""
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == errors.__name__
    }
    told = {name for row in rows("errors.md") for name in re.findall(r"`(\w+)`", row)}
    assert kinds - told == {"KlingError", "ApiError"}


def test_the_keys_of_a_store() -> None:
    """A store that is written by the page answers every type of key."""
    listed = {name for cell in rows("stores.md") for name in re.findall(r"`(\w+)`", cell)}
    assert {each.__name__ for each in Key.__subclasses__()} <= listed
