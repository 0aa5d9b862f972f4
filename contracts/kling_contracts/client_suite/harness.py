"""The harness of a client under test: calls it, records its requests, reports what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from kling_contracts.client_suite.adapter import ClientAdapter, Service
from kling_contracts.client_suite.attempts import Attempt, attempted
from kling_contracts.client_suite.credentials import ACCESS_KEY, KEY, SECRET_KEY
from kling_contracts.client_suite.environment import Environment, Isolation
from kling_contracts.client_suite.replies import Script, answer
from kling_contracts.client_suite.server import Delivery, Received, Reply
from kling_contracts.client_suite.virtual_time import VirtualTime
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.rules import Rule
from kling_contracts.vocabulary import Source

T = TypeVar("T")

TIMEOUT: Final = 30.0
# Bodies are large, and clients take their time.
_PATIENT: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
# A client that sends more requests than this in one call never stops by itself.
MANY: Final = 3000
# A client whose waiting takes longer than this in real seconds does not live in virtual time.
_MOST_REAL_SECONDS: Final = 15.0


class Broken(Exception):
    """A property does not hold. `rule` is the rule of the contract that is concerned, if it is one."""

    def __init__(
        self, expected: str, seen: str, *, given: object = None, rule: Rule | None = None, tag: str = ""
    ) -> None:
        super().__init__(f"expected {expected}, seen {seen}")
        self.expected, self.seen, self.given, self.rule, self.tag = expected, seen, given, rule, tag


class Inconclusive(Exception):
    """A property could not be checked: it depends on something broken that another property reports."""


@dataclass
class Harness:
    """One client, one gateway and one environment; entered once for each property."""

    adapter: ClientAdapter
    gateway: Gateway
    environment: Environment
    request: pytest.FixtureRequest
    examples: int
    timeout: float = TIMEOUT
    creates: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.script = Script(self.gateway)
        self._stack.enter_context(Isolation())
        self._stack.enter_context(self.environment.connections)
        self.server = self.environment.open_server(self._answer, self._now)
        if self.adapter.virtual_time:
            self._stack.enter_context(self.clock)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self.server.failure is not None:
            raise self.server.failure

    @property
    def clock(self) -> VirtualTime:
        return self.environment.clock

    @property
    def operation(self) -> Operation:
        return self.gateway.main

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def pictures(self) -> str:
        """Where pictures are: for a client this is another host."""
        return f"http://localhost:{self.server.port}"

    @property
    def service(self) -> Service:
        return Service(
            base_url=self.origin,
            api_key=KEY,
            gateway=self.gateway,
            timeout=self.timeout,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
        )

    def answer_with(
        self, *, creates: Sequence[Reply] = (), queries: Sequence[Reply] = (), accepts: bool = True
    ) -> Script:
        """Begin a new script."""
        self.script = Script(self.gateway, creates=creates, queries=queries, accepts=accepts)
        self.server.requests.clear()
        return self.script

    def submit(self, body: dict[str, object]) -> Attempt:
        return self._call(lambda: self.adapter.submit(self.service, body))

    def query(self, task_id: str) -> Attempt:
        return _require_outcome(self._call(lambda: self.adapter.query(self.service, task_id)), "query")

    def wait(self, task_id: str, deadline: float, *, interruption: float = float("inf")) -> Attempt:
        """Let the client wait; interrupt it after `interruption` seconds."""
        began = time.perf_counter()
        call = self._call(
            lambda: self.adapter.wait(self.service, task_id, deadline),
            limit=2 * deadline + 60,
            interruption=interruption,
        )
        took = time.perf_counter() - began
        if self.adapter.virtual_time and took > _MOST_REAL_SECONDS and took > call.seconds / 2:
            fault(
                "a client that waits by `time.sleep`, `asyncio.sleep`, a timer of its loop or `Event.wait`",
                f"waiting that took {took:.0f} real seconds: set `virtual_time = False`, "
                "and the suite waits for shorter times",
            )
        return _require_outcome(call, "wait")

    def fetch(self, url: str) -> Attempt:
        return self._call(lambda: self.adapter.fetch(self.service, url))

    def capture(self) -> pytest.CaptureFixture[str]:
        """The output from now on of this process and of those that it starts."""
        fixture: pytest.CaptureFixture[str] = self.request.getfixturevalue("capfd")
        return fixture

    def for_all(
        self, values: st.SearchStrategy[T], check: Callable[[T], None], examples: int | None = None
    ) -> None:
        """Check that something holds for values; what is raised is about the smallest that breaks it."""
        found: list[Broken] = []

        def judge(value: T) -> None:
            try:
                check(value)
            except Broken as broken:
                broken.given = value if broken.given is None else broken.given
                found.append(broken)
                raise

        run = settings(
            max_examples=self.examples if examples is None else examples,
            derandomize=True,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=_PATIENT,
        )(given(values)(judge))
        try:
            run()
        except Flaky as error:
            if not found:
                raise
            first = found[0]
            seen = f"{first.seen} (not every time: the client keeps something from one call to the next)"
            raise Broken(first.expected, seen, given=first.given, rule=first.rule, tag=first.tag) from error

    def _answer(self, request: Received) -> Reply:
        if len(self.server.requests) > MANY:
            self.clock.overdue = True
            return answer(None, delivery=Delivery.DROPPED)
        reply = self.script(request)
        self.clock.advance(reply.seconds)
        return reply

    def _call(
        self, call: Callable[[], object], limit: float = 3600.0, interruption: float = float("inf")
    ) -> Attempt:
        attempt = attempted(call, self.environment, self._now, limit=limit, interruption=interruption)
        self.creates += len(attempt.creates)
        return attempt

    def _now(self) -> float:
        return self.clock.elapsed if self.adapter.virtual_time else time.perf_counter()


def _require_outcome(attempt: Attempt, method: str) -> Attempt:
    if attempt.error is None and attempt.outcome is None:
        fault(f"that the adapter's {method} returns an Outcome", attempt)
    return attempt


def fault(expected: str, seen: object, *, rule: Rule | None = None, tag: str = "") -> NoReturn:
    """Report that a property is broken. Raises Broken."""
    raise Broken(expected, str(seen), rule=rule, tag=tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One thing that is asked of a client.

    `id` is stable; `sentence` describes it, `source` is the evidence in the contract. `hint` says
    what to do about a client for which it does not hold, `skip` why an adapter cannot be asked for it.
    """

    id: str
    sentence: str
    source: Source
    check: Callable[[Harness], None]
    hint: str
    skip: str = ""

    @property
    def name(self) -> str:
        """The id without what is in brackets."""
        return self.id.partition("[")[0]
