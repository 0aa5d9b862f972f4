"""The harness of a client under test: calls the adapter, records requests, reports broken properties."""

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
from kling_contracts.client_suite.attempts import NEVER, Attempt, attempted
from kling_contracts.client_suite.credentials import ACCESS_KEY, KEY, SECRET_KEY
from kling_contracts.client_suite.environment import Environment, Isolation
from kling_contracts.client_suite.replies import Script, answer
from kling_contracts.client_suite.server import Delivery, Received, Reply
from kling_contracts.client_suite.virtual_time import ClientTime
from kling_contracts.gateways import Gateway
from kling_contracts.operations import Operation
from kling_contracts.rules import Rule
from kling_contracts.vocabulary import TERMINAL, Source

T = TypeVar("T")

TIMEOUT: Final = 30.0
# Seconds. The deadline of a wait whose length does not matter; the second one for clients in real time.
DEADLINE: Final = 60.0
REAL_DEADLINE: Final = 1.0
# Bodies are large and clients may be slow.
_SUPPRESSED: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
# A client that sends more requests in one call is considered endless and is stopped.
MANY: Final = 3000
# A client that waits for more real seconds does not wait in virtual time.
_MOST_REAL_SECONDS: Final = 15.0


class Broken(Exception):
    """A property does not hold. `rule` is the contract's rule concerned, if any; `tag` describes the case."""

    def __init__(
        self, expected: str, seen: str, *, given: object = None, rule: Rule | None = None, tag: str = ""
    ) -> None:
        super().__init__(f"expected {expected}, seen {seen}")
        self.expected, self.seen, self.given, self.rule, self.tag = expected, seen, given, rule, tag


class Inconclusive(Exception):
    """A property could not be checked, for example because a property that it depends on is broken."""


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
    def clock(self) -> ClientTime:
        return self.environment.clock

    @property
    def operation(self) -> Operation:
        return self.gateway.main

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def pictures(self) -> str:
        """The origin of result images, for the client a different host."""
        return f"http://localhost:{self.server.port}"

    @property
    def deadline(self) -> float:
        """The deadline of a wait, in seconds, where no property depends on its length."""
        return DEADLINE if self.adapter.virtual_time else REAL_DEADLINE

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
        """Start a new script of replies, and clear the recorded requests."""
        self.script = Script(self.gateway, creates=creates, queries=queries, accepts=accepts)
        self.server.requests.clear()
        return self.script

    def submit(self, body: dict[str, object]) -> Attempt:
        return self._call(lambda: self.adapter.submit(self.service, body))

    def query(self, task_id: str) -> Attempt:
        return _require_outcome(self._call(lambda: self.adapter.query(self.service, task_id)), "query")

    def wait(self, task_id: str, deadline: float, *, interruption: float = NEVER) -> Attempt:
        """Call the adapter's `wait`; interrupt it after `interruption` seconds."""
        began = time.perf_counter()
        call = self._call(
            lambda: self.adapter.wait(self.service, task_id, deadline),
            limit=2 * deadline + 60,
            interruption=interruption,
        )
        took = time.perf_counter() - began
        if self.adapter.virtual_time and took > _MOST_REAL_SECONDS and took > call.seconds / 2:
            fault(
                "waiting by `time.sleep`, `asyncio.sleep`, a timer of the event loop or `Event.wait`",
                f"a wait of {took:.0f} real seconds; with `virtual_time = False` the suite uses shorter "
                "deadlines",
            )
        return _require_outcome(call, "wait")

    def fetch(self, url: str) -> Attempt:
        return self._call(lambda: self.adapter.fetch(self.service, url))

    def capture(self) -> pytest.CaptureFixture[str]:
        """Capture the output of this process and its child processes from now on."""
        fixture: pytest.CaptureFixture[str] = self.request.getfixturevalue("capfd")
        return fixture

    def for_all(
        self, values: st.SearchStrategy[T], check: Callable[[T], None], examples: int | None = None
    ) -> None:
        """Check drawn values. Raises Broken with the smallest value for which `check` raises it."""
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
            suppress_health_check=_SUPPRESSED,
        )(given(values)(judge))
        try:
            run()
        except Flaky as error:
            if not found:
                raise
            first = found[0]
            seen = f"{first.seen} (not every time: the client keeps state between calls)"
            raise Broken(first.expected, seen, given=first.given, rule=first.rule, tag=first.tag) from error

    def _answer(self, request: Received) -> Reply:
        if len(self.server.requests) > MANY:
            self.clock.overdue = True
            return answer(None, delivery=Delivery.DROPPED)
        reply = self.script(request)
        self.clock.advance(reply.seconds)
        return reply

    def _call(
        self, call: Callable[[], object], limit: float = 3600.0, interruption: float = NEVER
    ) -> Attempt:
        attempt = attempted(call, self.environment, self._now, limit=limit, interruption=interruption)
        self.creates += len(attempt.creates)
        return attempt

    def _now(self) -> float:
        return self.clock.elapsed if self.adapter.virtual_time else time.perf_counter()


def _require_outcome(attempt: Attempt, method: str) -> Attempt:
    if attempt.error is None and attempt.outcome is None:
        fault(f"an Outcome, returned by the adapter's {method}", attempt)
    return attempt


def fault(expected: str, seen: object, *, rule: Rule | None = None, tag: str = "") -> NoReturn:
    """Raise Broken: the property does not hold."""
    raise Broken(expected, str(seen), rule=rule, tag=tag)


def require_create(attempt: Attempt, *, rule: Rule | None = None, tag: str = "") -> None:
    """Raise Broken if the call sent no create."""
    if not attempt.creates:
        fault("a create on the wire", attempt, rule=rule, tag=tag)


def require_error(attempt: Attempt, expected: str = "an error", *, tag: str = "") -> None:
    """Raise Broken if the caller got no error."""
    if attempt.error is None or attempt.overdue:
        fault(expected, attempt, tag=tag)


def require_no_end(attempt: Attempt, expected: str, *, tag: str = "") -> None:
    """Raise Broken if the caller got an end of the task."""
    if attempt.error is None and attempt.status in TERMINAL:
        fault(expected, attempt, tag=tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A property that a correct client has.

    `id` is stable, `sentence` states the property, `source` is its evidence in the contract. `hint` is the
    advice for a client that breaks it, `skip` the reason why it does not apply to an adapter (or empty).
    """

    id: str
    sentence: str
    source: Source
    check: Callable[[Harness], None]
    hint: str
    skip: str = ""

    @property
    def name(self) -> str:
        """The id without its part in brackets."""
        return self.id.partition("[")[0]
