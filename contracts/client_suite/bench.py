"""Where a client is put to the test: calls it, watches the wire meanwhile, and tells what was wrong."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, NoReturn, Self, TypeVar, cast

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from contracts.client_suite.adapter import ClientAdapter, Outcome, Service
from contracts.client_suite.isolation import Isolation
from contracts.client_suite.scripts import PICTURES, Script, answer
from contracts.client_suite.stand_in import Manner, Received, Reply, StandIn
from contracts.client_suite.virtual_time import OutOfTime, RealTimeThread, VirtualTime
from contracts.gateways import Gateway
from contracts.operations import Operation
from contracts.rules import Rule
from contracts.vocabulary import Source

T = TypeVar("T")

KEY: Final = "sk-client-suite-5f0c1e7a9b3d"
TIMEOUT: Final = 30.0
# Bodies are large, and clients take their time.
_PATIENT: Final = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
# So many requests in one call, and the client is taken for one that never stops.
MANY: Final = 3000
# What is still going on in threads of the client is watched for so long, in real seconds.
_AFTERMATH: Final = 0.2


class Broken(Exception):
    """A property does not hold. `rule` is the rule of the contract that is concerned, if it is one."""

    def __init__(
        self, expected: str, seen: str, *, given: object = None, rule: Rule | None = None, tag: str = ""
    ) -> None:
        super().__init__(f"expected {expected}, seen {seen}")
        self.expected, self.seen, self.given, self.rule, self.tag = expected, seen, given, rule, tag


class Inconclusive(Exception):
    """A property could not be looked at: something that it stands on is broken, and told elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call of the adapter: what it returned or raised, what was sent meanwhile, and how long it took.

    `seconds` are virtual where the client lives in virtual time. `overdue` tells that the suite ended it,
    `late` counts the requests that came after it.
    """

    value: object = None
    error: BaseException | None = None
    requests: tuple[Received, ...] = ()
    seconds: float = 0.0
    overdue: bool = False
    late: int = 0

    @property
    def creates(self) -> list[Received]:
        return [request for request in self.requests if request.method == "POST"]

    @property
    def queries(self) -> list[Received]:
        return [each for each in self.requests if each.method == "GET" and not each.path.startswith(PICTURES)]

    @property
    def outcome(self) -> Outcome | None:
        return self.value if isinstance(self.value, Outcome) else None

    @property
    def status(self) -> str:
        return str(self.outcome.status) if self.outcome else ""

    def says(self, text: str) -> bool:
        """Whether the caller gets to see a text, in what was returned or raised."""
        told = str(self.outcome.message) if self.outcome else self.complaint
        return text in told

    @property
    def complaint(self) -> str:
        """All that an exception says, its causes and notes included."""
        return "" if self.error is None else "".join(traceback.format_exception(self.error))

    def __str__(self) -> str:
        if self.overdue:
            return f"a call that the suite had to end after {self.seconds:.0f} s"
        if self.error is None:
            return f"the return of {self.value!r}"
        return f"{type(self.error).__name__}: {str(self.error)[:300]}"


@dataclass
class Bench:
    """One client, one stand-in, one gateway; entered once for each property."""

    adapter: ClientAdapter
    gateway: Gateway
    examples: int
    request: pytest.FixtureRequest
    timeout: float = TIMEOUT
    clock: VirtualTime = field(default_factory=VirtualTime)
    creates: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.script = Script(self.gateway)
        self._stack.enter_context(Isolation())
        self.stand_in = self._stack.enter_context(StandIn(self._answer))
        if self.adapter.virtual_time:
            self._stack.enter_context(self.clock)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self.stand_in.failure is not None:
            raise self.stand_in.failure

    @property
    def operation(self) -> Operation:
        return self.gateway.routes[0].operations[0]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.stand_in.port}"

    @property
    def pictures(self) -> str:
        """Where pictures are: for a client this is another host."""
        return f"http://localhost:{self.stand_in.port}"

    @property
    def service(self) -> Service:
        return Service(base_url=self.origin, api_key=KEY, gateway=self.gateway, timeout=self.timeout)

    def play(
        self, *, creates: Sequence[Reply] = (), queries: Sequence[Reply] = (), accepts: bool = True
    ) -> Script:
        """Begin a new script."""
        self.script = Script(self.gateway, creates=creates, queries=queries, accepts=accepts)
        self.stand_in.requests.clear()
        return self.script

    def submit(self, body: dict[str, object]) -> Attempt:
        return self._call(lambda: self.adapter.submit(self.service, body))

    def query(self, task_id: str) -> Attempt:
        return _require_outcome(self._call(lambda: self.adapter.query(self.service, task_id)), "query")

    def wait(self, task_id: str, deadline: float) -> Attempt:
        call = self._call(lambda: self.adapter.wait(self.service, task_id, deadline), limit=2 * deadline + 60)
        return _require_outcome(call, "wait")

    def fetch(self, url: str) -> Attempt:
        return self._call(lambda: self.adapter.fetch(self.service, url))

    def capture(self) -> pytest.CaptureFixture[str]:
        """What is printed from now on, in this process and those it starts."""
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
        if len(self.stand_in.requests) > MANY:
            self.clock.overdue = True
            return answer(None, manner=Manner.DROPPED)
        reply = self.script(request)
        self.clock.advance(reply.seconds)
        return reply

    def _call(self, call: Callable[[], object], limit: float = 3600.0) -> Attempt:
        self.stand_in.requests.clear()
        clock = self.clock
        clock.overdue, began, threads = False, self._now(), set(threading.enumerate())
        clock.limit = clock.elapsed + limit
        value: object = None
        error: BaseException | None = None
        try:
            value = call()
            if inspect.isawaitable(value):
                value = asyncio.run(_awaited(cast("Awaitable[object]", value)))
        except (Exception, SystemExit, OutOfTime) as raised:  # noqa: BLE001 -- judged, whatever it is
            error = raised
        seconds = self._now() - began
        if error is not None:
            self.stand_in.settle()
        requests = tuple(self.stand_in.requests)
        self.creates += sum(request.method == "POST" for request in requests)
        self._watch_aftermath(threads)
        return Attempt(
            value=value,
            error=error,
            requests=requests,
            seconds=seconds,
            overdue=clock.overdue,
            late=len(self.stand_in.requests) - len(requests),
        )

    def _now(self) -> float:
        return self.clock.elapsed if self.adapter.virtual_time else time.perf_counter()

    def _watch_aftermath(self, before: set[threading.Thread]) -> None:
        """Give threads that the call left behind the time to be seen sending."""
        for thread in set(threading.enumerate()) - before:
            if not isinstance(thread, RealTimeThread):
                thread.join(_AFTERMATH)


async def _awaited(value: Awaitable[object]) -> object:
    return await value


def _require_outcome(attempt: Attempt, method: str) -> Attempt:
    if attempt.error is None and attempt.outcome is None:
        fault(f"that the adapter's {method} returns an Outcome", attempt)
    return attempt


def fault(expected: str, seen: object, *, rule: Rule | None = None, tag: str = "") -> NoReturn:
    """Say that a property is broken."""
    raise Broken(expected, str(seen), rule=rule, tag=tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One thing that is asked of a client.

    `id` is stable; `sentence` says what holds, `source` where the contract has it from. `skip` is why it
    cannot be looked at for an adapter, if it cannot.
    """

    id: str
    sentence: str
    source: Source
    check: Callable[[Bench], None]
    skip: str = ""

    @property
    def name(self) -> str:
        """The id without what is in brackets."""
        return self.id.partition("[")[0]
