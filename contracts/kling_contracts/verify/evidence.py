"""The evidence of a run or a recording: exchanges, callbacks, and the histories of tasks in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from kling_contracts.gateways import COMETAPI, Gateway
from kling_contracts.messages import TaskMessage
from kling_contracts.operations import Operation
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.vocabulary import ResultKind

# The kinds of queries for existing tasks by task id.
READS: Final = (ProbeKind.POLL, ProbeKind.AGAIN, ProbeKind.BURST, ProbeKind.FIRST_POLL, ProbeKind.LISTED)


@dataclass(frozen=True)
class Observation:
    """A task as one exchange or callback showed it."""

    task: TaskMessage
    shown: Exchange | Delivery

    @property
    def at(self) -> float:
        return self.shown.received_at


@dataclass(frozen=True)
class TaskHistory:
    """A created task: the exchange that created it, and every answer to a query about it, oldest first.

    `kind` is the kind of its results; `synchronous`: the answer to the create shows the terminal state.
    """

    created: Exchange
    reads: tuple[Observation, ...]
    kind: ResultKind = ResultKind.IMAGES
    synchronous: bool = False

    @cached_property
    def observations(self) -> tuple[Observation, ...]:
        """The create answer, then the reads."""
        first = (Observation(self.created.task, self.created),) if self.created.task else ()
        return (*first, *self.reads)

    @property
    def states(self) -> tuple[Observation, ...]:
        """The observations of states: the reads; for synchronous operations the create answer as well."""
        return self.observations if self.synchronous else self.reads

    @property
    def id(self) -> str:
        return self.created.task.task_id if self.created.task else ""

    @property
    def images(self) -> int:
        """The number of results requested."""
        wanted = self.created.asked_object.get("n")
        return int(wanted) if isinstance(wanted, int | float) and wanted else 1

    @property
    def end(self) -> Observation | None:
        """The first observation of a terminal state, or None."""
        return next((each for each in self.states if _terminal(each.task)), None)

    @property
    def duration(self) -> float:
        """The duration in seconds by the server's timestamps; 0 if no end was observed."""
        if self.end is None:
            return 0.0
        task = self.end.task
        return max((task.updated_at or 0) - (task.created_at or 0), 0) / 1000


def _terminal(task: TaskMessage) -> bool:
    return getattr(task.task_status, "terminal", False)


@dataclass(kw_only=True)
class Evidence:
    """Exchanges and callbacks of one run, in the order they were seen. Steps add to it, checks read it."""

    gateway: Gateway = COMETAPI
    # The run's part of external ids, and the seed of its random choices.
    run: str = ""
    seed: int = 0
    # The credentials (`first`, `second`) that were an access and a secret key, so that tokens were signed.
    signed: frozenset[str] = frozenset()
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    deliveries: list[Delivery] = field(default_factory=list[Delivery])
    # Caches over the first exchanges, completed on demand; the list of exchanges only grows.
    _kinds: dict[ProbeKind, list[Exchange]] = field(
        default_factory=dict[ProbeKind, list[Exchange]], repr=False
    )
    _subjects: dict[tuple[ProbeKind, str], list[Exchange]] = field(
        default_factory=dict[tuple[ProbeKind, str], list[Exchange]], repr=False
    )
    _indexed: int = field(default=0, repr=False)
    _histories: tuple[int, Sequence[TaskHistory]] = field(default=(-1, ()), repr=False, compare=False)

    @property
    def operation(self) -> Operation:
        """The operation under test: the gateway's main one."""
        return self.gateway.main

    def of(self, kind: ProbeKind, about: str | None = None) -> Iterator[Exchange]:
        """The answered exchanges of one kind of probe, optionally with one subject."""
        return (exchange for exchange in self.sent(kind, about) if exchange.status)

    def sent(self, kind: ProbeKind, about: str | None = None) -> Sequence[Exchange]:
        """The same with the exchanges that were not answered."""
        while self._indexed < len(self.exchanges):
            exchange = self.exchanges[self._indexed]
            probe = exchange.probe
            self._kinds.setdefault(probe.kind, []).append(exchange)
            self._subjects.setdefault((probe.kind, probe.about), []).append(exchange)
            self._indexed += 1
        return self._kinds.get(kind, ()) if about is None else self._subjects.get((kind, about), ())

    @property
    def answered(self) -> Iterator[Exchange]:
        return (exchange for exchange in self.exchanges if exchange.status)

    @property
    def queries(self) -> Iterator[Exchange]:
        """The answered queries for existing tasks by task id, by kind."""
        for kind in READS:
            yield from self.of(kind)

    @property
    def mock(self) -> bool:
        """Whether the health endpoint identified the server as kling-mock."""
        health = next(self.of(ProbeKind.HEALTH), None)
        named = None if health is None or health.status != 200 else health.json_object.get("server")
        return named == "kling-mock"

    @property
    def creates(self) -> Iterator[Exchange]:
        """Every answered create request with a valid key, whether accepted or refused."""
        for exchange in self.answered:
            mine = exchange.credential in ("first", "second")
            if exchange.method == "POST" and mine and isinstance(exchange.asked, dict):
                yield exchange

    def histories(self) -> Sequence[TaskHistory]:
        """Every created task, with all observations of it."""
        seen = len(self.exchanges)
        if self._histories[0] != seen:
            self._histories = seen, self._read_histories()
        return self._histories[1]

    def _read_histories(self) -> Sequence[TaskHistory]:
        reads: dict[str, list[Observation]] = {}
        for exchange in self.answered:
            asked_for = asked_task(exchange)
            # An answer with another task is a finding of its own, and no observation of the requested one.
            if asked_for is not None and exchange.task is not None and exchange.task.task_id == asked_for:
                reads.setdefault(asked_for, []).append(Observation(exchange.task, exchange))
        histories: dict[str, TaskHistory] = {}
        for exchange in self.answered:
            task = exchange.task
            if exchange.method == "POST" and task is not None and exchange.status < 300:
                seen = tuple(reads.get(task.task_id, ()))
                history = TaskHistory(exchange, seen, self.operation.result, self.operation.synchronous)
                histories.setdefault(task.task_id, history)
        return tuple(histories.values())


def asked_task(exchange: Exchange) -> str | None:
    """The task id in the path of a query; None for other requests."""
    if exchange.method != "GET" or exchange.probe.kind not in READS:
        return None
    return exchange.probe.about or None
