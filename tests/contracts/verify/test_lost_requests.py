"""Requests whose connection is closed without a reply, as by a restart of the server, are not findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from kling_contracts.gateways import KLING
from kling_contracts.verify.lost_requests import lost_creates
from kling_contracts.verify.reports.wording import circumstances
from tests.contracts.verify.faulty_servers.base import Behind, Fault, FaultyServer
from tests.contracts.verify.faulty_servers.messages import Request, Response

if TYPE_CHECKING:
    from tests.contracts.verify.conftest import Campaign


class Restarted(FaultyServer):
    """Loses the replies to three creates: an invalid one, one without and one with an external id."""

    def __init__(self, behind: Behind) -> None:
        super().__init__(behind)
        self._left = {"invalid", "plain", "named"}

    def serve(self, request: Request) -> Response:
        response = self.right(request)
        if not request.creates:
            return response
        kind = "named" if request.peek.get("external_task_id") else "plain"
        kind = kind if response.status == 200 else "invalid"
        with self.lock:
            if kind not in self._left:
                return response
            self._left.remove(kind)
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


def test_replies_lost_by_a_restart_are_not_findings(light_campaign: Campaign) -> None:
    """Counterexample: `DropsEveryFiftiethCreate`. The images of a lost create are spent."""
    restarted = Fault(name="restarted", catches="", description="Some replies are lost.", make=Restarted)
    outcome = light_campaign(KLING, restarted, images=40)
    report = outcome.report
    assert outcome.findings == ""
    assert [each.probe.about for each in lost_creates(report.evidence)] == ["no key", "accept", "accept"]
    assert "; the connection of 3 requests was closed; repeated" in circumstances(report)
    tasks = sum(task.request.n for task in outcome.served.fake.tasks)
    assert report.run_info.images >= tasks > sum(each.images for each in report.evidence.histories())
