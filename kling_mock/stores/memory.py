"""The default store: dictionaries behind one lock. It lives and dies with its fake."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from msgspec import Struct
from msgspec.structs import replace

from kling_mock.plan import Plan
from kling_mock.records import (
    NO_POLLS,
    AttemptRecord,
    CallRecord,
    Change,
    PlanRecord,
    PollRecord,
    Polls,
    Record,
    RuleRecord,
    RuleUse,
    TaskRecord,
    TokenRecord,
)


class _Task(Struct, gc=False):
    record: TaskRecord
    plan: Plan | None = None
    polls: Polls = NO_POLLS


@dataclass(slots=True)
class _Account:
    count: int = 0
    tasks: list[str] = field(default_factory=list[str])
    externals: dict[str, str] = field(default_factory=dict[str, str])


class MemoryStore:
    """`now` is the clock; `retention` (seconds) is how long a task is kept; `journal` how many calls are."""

    def __init__(self, now: Callable[[], float], *, retention: float, journal: int) -> None:
        self.now = now
        self._retention = retention
        self._lock = threading.Lock()
        self._tasks: dict[str, _Task] = {}
        self._accounts: dict[str, _Account] = {}
        self._rules: dict[int, RuleRecord] = {}
        self._attempts: dict[tuple[str, int], tuple[AttemptRecord, ...]] = {}
        self._tokens: dict[str, float] = {}
        self._calls: deque[CallRecord] = deque(maxlen=journal)

    # -- reading

    def task(self, task_id: str) -> TaskRecord | None:
        kept = self._tasks.get(task_id)
        return None if kept is None or self._expired(kept.record) else kept.record

    def plan(self, task_id: str) -> Plan:
        with self._lock:  # a task that is just being written gets its plan in the same change
            plan = self._kept(task_id).plan
        if plan is None:
            raise LookupError(f"task {task_id} was written without a plan")
        return plan

    def polls(self, task_id: str) -> Polls:
        return self._kept(task_id).polls

    def _kept(self, task_id: str) -> _Task:
        kept = self._tasks.get(task_id)
        if kept is None:
            raise LookupError(f"task {task_id} is no longer kept: its retention is over")
        return kept

    def created_count(self, account: str) -> int:
        known = self._accounts.get(account)
        return 0 if known is None else known.count

    def external(self, account: str, external_id: str) -> TaskRecord | None:
        known = self._accounts.get(account)
        task_id = None if known is None else known.externals.get(external_id)
        return None if task_id is None else self.task(task_id)

    def tasks(self, account: str | None = None) -> Iterator[TaskRecord]:
        if account is None:
            ids = list(self._tasks)
        else:
            known = self._accounts.get(account)
            ids = [] if known is None else list(known.tasks)
        for task_id in ids:
            record = self.task(task_id)
            if record is not None:
                yield record

    def rules(self) -> Sequence[RuleRecord]:
        return [rule for rule in list(self._rules.values()) if rule.uses_left != 0]

    def spent_rules(self) -> Sequence[RuleRecord]:
        return [rule for rule in list(self._rules.values()) if rule.uses_left == 0]

    def attempts(self, task_id: str, position: int) -> Sequence[AttemptRecord]:
        return self._attempts.get((task_id, position), ())

    def token(self, digest: str) -> float | None:
        return self._tokens.get(digest)

    def calls(self) -> Sequence[CallRecord]:
        with self._lock:
            return tuple(self._calls)

    # -- writing

    def commit(self, change: Change) -> str | None:
        with self._lock:
            for record in change:
                check = _CHECKS.get(type(record))
                failed = check(self, record) if check else None
                if failed is not None:
                    return failed
            for record in change:
                _WRITES[type(record)](self, record)
        return None

    def _expired(self, record: TaskRecord) -> bool:
        return self.now() >= record.created + self._retention

    def check_task(self, record: TaskRecord) -> str | None:
        if self.created_count(record.account) != record.number - 1:
            return "account.next_create"
        kept = self._tasks.get(record.id)
        if kept is not None:
            return "task.id_free"
        external_id = record.request.external_task_id
        if external_id and self.external(record.account, external_id) is not None:
            return "account.external_id_free"
        return None

    def check_plan(self, record: PlanRecord) -> str | None:
        kept = self._tasks.get(record.task_id)
        present, polls = (None, 0) if kept is None else (kept.plan, kept.polls.total)
        if present != record.replaces:
            return "task.plan_unchanged"
        return None if polls == record.polls else "task.no_poll_since"

    def check_poll(self, record: PollRecord) -> str | None:
        kept = self._tasks.get(record.task_id)
        if kept is None or kept.polls.total != record.number - 1:
            return "task.next_poll"
        return None if kept.plan == record.plan else "task.plan_unchanged"

    def check_use(self, record: RuleUse) -> str | None:
        rule = self._rules.get(record.rule_id)
        return None if rule and rule.uses_left == record.uses_left else "rule.uses_left"

    def check_attempt(self, record: AttemptRecord) -> str | None:
        before = len(self.attempts(record.task_id, record.position))
        return None if before == record.number - 1 else "callback.next_attempt"

    def write_task(self, record: TaskRecord) -> None:
        self._drop_expired()
        self._tasks[record.id] = _Task(record)
        account = self._accounts.get(record.account)
        if account is None:
            account = self._accounts[record.account] = _Account()
        account.count = record.number
        account.tasks.append(record.id)
        if record.request.external_task_id:
            account.externals[record.request.external_task_id] = record.id

    def write_plan(self, record: PlanRecord) -> None:
        self._tasks[record.task_id].plan = record.plan

    def write_poll(self, record: PollRecord) -> None:
        kept = self._tasks[record.task_id]
        times = (*kept.polls.times, record.at) if record.keep else kept.polls.times
        kept.polls = Polls(record.number, times)

    def write_rule(self, record: RuleRecord) -> None:
        self._rules[record.id] = record

    def write_use(self, record: RuleUse) -> None:
        if record.uses_left is not None:
            rule = self._rules[record.rule_id]
            self._rules[record.rule_id] = replace(rule, uses_left=record.uses_left - 1)

    def write_attempt(self, record: AttemptRecord) -> None:
        key = (record.task_id, record.position)
        self._attempts[key] = (*self._attempts.get(key, ()), record)

    def write_token(self, record: TokenRecord) -> None:
        # They lie in the order in which they came: those that are long expired are first.
        while self._tokens and next(iter(self._tokens.values())) + self._retention <= self.now():
            del self._tokens[next(iter(self._tokens))]
        self._tokens.setdefault(record.digest, record.expires)

    def write_call(self, record: CallRecord) -> None:
        self._calls.append(record)

    def _drop_expired(self) -> None:
        """Forget tasks past their retention. They lie in order of creation, so this looks at few."""
        while self._tasks:
            oldest = next(iter(self._tasks.values())).record
            if not self._expired(oldest):
                return
            del self._tasks[oldest.id]
            account = self._accounts[oldest.account]
            account.tasks.remove(oldest.id)
            external_id = oldest.request.external_task_id
            if external_id and account.externals.get(external_id) == oldest.id:
                del account.externals[external_id]
            for key in [key for key in self._attempts if key[0] == oldest.id]:
                del self._attempts[key]


_Check = Callable[[MemoryStore, Record], str | None]
_Write = Callable[[MemoryStore, Record], None]

# Keyed by type, each function takes its own kind of record: the casts say no more than that.
_CHECKS: Final = cast(
    "dict[type[Record], _Check]",
    {
        TaskRecord: MemoryStore.check_task,
        PlanRecord: MemoryStore.check_plan,
        PollRecord: MemoryStore.check_poll,
        RuleUse: MemoryStore.check_use,
        AttemptRecord: MemoryStore.check_attempt,
    },
)
_WRITES: Final = cast(
    "dict[type[Record], _Write]",
    {
        TaskRecord: MemoryStore.write_task,
        PlanRecord: MemoryStore.write_plan,
        PollRecord: MemoryStore.write_poll,
        RuleRecord: MemoryStore.write_rule,
        RuleUse: MemoryStore.write_use,
        AttemptRecord: MemoryStore.write_attempt,
        TokenRecord: MemoryStore.write_token,
        CallRecord: MemoryStore.write_call,
    },
)
