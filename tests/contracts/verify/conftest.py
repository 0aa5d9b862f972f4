"""Runs of the verifier in process: a fake on a manual clock, which waits and requests advance; no sockets."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Final, TextIO

import httpx
import pytest

import kling_mock.images.draw
from kling_contracts.checks.invalid_bodies import OTHERS, REPEATED, families_of, step_of
from kling_contracts.gateways import GATEWAYS, Gateway, RefusalReason
from kling_contracts.image_files import png
from kling_contracts.operations import Operation
from kling_contracts.registry import SUITE, steps_of
from kling_contracts.verify.callback_server import ReceivedCallbacks
from kling_contracts.verify.credentials import Keys
from kling_contracts.verify.exchange import Headers
from kling_contracts.verify.model import Requirement, Step, Suite, Verdict
from kling_contracts.verify.plan import Options
from kling_contracts.verify.report import Report
from kling_contracts.verify.runner import run
from kling_contracts.verify.session import Answer
from kling_mock import Fake, ManualClock
from kling_mock.callbacks.model import Callback as FakeCallback
from kling_mock.images.urls import PictureInfo
from tests.contracts.verify.faulty_servers.base import SERVER, Fault, FaultyServer, FaultyTransport
from tests.contracts.verify.faulty_servers.messages import Callback
from tests.profiles import FULL

PLAIN_KEY = "sk-one-0000"
SIGNING_KEY = "ak-one-0000:secret-0000-0000-0000-0000-0000-00"
SECOND_KEY = "sk-two-0000"
SOUND = Fault(name="sound", catches="", description="Nothing is wrong.", make=FaultyServer)


class Inbox(ReceivedCallbacks):
    """A receiver of callbacks without a socket."""

    def url(self, token: str) -> str:
        return f"{SERVER}/callback/{token}"


class Wait:
    """The clock of a run: that of the fake."""

    def __init__(self, clock: ManualClock) -> None:
        self.now = clock.now
        self.sleep: Callable[[float], None] = clock.advance


class Ticking(httpx.BaseTransport):
    """Advances the fake's clock by `seconds` for each request, half before the response and half after."""

    def __init__(self, inner: FaultyTransport, clock: ManualClock, seconds: float) -> None:
        self._inner, self._clock, self._seconds = inner, clock, seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._clock.advance(self._seconds / 2)
        response = self._inner.handle_request(request)
        self._clock.advance(self._seconds / 2)
        return response

    def send(self, method: str, target: str, headers: Headers, body: bytes | None) -> Answer:
        self._clock.advance(self._seconds / 2)
        answer = self._inner.send(method, target, headers, body)
        self._clock.advance(self._seconds / 2)
        return answer


class WithoutHttp:
    """The same without httpx: its requests and responses take most of the time of a run."""

    def __init__(self, inner: Ticking) -> None:
        self.send = inner.send


@dataclass(kw_only=True)
class Served:
    """The server of a run, which stays usable afterwards, and the current receiver of its callbacks."""

    fake: Fake
    transport: FaultyTransport
    clock: ManualClock
    inbox: Inbox
    keys: Keys


# Checks without a verdict on a server that has no limit, or whose errors give no index.
CONDITIONAL: Final = frozenset({"concurrency.freed", "errors.element"})


@dataclass(frozen=True)
class Outcome:
    """The report of a run, and its server."""

    report: Report
    served: Served

    @property
    def found(self) -> set[str]:
        """The ids of the checks that failed. The runs are strict, so assumed rules are included."""
        return {result.check.id for result in self.report.findings}

    @property
    def findings(self) -> str:
        """The findings as text, for the message of a failed test."""
        return "\n".join(
            f"{result.check.id}: {failure.sentence}; expected {failure.expected}; actual {failure.actual}"
            for result in self.report.findings
            for failure in result.failures[:2]
        )

    @property
    def undecided(self) -> set[str]:
        """Unconditional checks without a verdict for other reasons than a missing budget or signing key."""
        expected = (f"needs {Requirement.BUDGET}", f"needs {Requirement.SIGNER}")
        results = self.report.having(Verdict.NOT_RUN, Verdict.INCONCLUSIVE)
        return {
            result.check.id
            for result in results
            if result.check.id not in CONDITIONAL and result.reason not in expected
        }


Campaign = Callable[..., Outcome]


@pytest.fixture
def closed_pipe() -> Iterator[TextIO]:
    """A pipe without a reader: `| head -1` after its first line."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        yield stream


@cache
def _white(width: int, height: int) -> bytes:
    return png(width, height)


def _draw_white(result: PictureInfo) -> bytes:
    return _white(result.width, result.height)


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> Campaign:
    """Runs the verifier. Images are white, because drawing real ones would take most of the time."""
    monkeypatch.setattr(kling_mock.images.draw, "draw_picture", _draw_white)
    return run_campaign


def _light_steps(gateway: Gateway) -> tuple[Step, ...]:
    return tuple(step for step in steps_of(gateway) if not step.name.endswith(".max_bytes"))


@pytest.fixture
def light_campaign(campaign: Campaign) -> Campaign:
    """The same without the requests of 14 MB, which take half of the time."""
    return partial(campaign, suite=replace(SUITE, steps=_light_steps))


def _kind(check_id: str) -> str:
    """The kind of a rule. An unknown model is one of its own, because it has an error of its own."""
    unknown_model = f"refuses.{RefusalReason.UNKNOWN_MODEL}"
    return check_id if check_id == unknown_model else check_id.rpartition(".")[2]


def suite_of(check_ids: Collection[str]) -> Suite:
    """The suite for runs with few checks: without steps that other checks need.

    These steps send bodies of 14 MB, and requests that break rules. Both serve many checks, and would take
    most of the time. If no check is about a rule, one rule of each kind remains.
    """
    large = any(check_id.endswith(".max_bytes") for check_id in check_ids)

    def steps(gateway: Gateway) -> tuple[Step, ...]:
        families = {f"refuses.{family[0].rule.id}": step_of(family) for family in families_of(gateway)}
        kept = {step for check_id, step in families.items() if check_id in check_ids}
        if not kept:
            by_kind = {_kind(check_id): step for check_id, step in reversed(families.items())}
            kept = set(by_kind.values())
        dropped = {*families.values(), REPEATED, OTHERS} - kept
        return tuple(
            step
            for step in steps_of(gateway)
            if step.name not in dropped
            and (large or not any(each.endswith(".max_bytes") for each in step.checks))
        )

    return replace(SUITE, steps=steps)


def _settings(gateway: Gateway) -> dict[str, Any]:
    """Settings of a fake that make it serve a gateway and its main operation."""
    optional = [each.name for route in gateway.routes for each in route.optional]
    known = any(gateway.name == each.name for each in GATEWAYS)
    return {"operations": optional if gateway.main.name in optional else []} | (
        {} if known else {"gateways": (gateway,)}
    )


def serve(
    gateway: Gateway,
    fault: Fault = SOUND,
    *,
    signed: bool = False,
    pace: str = "seconds:0.3,0.5",
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Served:
    """A fake behind a faulty server, with its own clock and two keys.

    `signed`: the first key signs tokens, if the gateway accepts them. `settings` are those of the fake.
    """
    first = SIGNING_KEY if signed and gateway.takes_tokens else PLAIN_KEY
    clock = ManualClock()
    fake = Fake(clock=clock, keys=[first, SECOND_KEY], pace=pace, **_settings(gateway), **settings)
    transport = FaultyTransport(fault, gateway, fake.handle, clock.now)
    keys = Keys(first, SECOND_KEY, takes_tokens=gateway.takes_tokens)
    served = Served(fake=fake, transport=transport, clock=clock, inbox=Inbox(), keys=keys)

    def deliver(callback: FakeCallback) -> int:
        status = 200
        sent = Callback(raw=callback.content, url=callback.url, headers=dict(callback.headers))
        for each in transport.deliver(sent):
            token = each.url.removeprefix(served.inbox.url(""))
            status = max(status, served.inbox.store(token, each.headers, each.content, clock.now()))
        return status

    fake.callbacks.deliver_to(deliver)
    return served


def run_campaign(
    gateway: Gateway,
    fault: Fault = SOUND,
    *,
    images: int | None = 20,
    signed: bool = False,
    pace: str = "seconds:0.3,0.5",
    latency: float = 0.004,
    operation: Operation | None = None,
    suite: Suite = SUITE,
    only: Collection[str] = (),
    strict: bool = True,
    settings: Mapping[str, Any] = MappingProxyType({}),
    httpx: bool = FULL,
) -> Outcome:
    """Run all checks, or `only` some, against a fake behind a faulty server, with two keys.

    `httpx`: requests and responses pass through it, as in use.
    """
    target = gateway if operation is None else gateway.focused(operation)
    served = serve(target, fault, signed=signed, pace=pace, settings=settings)
    keys = served.keys
    options = Options(
        base_url=SERVER,
        api_key=keys.first_key,
        second_api_key=keys.second_key,
        gateway=gateway,
        operation=operation,
        max_images=images,
        only=tuple(only),
        strict=strict,
    )
    ticking = Ticking(served.transport, served.clock, latency)
    report = run(
        options,
        suite,
        transport=ticking if httpx else WithoutHttp(ticking),
        waiter=Wait(served.clock),
        inbox=served.inbox,
        run_id="r1",
    )
    served.fake.check()
    return Outcome(report, served)
