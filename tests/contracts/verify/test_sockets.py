"""The verifier over real sockets and in real time: requests, images and callbacks."""

from __future__ import annotations

import pytest

from kling_contracts.gateways import GATEWAYS, KLING, Gateway
from kling_contracts.registry import verify
from kling_contracts.verify.model import Verdict
from kling_contracts.verify.plan import Options
from kling_mock import Fake
from tests.profiles import FULL
from tests.rows import exhaustive


# In `make test` the README has a run at CometAPI over a socket.
@exhaustive
@pytest.mark.parametrize("gateway", GATEWAYS if FULL else [KLING], ids=lambda gateway: gateway.name)
def test_clean_over_a_socket(gateway: Gateway) -> None:
    """The verifier reports no finding for a served fake."""
    first = "ak-one-0000:secret-0000-0000-0000-0000-0000-00" if gateway is KLING else "sk-one-0000"
    fake = Fake(keys=[first, "sk-two-0000"], pace="seconds:0.2,0.3")
    with fake.serve() as server:
        report = verify(
            Options(
                base_url=server.url,
                api_key=first,
                second_api_key="sk-two-0000",
                gateway=gateway,
                max_images=20,
            )
        )
    assert {result.check.id: result.failures[0].sentence for result in report.findings} == {}
    assert len(report.having(Verdict.PASS)) > 100
    fake.check()
