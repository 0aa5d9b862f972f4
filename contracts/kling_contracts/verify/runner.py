"""Runs the steps against one server and judges the evidence."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import replace

import httpx

from kling_contracts.connection_advice import connection_advice
from kling_contracts.explained_error import ExplainedError
from kling_contracts.verify.budget import Budget, OverBudget
from kling_contracts.verify.busy import Busy
from kling_contracts.verify.callback_server import CallbackInbox, CallbackServer
from kling_contracts.verify.credentials import Keys
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.model import Requirement, Step, Suite
from kling_contracts.verify.plan import Options, Planned, address_problem, is_loopback, limit_of, plan
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.recorder import Recorder
from kling_contracts.verify.report import Report, RunInfo, judged
from kling_contracts.verify.session import OutOfTime, Session, SystemWaiter, Transport, Waiter
from kling_contracts.verify.transport import HttpTransport
from kling_contracts.vocabulary import HEALTH_PATH

# Seconds, or a tenth of the deadline, that are left to judge the evidence and to write the reports.
_REPORTING = 3.0


class Unreachable(ExplainedError):
    """The server does not answer, or refuses the key; the message names the reason."""


class Progress:
    """Receives the progress of a run. The methods do nothing here."""

    def step(self, step: Step, position: int, total: int) -> None:
        """A step begins."""

    def seen(self, evidence: Evidence) -> None:
        """There is more evidence."""


def run(  # noqa: PLR0913 -- each is replaced by some test
    options: Options,
    suite: Suite,
    *,
    transport: httpx.BaseTransport | Transport | None = None,
    waiter: Waiter | None = None,
    inbox: CallbackInbox | None = None,
    progress: Progress | None = None,
    recorder: Recorder | None = None,
    run_id: str | None = None,
) -> Report:
    """Verify a server.

    `transport`, `waiter` and `inbox` replace the network, system time and the receiver of callbacks; a
    transport of httpx replaces only the connection. `run_id` is part of all external ids of the run; random
    by default. `recorder` records the run while it goes on.

    Raises Unreachable; ValueError for an invalid base URL; LookupError for an operation that the gateway does
    not offer.
    """
    problem = address_problem(options.base_url)
    if problem:
        raise ValueError(f"base_url: {problem}")
    waiter, progress = waiter or SystemWaiter(), progress or Progress()
    evidence = Evidence(
        gateway=options.target,
        run=run_id or secrets.token_hex(4),
        seed=options.seed,
        signed=_signing(options),
    )

    def seen(evidence: Evidence) -> None:
        progress.seen(evidence)
        if recorder is not None:
            recorder.go_on(evidence)

    started = waiter.now()
    # The rest of the deadline is for judging and for the reports.
    until = started + options.deadline - min(_REPORTING, options.deadline / 10)
    with ExitStack() as open_things:
        if transport is None or isinstance(transport, httpx.BaseTransport):
            transport = HttpTransport(options.base_url, transport, time_left=lambda: until - waiter.now())
            open_things.callback(transport.close)
        if inbox is None and is_loopback(options.base_url):
            inbox = open_things.enter_context(CallbackServer(waiter.now))
        session = Session(
            transport=transport,
            keys=Keys(options.api_key, options.second_api_key, options.gateway.takes_tokens),
            budget=Budget(0),
            evidence=evidence,
            waiter=waiter,
            until=until,
            inbox=inbox,
            seen=seen,
        )
        mock = _reach(session, options.deadline)
        limit = session.budget.limit = limit_of(options, mock=mock)
        planned = plan(options, suite, mock=mock, receiver=inbox is not None)
        run_info = RunInfo(limit=limit, mock=mock, started=started)
        if recorder is not None:
            open_things.callback(recorder.close)
            recorder.begin(options, evidence, run_info, planned)
        planned, interrupted = _run(session, planned, progress)
        session.collect()
        seconds = waiter.now() - started
        run_info = replace(run_info, images=session.budget.spent, seconds=seconds, interrupted=interrupted)
        if recorder is not None:
            recorder.go_on(evidence)  # Ctrl-C may have prevented writing the last exchange
            recorder.end(run_info, planned)
    return judged(options, suite.checks(options.target), evidence, planned, run_info)


def _signing(options: Options) -> frozenset[str]:
    """The keys (`first`, `second`) that are an access and a secret key, so that tokens are signed."""
    keys = {"first": options.api_key, "second": options.second_api_key or ""}
    return frozenset(name for name, key in keys.items() if options.gateway.takes_tokens and ":" in key)


def _reach(session: Session, deadline: float) -> bool:
    """Whether the health endpoint identifies the server as kling-mock. Raises Unreachable."""
    try:
        return _identify(session)
    except OutOfTime:
        raise Unreachable(
            f"no answer within --deadline ({deadline:g} s); check that the server is running"
        ) from None
    except Busy as error:
        raise Unreachable(f"the server is busy: {error}; try again later") from None


def _identify(session: Session) -> bool:
    """Whether the server is a kling-mock, from the first two requests: health, and a query with the key."""
    health = session.send(Probe(ProbeKind.HEALTH), "GET", HEALTH_PATH)
    if not health.answered:
        advice = connection_advice(health.failure) or "check --base-url and that the server is running"
        raise Unreachable(f"no answer: {health.failure}; {advice}")
    first = session.query(ProbeKind.UNKNOWN_ID, session.unknown_id, "whether the key is accepted")
    if not first.answered:
        raise Unreachable(f"no answer: {first.failure}")
    if first.status in (401, 403):
        raise Unreachable(f"the key is refused: {first.shown}; check --api-key and --gateway")
    return session.evidence.mock


def _run(
    session: Session, planned: tuple[Planned, ...], progress: Progress
) -> tuple[tuple[Planned, ...], bool]:
    done: list[Planned] = []
    running = [each for each in planned if each.missing is None]
    for each in planned:
        missing = each.missing
        if missing is None:
            progress.step(each.step, running.index(each), len(running))
            try:
                if session.time_left <= 0:
                    missing = Requirement.TIME
                else:
                    each.step.run(session)
                    session.collect()
            except OverBudget:
                missing = Requirement.BUDGET
            except OutOfTime:
                missing = Requirement.TIME
            except Busy:
                missing = Requirement.CAPACITY
            except KeyboardInterrupt:
                rest = planned[len(done) :]
                stopped = [
                    Planned(step=it.step, missing=it.missing or Requirement.REST, spent_before=0)
                    for it in rest
                ]
                return (*done, *stopped), True
        done.append(Planned(step=each.step, missing=missing, spent_before=each.spent_before))
    return tuple(done), False
