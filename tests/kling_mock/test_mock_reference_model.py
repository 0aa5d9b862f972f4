"""The fake against an independent model of the life cycle, over any course of events Hypothesis thinks of."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from contracts.lifecycle import REACHABLE
from contracts.vocabulary import TaskStatus
from kling_mock import Fake, ManualClock, Pace
from kling_mock.handles import TaskHandle, TaskOver
from kling_mock.plan import Plan, Transition
from kling_mock.records import Polls
from kling_mock.stores.memory import MemoryStore
from tests.intent import census, missing, saw
from tests.profiles import CI, share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.kling_mock.conftest import Caller
    from tests.kling_mock.reference_model import ModelTask

HERE = Path(__file__)


def _load(name: str) -> ModuleType:
    """A neighbour of this file: under importlib mode test folders are no packages."""
    spec = spec_from_file_location(f"kling_tests_{name}", HERE.with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_make_model: Callable[..., ModelTask] = _load("reference_model").ModelTask
_make_caller: Callable[..., Caller] = _load("conftest").Caller

PACES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("instant", ()),
    ("polls", (1,)),
    ("polls", (2,)),
    ("polls", (4,)),
    ("seconds", (2, 3)),
    ("seconds", (9, 3)),
    ("seconds", (0, 4)),
    ("held", ()),
)
KEYS = ("sk-mock-a", "sk-mock-b")
COMET_PATH = "/kling/v1/images/generations"
KLING_PATH = "/v1/images/multi-image2image"

# The witnesses draw the same whatever profile was chosen.
FIXED = CI


def _spelled(pace: tuple[str, tuple[int, ...]]) -> str:
    name, numbers = pace
    return f"{name}:{','.join(map(str, numbers))}" if numbers else name


class Pair:
    """A task of the fake, and the model's idea of it."""

    def __init__(self, caller: Caller, task_id: str, model: ModelTask) -> None:
        self.caller, self.id, self.model = caller, task_id, model
        self.looked = "submitted"  # what the create reply said

    @property
    def now(self) -> float:
        return self.caller.fake.clock.now()

    @property
    def handle(self) -> TaskHandle:
        return next(task for task in self.caller.fake.tasks if task.id == self.id)


class LifeCycle(RuleBasedStateMachine):
    """Two accounts create, query, list and wait; a test scripts and ends; the model must always agree.

    A second fake in the same process, with the same seed and a key that both have, goes its own way: its
    clock stands elsewhere, it hears of no script, and its tasks are in nobody's list.
    """

    mishap: str | None = "no such luck"  # of the first task

    @initialize(pace=st.sampled_from(PACES))
    def begin(self, pace: tuple[str, tuple[int, ...]]) -> None:
        """Three tasks from the start, so that few steps are spent on having something to look at."""
        self.pace = pace
        self.fake = Fake(pace=_spelled(pace), clock=ManualClock(), keys=list(KEYS))
        self.bystander = Fake(pace=_spelled(pace), clock=ManualClock(1_600_000_000), keys=list(KEYS))
        self.callers = [_make_caller(self.fake, key) for key in KEYS]
        self.callers.append(_make_caller(self.bystander, KEYS[0]))
        self.pairs: list[Pair] = []
        self.script: list[tuple[str | None, tuple[str, tuple[int, ...]] | None, bool]] = []
        self.externals: set[tuple[int, str]] = set()
        self.listed: dict[int, list[str]] = {0: [], 1: [], 2: []}
        self.queries = 0
        saw("pace", pace[0])
        if self.mishap is not None:
            self.fake.next.fails(self.mishap)
            self.script.append((self.mishap, None, False))
        for who, path in ((0, KLING_PATH), (0, COMET_PATH), (1, COMET_PATH), (2, KLING_PATH)):
            self.create(who, None, path)

    # -- creating

    @rule(
        who=st.sampled_from((0, 1, 2)),
        external=st.none() | st.sampled_from(("mine", "yours")),
        path=st.sampled_from((COMET_PATH, KLING_PATH)),
    )
    def create(self, who: int, external: str | None, path: str) -> None:
        caller = self.callers[who]
        reply = caller.ask(path=path, external_task_id=external)
        if external is not None and (who, external) in self.externals:
            assert reply.status == 400
            assert "already exists" in reply.body.decode()
            saw("create", "id is taken")
            return
        scripted = self.script.pop(0) if self.script and who < 2 else (None, None, False)
        failure, pace, refused = scripted
        if refused:
            assert reply.status == 429
            saw("create", "refused by script")
            return
        data = caller.data(reply)
        now = caller.fake.clock.now()
        assert data["task_status"] == "submitted"
        assert data["created_at"] == int(now * 1000)
        if external is not None:
            self.externals.add((who, external))
        if path == KLING_PATH:
            self.listed[who].insert(0, data["task_id"])
        saw("create", "accepted")
        model = _make_model(*(pace or self.pace), now, failure)
        self.pairs.append(Pair(caller, data["task_id"], model))

    @rule(who=st.sampled_from((0, 1)), bad=st.sampled_from(({"n": 0}, {"prompt": "x" * 2501}, {"n": "1"})))
    def create_invalid(self, who: int, bad: dict[str, Any]) -> None:
        assert self.callers[who].ask(**bad).status == 400
        saw("create", "invalid")

    # -- scripting

    @rule(failure=st.none() | st.just("no such luck"), pace=st.none() | st.sampled_from(PACES))
    def script_next(self, failure: str | None, pace: tuple[str, tuple[int, ...]] | None) -> None:
        script = self.fake.next.succeeds() if failure is None else self.fake.next.fails(failure)
        if pace is not None:
            script.pace(_spelled(pace))
        self.script.append((failure, pace, False))

    @rule()
    def script_refusal(self) -> None:
        self.fake.next.refuses(1302)
        self.script.append((None, None, True))

    # -- waiting and looking

    @rule(seconds=st.integers(0, 6), other=st.booleans())
    def advance(self, seconds: int, *, other: bool) -> None:
        (self.bystander if other else self.fake).clock.advance(seconds)

    @rule()
    def freeze(self) -> None:
        """What stands still already stays where it is."""
        before = self.fake.clock.now()
        self.fake.clock.freeze()
        assert self.fake.clock.now() == before

    @rule(who=st.sampled_from((0, 1, 2)), size=st.integers(1, 4), page=st.integers(1, 3))
    def list_tasks(self, who: int, size: int, page: int) -> None:
        """A page shows this account's tasks of the route, newest first, as they stand; it counts no poll."""
        reply = self.callers[who].send("GET", KLING_PATH, query=f"pageNum={page}&pageSize={size}")
        shown = json.loads(reply.body)["data"]
        saw("page", "empty" if not shown else "full" if len(shown) == size else "last")
        assert [task["task_id"] for task in shown] == self.listed[who][(page - 1) * size : page * size]
        models = {pair.id: pair for pair in self.pairs if pair.caller is self.callers[who]}
        for task in shown:
            pair = models[task["task_id"]]
            assert task["task_status"] == pair.model.look(pair.now)[0]

    @rule(which=st.integers(0, 9))
    def query(self, which: int) -> None:
        pair = self.pairs[which % len(self.pairs)]
        seen = pair.caller.query(pair.id)
        saw("status", seen["task_status"])
        saw("step", f"{pair.looked} -> {seen['task_status']}")
        pair.looked = seen["task_status"]
        self.queries += 1
        status, since = pair.model.poll(pair.now)
        assert (seen["task_status"], seen["updated_at"]) == (status, int(since * 1000))
        assert seen["created_at"] == int(pair.model.born * 1000)
        assert bool(seen["task_result"]) == (status == "succeed")
        assert seen.get("task_status_msg") == (pair.model.failure if status == "failed" else None)

    @rule(seconds=st.integers(1, 3), which=st.integers(0, 9))
    def watch(self, seconds: int, which: int) -> None:
        """Three looks at one task: what follows what is not left to luck."""
        for _ in range(2):
            self.query(which)
            self.advance(seconds, other=False)
        self.query(which)

    @rule(which=st.integers(0, 9))
    def query_as_stranger(self, which: int) -> None:
        pair = self.pairs[which % len(self.pairs)]
        stranger = self.callers[1 if pair.caller is not self.callers[1] else 0]
        assert stranger.get(f"/kling/v1/images/generations/{pair.id}").status == 400

    # -- ending

    @rule(which=st.integers(0, 9), verb=st.sampled_from(("release", "fail", "succeed")))
    def finish(self, which: int, verb: str) -> None:
        pair = self.pairs[which % len(self.pairs)]
        status, _ = pair.model.look(pair.now)
        failures = {"release": pair.model.failure, "fail": "stopped", "succeed": None}
        arguments = ("stopped",) if verb == "fail" else ()
        if status in ("succeed", "failed"):
            with pytest.raises(TaskOver):
                getattr(pair.handle, verb)(*arguments)
            saw("verb", f"{verb}, too late")
            return
        saw("verb", verb)
        getattr(pair.handle, verb)(*arguments)
        pair.model.finish(pair.now, failures[verb])

    @invariant()
    def handles_agree(self) -> None:
        for pair in getattr(self, "pairs", ()):
            seen = pair.handle.history[-1]
            assert (seen.status, seen.at) == pair.model.look(pair.now)
            assert pair.handle.status == seen.status
            assert pair.handle.polls == pair.model.polls

    def teardown(self) -> None:
        if hasattr(self, "fake"):
            fakes = (self.fake, self.bystander)
            assert sum(len(fake.tasks) for fake in fakes) == len(self.pairs)
            assert sum(len(fake.calls.polls) for fake in fakes) == self.queries
            for fake in fakes:
                fake.check()


def test_the_fake_agrees_with_the_model() -> None:
    """Over creates of every kind, queries, lists, clocks, scripts and verbs: two accounts, two fakes."""
    run_machine(LifeCycle, settings=share(0.3))


def _heard(machine: type[LifeCycle]) -> set[tuple[str, str]]:
    with census() as heard:
        run_machine(machine, settings=settings(FIXED, max_examples=60, phases=[Phase.generate]))
    return heard


def _due() -> dict[str, set[str]]:
    """What a course of events can have in it, as it is declared elsewhere."""
    verbs = {"release", "fail", "succeed"}
    return {
        "status": {status.value for status in TaskStatus},
        # Two looks at one task may be far apart: whatever can be reached, not only the next.
        "step": {f"{old.value} -> {new.value}" for old in TaskStatus for new in REACHABLE[old]},
        "pace": {name for name, _ in PACES},
        "verb": verbs | {f"{verb}, too late" for verb in verbs},
        "create": {"accepted", "invalid", "id is taken", "refused by script"},
        "page": {"empty", "full", "last"},
    }


def test_the_machine_meets_every_status_and_every_step_between_two_looks() -> None:
    heard = _heard(LifeCycle)
    assert {kind: missing(due, heard, kind) for kind, due in _due().items()} == {kind: [] for kind in _due()}


def test_what_a_machine_no_longer_meets_is_named() -> None:
    """Witness: nobody scripts a failure or stops a task, so none fails."""

    class Tame(LifeCycle):
        mishap = None

        @rule()
        def script_next(self) -> None:
            pass

        @rule()
        def finish(self) -> None:
            pass

    heard = _heard(Tame)
    assert missing(_due()["status"], heard, "status") == ["failed"]
    assert "submitted -> failed" in missing(_due()["step"], heard, "step")
    assert "release" in missing(_due()["verb"], heard, "verb")


# -- witnesses: the same machine catches small faults


def _never_starts(plan: Plan, created: float, polls: Sequence[float], now: float) -> Transition:
    starts, ends = plan.instants(polls)
    if now >= ends:
        return Transition(plan.terminal, ends)
    return Transition(_SOUND(plan, created, polls, created).status, min(starts, created))


def _wraps(plan: Plan, created: float, polls: Sequence[float], now: float) -> Transition:
    state = _SOUND(plan, created, polls, now)
    return _SOUND(plan, created, (), created) if state.status.terminal and now > state.at + 4 else state


def _stamps_the_look(plan: Plan, created: float, polls: Sequence[float], now: float) -> Transition:
    return _SOUND(plan, created, polls, now)._replace(at=now)


def _late(plan: Plan, created: float, polls: Sequence[float], now: float) -> Transition:
    return _SOUND(plan, created, polls, max(created, now - 0.001))


_SOUND = Plan.state


@pytest.mark.parametrize("fault", [_never_starts, _wraps, _stamps_the_look, _late])
def test_the_machine_catches_a_faulty_plan(fault: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "state", fault)
    _expect_caught()


def test_the_machine_catches_a_poll_counter_that_all_tasks_share(monkeypatch: pytest.MonkeyPatch) -> None:
    def shared(store: MemoryStore, task_id: str) -> Polls:
        every = [store._kept(record.id).polls for record in store.tasks()]
        times = itertools.chain.from_iterable(polls.times for polls in every)
        return Polls(store._kept(task_id).polls.total, tuple(sorted(times)))

    monkeypatch.setattr(MemoryStore, "polls", shared)
    _expect_caught()


def test_the_machine_catches_accounts_that_share_external_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = MemoryStore.external

    def shared(store: MemoryStore, account: str, external_id: str) -> object:
        found: Iterator[object] = (sound(store, key, external_id) for key in KEYS)
        return next((record for record in found if record is not None), None)

    monkeypatch.setattr(MemoryStore, "external", shared)
    _expect_caught()


def test_the_machine_catches_verbs_that_come_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    def reopening(plan: Plan, polls: Sequence[float], now: float, failure: str | None) -> Plan:
        return Plan(now, now + 1, counted=False, failure=failure)

    monkeypatch.setattr(Plan, "finished", reopening)
    _expect_caught()


def _expect_caught() -> None:
    """The machine finds a difference. It is not made small: that would only take time."""
    quick = settings(FIXED, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_machine(LifeCycle, settings=quick)


def test_the_model_knows_nothing_of_the_fake() -> None:
    """An opinion of its own: forty lines at most, and no import."""
    text = HERE.with_name("reference_model.py").read_text(encoding="utf-8")
    code = [line for line in text.partition("class ")[2].splitlines() if line.strip()]
    assert len(code) <= 40
    assert [line for line in text.splitlines() if "import" in line] == ["from __future__ import annotations"]
    assert "kling" not in text
    assert "reference_model" not in sys.modules


def test_the_model_speaks_of_the_paces_there_are() -> None:
    """All but `realistic`, whose durations nobody outside can know."""
    assert {name for name, _ in PACES} | {"realistic"} == set(get_args(get_type_hints(Pace)["kind"]))
