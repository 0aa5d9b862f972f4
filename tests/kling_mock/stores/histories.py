"""Random histories of a store, and the expected contents of the store by a scan of the whole history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from kling_mock import ManualClock
from kling_mock.control import TaskAlreadyEnded, finish_task
from kling_mock.plan import NEVER, Pace, Plan
from kling_mock.records import CallRecord, NewTask, PollRecord, TaskRecord, TaskState
from kling_mock.stores import (
    AccountKey,
    AccountState,
    CallsKey,
    Change,
    ExternalKey,
    PageKey,
    PeakKey,
    TaskKey,
    TasksKey,
    run,
)
from kling_mock.stores.memory import MemoryStore
from kling_mock.task_request import TaskRequest

RETENTION = 50.0
ACCOUNTS = ("x", "y")
OPERATIONS = ("image", "expand", "video")
EXTERNAL_IDS = ("mine", "yours")
CHOICES = [frozenset(chosen) for chosen in ((), ("image",), ("image", "video"), OPERATIONS)]
PAGES = ((0, 2), (1, 3), (40, 5))
PACES = (
    *("instant", "polls:1", "polls:3", "seconds:1,5", "seconds:0,60", "realistic", "held", "held:submitted"),
)
STEPS = (0.125, 1.0, 6.0, 20.0, RETENTION - 0.125, RETENTION, 3 * RETENTION)

creates = st.tuples(
    st.just("create"),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(OPERATIONS),
    st.integers(1, 3),
    st.none() | st.sampled_from(EXTERNAL_IDS),
    st.none() | st.just("no luck"),
    st.sampled_from(PACES),
)
move = st.one_of(
    creates,
    creates,
    st.tuples(st.just("poll"), st.integers(0, 20)),
    st.tuples(st.just("finish"), st.integers(0, 20), st.sampled_from(["release", "succeed", "fail"])),
    st.tuples(st.just("call"), st.sampled_from([*ACCOUNTS, None])),
    st.tuples(st.just("advance"), st.sampled_from(STEPS)),
    # An action of its own, because reading may change an index.
    st.tuples(st.just("look")),
)
moves = st.lists(move, max_size=30)
many_moves = st.lists(move, min_size=15, max_size=30)


@dataclass
class Past:
    """A task of the history, within its retention or not."""

    record: TaskRecord
    plan: Plan
    times: tuple[float, ...] = ()
    polls: int = 0

    @property
    def expiry(self) -> float:
        return self.record.created + RETENTION

    @property
    def end(self) -> float:
        if not self.plan.counted:
            return self.plan.ends
        number = int(self.plan.ends)
        return self.times[number - 1] if len(self.times) >= number else NEVER

    def failed_by(self, now: float) -> bool:
        return self.plan.failure is not None and self.end <= now and self.end < self.expiry


@dataclass
class History:
    """All that happened, oldest first. Nothing is dropped or summed up."""

    tasks: list[Past] = field(default_factory=list[Past])
    calls: list[CallRecord] = field(default_factory=list[CallRecord])
    peaks: dict[str | None, int] = field(default_factory=dict[str | None, int])

    def of(self, account: str | None) -> list[Past]:
        return [each for each in self.tasks if account in (None, each.record.account)]

    def note_peaks(self, account: str, n: int, now: float) -> None:
        """Note the peaks after a create of `n` images, which was unfinished for an instant at least."""
        for scope in (account, None):
            peak = self.totals(scope, now).unfinished + n
            self.peaks[scope] = max(self.peaks.get(scope, 0), peak)

    def totals(self, account: str | None, now: float) -> AccountState:
        every = self.of(account)
        unfinished = [each for each in every if now < each.end and now < each.expiry]
        return AccountState(
            len(every),
            sum(each.record.request.n for each in unfinished),
            sum(each.record.units for each in every if not each.failed_by(now)),
        )

    def kept(self, account: str | None, now: float) -> list[str]:
        every = self.tasks if account is None else self.of(account)
        return [each.record.id for each in every if now < each.expiry]

    def page(self, key: PageKey, now: float) -> list[str]:
        fitting = [
            each
            for each in self.of(key.account)
            if each.record.operation in key.operations and now < each.expiry
        ]
        fitting.sort(key=lambda each: each.record.number, reverse=True)
        return [each.record.id for each in fitting[key.first : key.first + key.size]]

    def external(self, account: str, external_id: str, now: float) -> str | None:
        fitting = [
            each.record.id
            for each in self.of(account)
            if each.record.request.external_task_id == external_id and now < each.expiry
        ]
        return fitting[-1] if fitting else None


class Player:
    """Applies actions to a store, records them in a history, and compares the two."""

    def __init__(self, kind: type[MemoryStore]) -> None:
        self.store = kind(ManualClock(), retention=RETENTION, journal_bytes=2**22)
        self.clock = self.store.clock
        self.history = History()

    def play(self, moves: list[Any]) -> None:
        for move in moves:
            name, *arguments = move
            getattr(self, name)(*arguments)
        self.look()

    def create(  # noqa: PLR0917 -- the parts of a move
        self, account: str, operation: str, n: int, external_id: str | None, failure: str | None, pace: str
    ) -> None:
        now = self.clock.now()
        if external_id and self.history.external(account, external_id, now):
            return
        number = len(self.history.of(account)) + 1
        request = TaskRequest(("n", "external_task_id"), (n, external_id), ())
        record = TaskRecord(f"{account}-{number}", account, number, operation, request, now, "", 16 * n)
        plan = Pace.parse(pace).plan(now, failure, seed=1, what=(account, number))
        assert self.store.commit(Change((), (NewTask(record, plan),))) is None
        self.history.note_peaks(account, n, now)
        self.history.tasks.append(Past(record, plan))

    def poll(self, at: int) -> None:
        task = self._pick(at)
        now = self.clock.now()
        if task is None or now >= task.expiry:
            return
        counts = task.plan.counted and task.polls < task.plan.ends
        assert self.store.commit(Change((), (PollRecord(task.record.id, now if counts else None),))) is None
        task.polls += 1
        task.times = (*task.times, now) if counts else task.times

    def finish(self, at: int, verb: str) -> None:
        task = self._pick(at)
        if task is None:
            return
        now = self.clock.now()
        failure = {"release": task.plan.failure, "succeed": None, "fail": "stopped"}[verb]
        over = now >= task.end or now >= task.expiry
        try:
            run(finish_task(task.record.id, lambda _: failure), self.store)
        except (TaskAlreadyEnded, LookupError):
            assert over
        else:
            assert not over
            task.plan = Plan(NEVER, now, counted=False, failure=failure)

    def call(self, account: str | None) -> None:
        path = f"/{len(self.history.calls)}"
        call = CallRecord(self.clock.now(), account, "GET", path, (), None, 200, None, None, None, None, ())
        assert self.store.commit(Change((), (call,))) is None
        self.history.calls.append(call)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def _pick(self, at: int) -> Past | None:
        """A task by its position, counted from the newest."""
        tasks = self.history.tasks
        return tasks[-1 - at % len(tasks)] if tasks else None

    def look(self) -> None:
        """Require that every index of the store equals a scan of the history."""
        now, history = self.clock.now(), self.history
        for scope in (*ACCOUNTS, None):
            assert self._read(AccountKey(scope)) == history.totals(scope, now)
            assert self._read(PeakKey(scope)) == history.peaks.get(scope, 0)
        for account in ACCOUNTS:
            assert _ids(self._read(TasksKey(account))) == history.kept(account, now)
            assert list(self._read(CallsKey(account))) == [c for c in history.calls if c.account == account]
            for external_id in EXTERNAL_IDS:
                state = self._read(ExternalKey(account, external_id))
                found = None if state is None else state.record.id
                assert found == history.external(account, external_id, now)
            for operations in CHOICES:
                for first, size in PAGES:
                    key = PageKey(account, operations, first, size)
                    assert _ids(self._read(key)) == history.page(key, now)
        assert _ids(self._read(TasksKey())) == history.kept(None, now)
        assert list(self._read(CallsKey())) == history.calls
        for task in history.tasks:
            state = self._read(TaskKey(task.record.id))
            assert (state is not None) == (now < task.expiry)
            assert state is None or (state.polls, state.times) == (task.polls, task.times)

    def _read(self, key: Any) -> Any:
        return self.store.read((key,))[key]


def _ids(states: tuple[TaskState, ...]) -> list[str]:
    return [state.record.id for state in states]
