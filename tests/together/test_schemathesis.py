"""Schemathesis, with the project's hooks and settings: the mock conforms to its OpenAPI documents.

A usual run has a few examples per operation, always the same; `make schemathesis` has many, and a new seed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from msgspec.structs import replace
from schemathesis.checks import CHECKS
from schemathesis.engine import Status, events, from_schema

import kling_contracts

# Loaded before any test: a suite that runs in this process drops the modules that it was the first to load.
# The hooks would then know one copy of the classes of failures, and the checks raise another.
import kling_contracts.schemathesis_hooks
from kling_contracts.gateways import COMETAPI, GATEWAYS, KLING, Gateway
from kling_contracts.openapi import build
from kling_mock import Fake
from kling_mock.doors.asgi import ASGIApp
from kling_mock.http import Reply, Request
from kling_mock.settings import Settings
from tests.profiles import IN_STORAGE
from tests.rows import some_rows

FOLDER = Path(kling_contracts.__file__).parent / "openapi"
CONFIG = FOLDER / "schemathesis.toml"
DOCUMENTS = {COMETAPI.name: FOLDER / "openapi.json", KLING.name: FOLDER / "openapi-kling.json"}
PHASES = {"examples", "coverage", "fuzzing", "stateful"}
KEY = "sk-explorer"

# Set by `make schemathesis`: the number of examples per operation, and the seed to repeat a run.
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES")
SEED = int(os.environ.get("SCHEMATHESIS_SEED") or random.SystemRandom().randrange(2**32))
STRENGTH: dict[str, Any] = (
    {"max-examples": int(EXAMPLES)} if EXAMPLES else {"max-examples": 3, "deterministic": True}
)

# What is drawn depends on the modules that are loaded, so with fewer a run may follow no link to a query.
IN_SEQUENCES = STRENGTH if EXAMPLES else STRENGTH | {"max-examples": 6}

every_gateway = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)


@dataclass
class Explored:
    """The record of a run of Schemathesis: number of calls, checks made, and findings."""

    calls: int = 0
    checks: set[str] = field(default_factory=set[str])
    phases: set[str] = field(default_factory=set[str])
    found: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def failed(self) -> set[str]:
        """The checks with findings."""
        return {name for name, _ in self.found}


Explore = Callable[..., Explored]


@pytest.fixture
def explore(monkeypatch: pytest.MonkeyPatch) -> Explore:
    """Run Schemathesis in process: `explore(gateway, app, *phases, operation=...)`."""
    monkeypatch.setattr(sys, "path", sys.path.copy())  # loading a configuration appends to it

    def explore(gateway: Gateway, app: ASGIApp, *phases: str, operation: str | None = None) -> Explored:
        print(f"{gateway.name}: SCHEMATHESIS_SEED={SEED}")  # noqa: T201 -- shown with a failure
        switched: dict[str, dict[str, Any]] = {
            phase: {"enabled": phase in (phases or PHASES)} for phase in PHASES
        }
        switched["stateful"] |= {"generation": IN_SEQUENCES}
        settings = tomllib.loads(CONFIG.read_text(encoding="utf-8")) | {
            "headers": {"Authorization": f"Bearer {KEY}"},
            "cache": {"enabled": False},
            "continue-on-failure": True,
            "generation": STRENGTH | {"database": "none"},
            "phases": switched,
            "seed": SEED,
        }
        document: Any = build(gateway)
        if operation is not None:
            document["paths"] = _only(operation, document["paths"])
        config = schemathesis.Config.from_dict(settings)
        schema = schemathesis.openapi.from_dict(document, config=config)
        schema.app = app
        return run_engine(schema)

    return explore


def _only(operation: str, paths: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The path of one operation, without its links to others."""
    for path, item in paths.items():
        for method in ("get", "post"):
            if item.get(method, {}).get("operationId") == operation:
                item[method]["responses"]["200"].pop("links", None)
                shared = {key: value for key, value in item.items() if key not in {"get", "post"}}
                return {path: shared | {method: item[method]}}
    raise LookupError(operation)


def run_engine(schema: schemathesis.BaseSchema) -> Explored:
    seen = Explored()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                seen.calls += len(recorder.interactions)
                for check in (check for checks in recorder.checks.values() for check in checks):
                    seen.checks.add(check.name)
                    if check.status is not Status.SUCCESS:
                        seen.found.append((check.name, str(check.failure_info)))
            case events.SuiteFinished(phase=phase):
                seen.phases.add(phase.value)
            case events.NonFatalError(info=info):
                seen.found.append(("error", str(info)))
            case events.FatalError(exception=exception):
                raise exception
            case _:
                pass
    return seen


@some_rows("gateway", GATEWAYS, usual=[KLING], ids=lambda gateway: gateway.name)
def test_in_process(gateway: Gateway, explore: Explore) -> None:
    """All checks in all phases have no findings."""
    fake = Fake(keys=[KEY], pace="polls:2")
    seen = explore(gateway, fake.asgi())
    assert seen.found == []
    assert seen.checks == set(CHECKS.get_all_names())
    assert seen.phases == PHASES
    assert seen.calls > 400
    assert any(task.polls for task in fake.tasks), "links lead from a create to a query"
    fake.check()


@pytest.mark.skipif(not EXAMPLES, reason="make schemathesis runs it; docs/schemathesis.md has such a run")
@every_gateway
def test_over_a_socket(gateway: Gateway, tmp_path: Path) -> None:
    """The command with the published document ends with status 0.

    In a usual run only the commands of docs/schemathesis.md use a socket.
    """
    fake = Fake(keys=[KEY], pace="instant")
    with fake.serve() as server:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
                *("run", str(DOCUMENTS[gateway.name]), "--url", server.url, "--checks", "all"),
                *("--header", f"Authorization: Bearer {KEY}"),
                *("--seed", str(SEED), "--max-examples", str(EXAMPLES)),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONUTF8": "1"} | IN_STORAGE,
            check=False,
        )
    print(run.stdout)  # noqa: T201 -- shows the seed
    assert run.returncode == 0, run.stdout + run.stderr
    assert "No issues found" in run.stdout
    assert len(fake.tasks) > 10
    fake.check()


# --- counterexamples: faults of a server are found --------------------------------------------------------


@dataclass(frozen=True)
class Altered:
    """A fake with a function that makes or changes its replies."""

    fake: Fake
    answer: Callable[[Fake, Request], Reply]

    @property
    def settings(self) -> Settings:
        return self.fake.settings

    def handle(self, request: Request) -> Reply:
        return self.answer(self.fake, request)

    @property
    def handle_async(self) -> None:
        return None

    def report(self, problem: Exception) -> None:
        self.fake.report(problem)


def with_body(reply: Reply, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Reply:
    body = json.loads(reply.body)
    return replace(reply, body=json.dumps(change(body)).encode())


def three_faults(fake: Fake, request: Request) -> Reply:
    """Codes are strings, the longest prompt causes status 500; and the fake accepts five subject images."""
    reply = fake.handle(request)
    if reply.status != 200:
        return reply
    reply = with_body(reply, lambda body: body | {"code": "0"})
    prompt = json.loads(request.body).get("prompt")
    return replace(reply, status=500) if isinstance(prompt, str) and len(prompt) == 2500 else reply


def packs_are_bare(fake: Fake, request: Request) -> Reply:
    reply = fake.handle(request)
    if reply.status != 200:
        return reply
    return with_body(reply, lambda body: body | {"data": body["data"]["resource_pack_subscribe_infos"]})


def unknown_task_by_another_code(fake: Fake, request: Request) -> Reply:
    reply = fake.handle(request)
    return with_body(reply, lambda body: body | {"code": "task_not_exists"}) if reply.status == 400 else reply


def known_model_is_missing(fake: Fake, request: Request) -> Reply:
    reply = fake.handle(request)
    if request.method == "GET" or reply.status != 200:
        return reply
    error = {"message": "none", "type": "comet_api_error", "code": "model_not_found"}
    return with_body(replace(reply, status=503), lambda _: {"error": error})


def wrong_method_is_not_found(fake: Fake, request: Request) -> Reply:
    reply = fake.handle(request)
    return replace(reply, status=404) if reply.status == 405 else reply


@pytest.mark.parametrize(
    ("answer", "gateway", "operation", "phase", "checks"),
    [
        (
            *(three_faults, COMETAPI, "createMultiImage", "coverage"),
            {"response_schema_conformance", "not_a_server_error", "negative_data_rejection"},
        ),
        (packs_are_bare, KLING, "showAccountCosts", "fuzzing", {"response_schema_conformance"}),
        (wrong_method_is_not_found, KLING, "showAccountCosts", "coverage", {"unsupported_method"}),
        (
            *(unknown_task_by_another_code, COMETAPI, "queryMultiImage", "examples"),
            {"positive_data_acceptance", "response_schema_conformance"},
        ),
        (known_model_is_missing, COMETAPI, "createMultiImage", "examples", {"not_a_server_error"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_fault_is_found(  # noqa: PLR0917 -- parametrised
    explore: Explore,
    answer: Callable[[Fake, Request], Reply],
    gateway: Gateway,
    operation: str,
    phase: str,
    checks: set[str],
) -> None:
    """By the expected checks and no other. Exceptions in the hooks apply to exact codes and bodies."""
    fake = Fake(keys=[KEY], pace="instant", ignore=["subject_image_list.max_items"])
    seen = explore(gateway, ASGIApp(Altered(fake, answer)), phase, operation=operation)
    assert seen.failed == checks


def test_a_server_that_takes_any_key_is_found(explore: Explore) -> None:
    seen = explore(KLING, Fake(pace="instant").asgi(), "examples", operation="createTextToImage")
    assert seen.failed == {"ignored_auth"}
