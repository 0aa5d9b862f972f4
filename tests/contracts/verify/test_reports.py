"""Texts of the reports: titles of groups, hints about causes, date and version."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from kling_contracts.gateways import GATEWAYS
from kling_contracts.registry import checks_of
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, Failure, Result, Verdict
from kling_contracts.verify.plan import Options
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.recorder import contract_version
from kling_contracts.verify.report import Report, RunInfo
from kling_contracts.verify.reports import html_report, json_report, junit
from kling_contracts.verify.reports.hints import hint
from kling_contracts.verify.reports.wording import group_of, title_of
from kling_contracts.vocabulary import SEED

KEY = "sk-one-secret-0001"
HOSTILE = "<script>alert(1)</script>\x1b[31m\x00\ud800]]>"
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


def hostile() -> Report:
    exchange = Exchange(
        number=0,
        probe=Probe(ProbeKind.REFUSE, "prompt.max_length", HOSTILE),
        credential="first",
        method="POST",
        target="/kling/v1/images/generations",
        headers=(("authorization", "Bearer $KLING_API_KEY"),),
        body=json.dumps({"prompt": HOSTILE}).encode(),
        sent_at=0.0,
        received_at=0.0,
        status=200,
        answer=HOSTILE.encode("utf-8", "surrogatepass"),
    )
    check = Check(id="a.b", sentence="s", source=SEED, judge=lambda *_: None)
    failure = Failure(HOSTILE, HOSTILE, HOSTILE, (exchange,))
    return Report(
        options=Options(base_url="http://127.0.0.1:9", api_key=KEY),
        results=(Result(check=check, verdict=Verdict.FAIL, examined=1, failures=(failure,)),),
        evidence=Evidence(exchanges=[exchange]),
        run_info=RunInfo(),
        plan=(),
    )


def test_reports_escape_hostile_answers() -> None:
    page = html_report.render(hostile())
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert not re.findall(r"https?://(?!127\.0\.0\.1:9)|\bsrc=|<link|@import|url\(", page)
    suite = ET.fromstring(junit.render(hostile()))
    assert suite.attrib["failures"] == "1"
    assert json.loads(json_report.render(hostile()))["checks"][0]["examples"][0]["sentence"] == HOSTILE
    for text in (page, junit.render(hostile())):
        assert not {"\x1b", "\x00", "\ud800"} & set(text)


def test_keys_are_not_in_the_repr() -> None:
    assert KEY not in repr(hostile().options)
