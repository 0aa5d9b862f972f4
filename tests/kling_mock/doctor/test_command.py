"""The command `kling-mock doctor`: exit status, and output as text and JSON."""

from __future__ import annotations

import json

import pytest

from kling_mock import __version__
from kling_mock.cli import main
from kling_mock.doctor import report
from kling_mock.doctor.findings import Finding, Status


def test_the_report_and_the_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 with a problem; text without colours if the output is not a terminal; the same findings as JSON."""
    for status, expected in (("ok", 0), ("note", 0), ("problem", 1)):
        _find(monkeypatch, status)
        assert main(["doctor", "--port", "8001"]) == expected
        assert capsys.readouterr().out.startswith(f"{status:7}  port 8001  text\n")
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "version": __version__,
        "problems": 1,
        "findings": [{"check": "port 8000", "status": "problem", "text": "text", "hint": "hint"}],
    }


def _find(monkeypatch: pytest.MonkeyPatch, status: Status | str) -> None:
    found: Status = "ok" if status == "ok" else "note" if status == "note" else "problem"
    monkeypatch.setattr(
        report, "CHECKS", [lambda machine: iter([Finding(f"port {machine.port}", found, "text", "hint")])]
    )


def test_a_port_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--port", "0"]) == 2
    message = capsys.readouterr().err.partition("\n")[0]
    assert message == "kling-mock: --port: must be from 1 to 65535; got 0"
