"""Texts of the reports: titles of groups, hints about causes, date and version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kling_contracts.gateways import GATEWAYS
from kling_contracts.registry import checks_of
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Failure
from kling_contracts.verify.plan import Options
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.recorder import contract_version
from kling_contracts.verify.report import Report, RunInfo
from kling_contracts.verify.reports import html_report
from kling_contracts.verify.reports.hints import hint
from kling_contracts.verify.reports.wording import group_of, title_of

QUERY = Exchange(
    number=0,
    probe=Probe(ProbeKind.POLL, "1"),
    credential="first",
    method="GET",
    target="/kling/v1/images/generations/1",
    headers=(),
    body=b"",
    sent_at=0.0,
    received_at=0.0,
    status=400,
    answer_headers=(("content-type", "application/json"),),
    answer=b'{"code": "task_not_exist", "message": "task_not_exist", "data": null}',
)


def failure(exchange: Exchange, expected: str = "200 and the task") -> Failure:
    return Failure("a task was not found", expected, exchange.shown, (exchange,))


def test_every_group_has_a_title() -> None:
    groups = {group_of(check.id) for gateway in GATEWAYS for check in checks_of(gateway)}
    assert [group for group in groups if title_of(group) == group] == []
    assert title_of("no_such_group") == "no_such_group"


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (QUERY, "the server does not know this task id"),
        (replace(QUERY, status=404, answer=b'{"detail": "Not Found"}'), "no such route: compare the path of"),
        (replace(QUERY, status=500, answer=b"{}"), "an exception in the server"),
        (
            replace(QUERY, status=502, answer=b"<html>", answer_headers=(("content-type", "text/html"),)),
            "HTML",
        ),
        (replace(QUERY, status=0, answer=b"", failure="ReadTimeout"), "closed the connection"),
    ],
    ids=["unknown task", "no route", "server error", "HTML page", "no answer"],
)
def test_a_hint_names_the_probable_cause(exchange: Exchange, expected: str) -> None:
    assert expected in hint(failure(exchange))


def test_an_answer_with_the_expected_status_has_no_hint() -> None:
    """Counterexamples: only the code or the content is wrong, or a success was not expected."""
    assert hint(failure(QUERY, expected='400 {"code": 1201, "message", "request_id"}')) == ""
    assert hint(failure(replace(QUERY, status=200, answer=b'{"code": 0}'), expected="a refusal")) == ""
    assert hint(Failure("no callback", "succeed", "no callback", ())) == ""


def test_the_html_report_has_date_and_version() -> None:
    report = Report(
        options=Options(base_url="http://127.0.0.1:9", api_key="sk"),
        results=(),
        evidence=Evidence(),
        run_info=RunInfo(started=1_800_000_000.0),
        plan=(),
    )
    assert f"2027-01-15 08:00 UTC, kling-contracts {contract_version()}" in html_report.render(report)
