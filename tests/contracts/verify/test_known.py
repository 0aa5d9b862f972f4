"""Known deviations: their files, and their effect on verdicts."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import httpx
import pytest

from kling_contracts.registry import SUITE
from kling_contracts.verify.known_deviations import BadDeviations, Deviation, read_deviations
from kling_contracts.verify.model import Verdict
from kling_contracts.verify.plan import Options
from kling_contracts.verify.runner import run

TODAY = date(2026, 11, 22)


def write(folder: Path, text: str) -> Path:
    path = folder / "known.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_known_deviations_are_read(tmp_path: Path) -> None:
    path = write(
        tmp_path, '[[deviation]]\ncheck = "errors.*"\nreason = "an old proxy"\nexpires = 2026-11-22\n'
    )
    (deviation,) = read_deviations(path, TODAY)
    assert deviation.covers("errors.no_key")
    assert not deviation.covers("auth.required")
    assert not dataclasses.replace(deviation, today=date(2026, 11, 23)).covers("errors.no_key")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", "only [[deviation]] tables"),
        ("[deviation]\na = 1", "only [[deviation]] tables"),
        ("[[deviation]]\ncheck = 'a'", "entry 1 must have check, reason and expires"),
        ("[[deviation]]\ncheck='a'\nreason=' '\nexpires=2027-01-01", "reason must not be empty"),
        ("[[deviation]]\ncheck='a'\nreason='b'\nexpires='2027-01-01'", "without quotes"),
        ("[[deviation]]\ncheck='a'\nreason='b'\nexpires=2027-01-01T00:00:00", "without quotes"),
        ("[[deviation", "known.toml"),
    ],
)
def test_errors_in_files_of_deviations_are_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(BadDeviations) as raised:
        read_deviations(write(tmp_path, text), TODAY)
    assert expected in str(raised.value)
    with pytest.raises(BadDeviations, match="nowhere"):
        read_deviations(tmp_path / "nowhere.toml", TODAY)


def test_a_known_deviation_is_not_a_failure_and_an_unused_one_is_reported() -> None:
    def anything(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"code": "task_not_exist", "message": "no", "data": None})

    entries = [
        Deviation(check=check, reason="so it is", expires=TODAY, today=TODAY)
        for check in ("errors.wrong_method", "result_images.ratio")
    ]
    options = Options(base_url="http://gateway.test", api_key="sk-12345", known=entries)
    report = run(options, SUITE, transport=httpx.MockTransport(anything))
    verdicts = {result.check.id: result.verdict for result in report.results}
    assert verdicts["errors.wrong_method"] is Verdict.KNOWN
    assert verdicts["auth.required"] is Verdict.FAIL
    assert verdicts["errors.unknown_path"] is Verdict.DIFFERS
    assert [each.check for each in report.unused_known] == ["result_images.ratio"]
