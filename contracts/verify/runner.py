"""Runs a campaign against one server and judges what was seen."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import httpx

from contracts.gateways import COMETAPI, Gateway
from contracts.verify.budget import Budget, OverBudget
from contracts.verify.catalogue import checks_of, steps_of
from contracts.verify.check import Check, Hearing, Need, Result, Verdict
from contracts.verify.evidence import Evidence
from contracts.verify.exchange import Exchange, Probe
from contracts.verify.keys import Keys
from contracts.verify.known import Deviation, unused
from contracts.verify.receiver import Inbox, Receiver
from contracts.verify.session import Session, SystemWaiter, Waiter
from contracts.verify.step import Step
from contracts.verify.wire import Wire, is_loopback

DEADLINE = 300.0
HEALTH_PATH = "/_mock/health"
# What a step may find missing that the user decided on: it changes nothing about the exit code.
OWN_CHOICE = frozenset({Need.BUDGET, Need.SECOND_KEY, Need.SIGNER, Need.RECEIVER, Need.CHOSEN})


class Unreachable(Exception):
    """The server does not answer, or refuses the key. The text says which."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to verify and with what. `max_tasks` is in images; None: 0, or no limit at a proven kling-mock.

    `only` are ids or patterns of checks, none: all. `deadline` is in seconds.
    """

    base_url: str
    api_key: str
    second_api_key: str | None = None
    gateway: Gateway = COMETAPI
    max_tasks: int | None = None
    deadline: float = DEADLINE
    only: Collection[str] = ()
    known: Sequence[Deviation] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A step as it will run, or the need because of which it will not."""

    step: Step
    missing: Need | None
    spent_before: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run has shown.

    `images` were spent of `limit` (None: no limit); `seconds` is how long it took.
    """

    options: Options
    results: tuple[Result, ...]
    evidence: Evidence
    images: int
    limit: int | None
    mock: bool
    started: float
    seconds: float
    plan: tuple[Planned, ...]
    interrupted: bool = False
    unused_known: tuple[Deviation, ...] = ()

    def having(self, *verdicts: Verdict) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.verdict in verdicts)

    @property
    def findings(self) -> tuple[Result, ...]:
        """The checks that failed."""
        return self.having(Verdict.FAIL)


@dataclass
class Progress:
    """What a run tells while it goes on. The methods do nothing here."""

    exchanges: int = field(default=0, init=False)

    def step(self, step: Step, position: int, total: int) -> None:
        """A step begins."""

    def sent(self, exchange: Exchange) -> None:  # noqa: ARG002 -- for those who show it
        """A request was answered."""
        self.exchanges += 1


def plan(options: Options, *, mock: bool = False, receiver: bool | None = None) -> tuple[Planned, ...]:
    """What a run would do, in order. `mock`: as against a proven kling-mock."""
    limit = _limit(options, mock=mock)
    missing = _missing(options, is_loopback(options.base_url) if receiver is None else receiver)
    planned: list[Planned] = []
    spent = 0
    steps = steps_of(options.gateway)
    for at, step in enumerate(steps):
        need = next(iter(sorted(step.needs & missing)), None)
        if need is None and not _chosen(step, options):
            need = Need.CHOSEN
        # What is no must leaves enough for all musts that follow.
        spared = 0 if step.must else _wanted(steps[at + 1 :], missing)
        if need is None and step.reserves and limit is not None and spent + step.reserves + spared > limit:
            need = Need.BUDGET
        planned.append(Planned(step=step, missing=need, spent_before=spent))
        spent += 0 if need else step.keeps
    return tuple(planned)


def _wanted(steps: Sequence[Step], missing: frozenset[Need]) -> int:
    """How many images the musts among these steps take."""
    kept = most = 0
    for step in steps:
        if step.must and not step.needs & missing:
            most = max(most, kept + step.reserves)
            kept += step.keeps
    return max(most, kept)


def verify(  # noqa: PLR0913 -- what a test may replace
    options: Options,
    *,
    transport: httpx.BaseTransport | None = None,
    waiter: Waiter | None = None,
    inbox: Inbox | None = None,
    progress: Progress | None = None,
    run: str | None = None,
) -> Report:
    """Verify a server. Raises Unreachable, or ValueError for options that make no sense.

    `transport`, `waiter` and `inbox` replace the network, system time and the receiver of callbacks; `run`
    is the mark in external ids, random if not given.
    """
    waiter, progress = waiter or SystemWaiter(), progress or Progress()
    evidence = Evidence(gateway=options.gateway, run=run or secrets.token_hex(4), seed=options.seed)
    started = waiter.now()
    with ExitStack() as open_things:
        wire = Wire(options.base_url, transport)
        open_things.callback(wire.close)
        if inbox is None and is_loopback(options.base_url):
            inbox = open_things.enter_context(Receiver(waiter.now))
        session = Session(
            wire=wire,
            keys=Keys(options.api_key, options.second_api_key, options.gateway.takes_tokens),
            budget=Budget(0),
            evidence=evidence,
            waiter=waiter,
            deadline=options.deadline,
            inbox=inbox,
            sent=progress.sent,
        )
        mock = _reach(session)
        limit = session.budget.limit = _limit(options, mock=mock)
        planned = plan(options, mock=mock, receiver=inbox is not None)
        planned, interrupted = _run(session, planned, progress)
        session.collect()
    return judged(
        options,
        evidence,
        planned,
        images=session.budget.spent,
        limit=limit,
        mock=mock,
        started=started,
        seconds=waiter.now() - started,
        interrupted=interrupted,
    )


def judged(options: Options, evidence: Evidence, planned: tuple[Planned, ...], **about: object) -> Report:
    """The report on some evidence; `about` are the fields of `Report` that tell of the run."""
    results = tuple(_judge(check, evidence, planned, options.known) for check in checks_of(options.gateway))
    chosen = tuple(result for result in results if _asked_for(result.check, options))
    return Report(
        options=options,
        results=chosen,
        evidence=evidence,
        plan=planned,
        unused_known=unused(options.known, results),
        **about,  # type: ignore[arg-type]
    )


def _reach(session: Session) -> bool:
    """Whether the server is a kling-mock, by its own word. Raises Unreachable."""
    health = session.send(Probe("health"), "GET", HEALTH_PATH, key=None)
    if not health.answered:
        raise Unreachable(f"no answer: {health.failure}")
    first = session.query("unknown", f"kc-{session.evidence.run}-nobody", "to see if the key is taken")
    if not first.answered:
        raise Unreachable(f"no answer: {first.failure}")
    if first.status in (401, 403):
        raise Unreachable(f"the key is refused: {first.shown}")
    return health.status == 200 and health.json_object.get("server") == "kling-mock"


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
                    missing = Need.TIME
                else:
                    each.step.run(session)
            except OverBudget:
                missing = Need.BUDGET
            except KeyboardInterrupt:
                rest = planned[len(done) :]
                stopped = [Planned(step=it.step, missing=Need.TIME, spent_before=0) for it in rest]
                return (*done, *stopped), True
        done.append(Planned(step=each.step, missing=missing, spent_before=each.spent_before))
    return tuple(done), False


def _judge(
    check: Check, evidence: Evidence, planned: Iterable[Planned], known: Sequence[Deviation]
) -> Result:
    hearing = Hearing()
    check.judge(evidence, hearing)
    if hearing.examples:
        deviation = next((each for each in known if each.covers(check.id)), None)
        verdict = Verdict.FAIL if deviation is None else Verdict.KNOWN
        reason = "" if deviation is None else deviation.reason
        return Result(
            check=check,
            verdict=verdict,
            examined=hearing.examined,
            examples=tuple(hearing.examples),
            reason=reason,
        )
    if hearing.examined:
        return Result(check=check, verdict=Verdict.PASS, examined=hearing.examined)
    missing = [each.missing for each in planned if each.missing and each.step.serves(check.id)]
    if missing:
        return Result(check=check, verdict=Verdict.NOT_RUN, reason=f"needs {missing[0]}")
    return Result(check=check, verdict=Verdict.INCONCLUSIVE, reason="its premise never held")


def _limit(options: Options, *, mock: bool) -> int | None:
    if options.max_tasks is not None:
        return options.max_tasks
    return None if mock else 0


def _missing(options: Options, receiver: bool) -> frozenset[Need]:  # noqa: FBT001 -- one of three facts
    absent = {
        Need.SECOND_KEY: options.second_api_key is not None,
        Need.SIGNER: options.gateway.takes_tokens and ":" in options.api_key,
        Need.RECEIVER: receiver,
    }
    return frozenset(need for need, there in absent.items() if not there)


def _chosen(step: Step, options: Options) -> bool:
    return not options.only or any(
        step.serves(check.id) for check in checks_of(options.gateway) if _asked_for(check, options)
    )


def _asked_for(check: Check, options: Options) -> bool:
    return not options.only or any(fnmatchcase(check.id, pattern) for pattern in options.only)
