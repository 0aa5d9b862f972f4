"""Schemathesis on the OpenAPI document of the control API: no findings.

A usual run has the coverage phase, always the same; `make schemathesis` has all phases, with a new seed.
"""

from __future__ import annotations

from typing import Any

import schemathesis

from kling_mock import Fake, ManualClock
from kling_mock.control_api.document import build_document
from kling_mock.control_api.endpoints import ENDPOINTS
from kling_mock.control_api.models import EventStream, StateLines
from kling_mock.control_api.scripts import replace_script, write_script
from tests.kling_mock.conftest import Caller
from tests.rows import exhaustive
from tests.together.test_schemathesis import EXAMPLES, SEED, STRENGTH, run_engine

TOKEN = "token-of-schemathesis"
# Statuses of requests that fit the document: a document of scripts or settings has rules beyond its schema.
ACCEPTED = ["2xx", "401", "403", "404", "409", "422"]


@exhaustive
def test_the_document_has_no_findings() -> None:
    fake = Fake(clock=ManualClock(), control_token=TOKEN, pace="held")
    caller = Caller(fake)
    for number in range(3):
        caller.make(external_task_id=str(number))
    document: Any = build_document()
    for endpoint in ENDPOINTS:
        if endpoint.path not in document["paths"]:
            continue
        if endpoint.signature.result in (EventStream, StateLines):
            # A stream has no end, and Schemathesis cannot make lines of JSON.
            del document["paths"][endpoint.path]
        elif endpoint.handler in (write_script, replace_script):
            # Hypothesis finds hardly any document that meets all conditions of the schema of scripts.
            body = document["paths"][endpoint.path][endpoint.method.lower()]["requestBody"]
            body["content"]["application/json"]["schema"] = {"type": "object"}
    settings: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {TOKEN}"},
        "cache": {"enabled": False},
        "continue-on-failure": True,
        "generation": STRENGTH | {"database": "none"},
        "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
        # The coverage phase alone sends about 400 requests.
        "phases": {name: {"enabled": bool(EXAMPLES)} for name in ("examples", "fuzzing", "stateful")}
        | ({} if EXAMPLES else {"coverage": {"unexpected-methods": ["TRACE"]}}),
        "seed": SEED,
    }
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(settings))
    schema.app = fake.asgi()
    seen = run_engine(schema)
    assert seen.found == [], "\n".join(f"{name}: {text}" for name, text in seen.found)
    assert seen.calls > 200
    fake.forget_scripts()
    fake.check()
