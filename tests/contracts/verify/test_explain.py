"""The command `explain`."""

from __future__ import annotations

import sys
from typing import TextIO

import pytest

from kling_contracts.cli import main
from kling_contracts.gateways import COMETAPI, GATEWAYS
from kling_contracts.registry import checks_of


def test_every_check_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for check_id in sorted({check.id for each in GATEWAYS for check in checks_of(each)}):
        assert main(["explain", check_id]) == 0, check_id
        shown = capsys.readouterr().out
        assert f"--only {check_id}" in shown
        assert "source  " in shown, check_id


@pytest.mark.parametrize("given", ["auth", "auth.*"])
def test_a_group_is_listed(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", given]) == 0
    shown = capsys.readouterr().out
    assert "auth.required" in shown
    assert "answers" not in shown


def test_explain_without_an_id_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert all(check.id in capsys.readouterr().out for check in checks_of(COMETAPI)[:1])
    assert main(["explain", "lifecycle.states"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_a_closed_pipe_is_not_an_error(
    closed_pipe: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", closed_pipe)
    assert main(["explain"]) == 0
    assert capsys.readouterr().err == ""
