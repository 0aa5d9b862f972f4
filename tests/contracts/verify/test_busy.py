"""A busy server is not broken: 429 is waited for, and a rule that no source settles causes no finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from kling_contracts.gateways import COMETAPI, KLING, Gateway
from kling_contracts.verify.busy import proven_limit
from kling_contracts.verify.model import Requirement
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.verify.reports.wording import circumstances
from tests.contracts.verify.faulty_servers.base import Behind, Fault, FaultyServer
from tests.contracts.verify.faulty_servers.messages import Request, Response
from tests.profiles import FULL
from tests.rows import some_rows

if TYPE_CHECKING:
    from tests.contracts.verify.conftest import Campaign

WINDOW, MOST = 2.0, 60


class RateWindow(FaultyServer):
    """Answers at most MOST requests to the API in each window of WINDOW seconds."""

    retry_after = True

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self.window, self.count = 0, 0

    def serve(self, request: Request) -> Response:
        if not request.is_api:
            return self.right(request)
        window = int(self.now() / WINDOW)
        with self.lock:
            self.count = self.count + 1 if window == self.window else 1
            self.window = window
            over = self.count > MOST
        if not over:
            return self.right(request)
        response = Response(status=429, headers={"content-type": "application/json"})
        response.json = {
            "code": 1302,
            "message": "Too many requests",
            "request_id": f"r-{self.count}-{window}",
        }
        if self.retry_after:
            response.headers["retry-after"] = "1"
        return response


class RateWindowWithoutHeader(RateWindow):
    retry_after = False


@some_rows(
    ("gateway", "settings"),
    [
        (COMETAPI, {"slots": 9}),
        (KLING, {"slots": 4}),
        (COMETAPI, {"null_is_absent": False, "validation_errors": "task"}),
        *([(KLING, {"slots": 9}), (COMETAPI, {"slots": 4})] if FULL else []),
        *([(COMETAPI, {"validation_errors": "comet"})] if FULL else []),
    ],
    usual=lambda row: row[1] != {"slots": 9},
    ids=str,
)
def test_settings_of_the_mock_are_no_findings(
    gateway: Gateway, settings: Mapping[str, Any], light_campaign: Campaign
) -> None:
    outcome = light_campaign(gateway, settings=settings, strict=False)
    assert outcome.findings == ""
    if "slots" in settings:
        evidence = outcome.report.evidence
        assert list(evidence.of(ProbeKind.BUSY))
        assert proven_limit(evidence) <= settings["slots"]
        assert "unfinished at once" in circumstances(outcome.report)
        refused = {result.check.id: result.requirement for result in outcome.report.results}
        expected = None if settings["slots"] == 9 else Requirement.CAPACITY
        assert refused["accepts.n.maximum"] is expected


@pytest.mark.parametrize("server", [RateWindow, *([RateWindowWithoutHeader] if FULL else [])])
def test_a_rate_window_is_waited_for(server: type[RateWindow], light_campaign: Campaign) -> None:
    fault = Fault(name="rate window", catches="", description="Requests are limited.", make=server)
    outcome = light_campaign(COMETAPI, fault)
    assert outcome.findings == ""
    assert len(list(outcome.report.evidence.of(ProbeKind.BUSY))) > 3
    assert {each for each in outcome.undecided if not each.endswith(".max_bytes")} == set()
