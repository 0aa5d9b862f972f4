"""The commands `kling-client get`, `wait` and `list`."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from kling_client.cli import main
from kling_mock import Fake
from tests.kling_client.command import AT_ONCE, KEY, KLING, create, lines

pytestmark = [AT_ONCE, pytest.mark.usefixtures("workdir")]


def test_get_is_one_query(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(create()) == 0
    capsys.readouterr()
    assert main(["get", kling.task.id]) == 0
    first, second, third = lines(capsys.readouterr().out)
    assert [first, second, third[0]] == [["task", kling.task.id], ["status", "succeed"], "image"]
    assert third[1].startswith("https://cdn.klingai.com/")
    kling.next.fails("Image pixel is invalid")
    assert main(create("--no-wait")) == 0
    last = kling.tasks[-1]
    last.fail("Image pixel is invalid")
    capsys.readouterr()
    assert main(["get", last.id]) == 1
    assert lines(capsys.readouterr().out)[1:] == [["status", "failed"], ["failure", "Image pixel is invalid"]]


def test_wait_without_a_folder_shows_the_addresses(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(create("--no-wait")) == 0
    capsys.readouterr()
    assert main(["wait", kling.task.id]) == 0
    assert [fact[0] for fact in lines(capsys.readouterr().out)] == ["task", "status", "image"]
    assert list(Path().glob("*-0.png")) == []


def test_kling_itself_with_access_key_and_secret(
    kling: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One subject image is valid there, and a query by external id works."""
    monkeypatch.setenv("KLING_ACCESS_KEY", "ak-1234567")
    monkeypatch.setenv("KLING_SECRET_KEY", "x" * 32)
    assert main(["generate", "a.png", "--external-id", "mine", "--no-wait", *KLING]) == 0
    assert main(["wait", "mine", "--deadline", "0", *KLING]) == 3
    err = capsys.readouterr().err
    command = f"kling-client wait {kling.task.id} {shlex.join(KLING)}"
    assert err.splitlines()[-1].strip() == command, "with the service's id, gateway and base URL"


def test_list_has_a_task_a_line_with_tabs_between_its_columns(
    kling: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KLING_API_KEY", KEY)
    for number in range(3):
        assert main(create("--no-wait", "--external-id", f"mine-{number}", *KLING)) == 0
    capsys.readouterr()
    assert main(["list", "--limit", "2", *KLING]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [[row[0], row[3]] for row in rows] == [
        [kling.tasks[2].id, "mine-2"], [kling.tasks[1].id, "mine-1"]
    ]  # fmt: skip
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row[2]) for row in rows)
    assert main(["list", "--json", *KLING]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [each["external_task_id"] for each in shown["tasks"]] == ["mine-2", "mine-1", "mine-0"]


def test_list_where_nothing_can_be_listed_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 2
    assert "CometAPI has no route that lists tasks" in capsys.readouterr().err
