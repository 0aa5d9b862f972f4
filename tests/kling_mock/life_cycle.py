"""A state machine that applies random actions to the fake and to an independent model and compares them."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kling_mock import Fake, ManualClock
from kling_mock.control import TaskAlreadyEnded
from kling_mock.testing.task_handle import TaskHandle
from tests.intent import saw

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kling_mock.conftest import Caller
    from tests.kling_mock.reference_model import ModelTask

HERE = Path(__file__)


def _load(name: str) -> ModuleType:
    """Import a module of this folder: in importlib mode test folders are not packages."""
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


def _spelled(pace: tuple[str, tuple[int, ...]]) -> str:
    name, numbers = pace
    return f"{name}:{','.join(map(str, numbers))}" if numbers else name


class Pair:
    """A task of the fake and the model of it."""

    def __init__(self, caller: Caller, task_id: str, model: ModelTask) -> None:
        self.caller, self.id, self.model = caller, task_id, model
        self.looked = "submitted"  # the status in the create reply

    @property
    def now(self) -> float:
        return self.caller.fake.clock.now()

    @property
    def handle(self) -> TaskHandle:
        return next(task for task in self.caller.fake.tasks if task.id == self.id)


class LifeCycle(RuleBasedStateMachine):
    """Two accounts create, query and list tasks; a test scripts and ends them; the model must always agree.

    A second fake in the same process, with the same seed and a common key, must be independent: its clock is
    different, it has no scripts, and its tasks appear in no list of the first.
    """

    first_failure: str | None = "no such luck"  # of the first task

    def new_fake(self, **switches: Any) -> Fake:
        """The fake under test."""
        pace = _spelled(self.pace)
        return Fake(pace=pace, clock=ManualClock(), keys=list(KEYS), unused_scripts="ignore", **switches)

    @initialize(pace=st.sampled_from(PACES))
    def begin(self, pace: tuple[str, tuple[int, ...]]) -> None:
        """Create three tasks at the start, so that few steps are needed before there is one to query."""
        self.pace = pace
        self.fake = self.new_fake()
        self.bystander = Fake(pace=_spelled(pace), clock=ManualClock(1_600_000_000), keys=list(KEYS))
        self.callers = [_make_caller(self.fake, key) for key in KEYS]
        self.callers.append(_make_caller(self.bystander, KEYS[0]))
        self.pairs: list[Pair] = []
        self.script: list[tuple[str | None, tuple[str, tuple[int, ...]] | None, bool]] = []
        self.externals: set[tuple[int, str]] = set()
        self.listed: dict[int, list[str]] = {0: [], 1: [], 2: []}
        self.queries = 0
        saw("pace", pace[0])
        if self.first_failure is not None:
            self.fake.next.fails(self.first_failure)
            self.script.append((self.first_failure, None, False))
        for who, path in ((0, KLING_PATH), (0, COMET_PATH), (1, COMET_PATH), (2, KLING_PATH)):
            self.create(who, None, path)

    # -- creating tasks

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

    # -- waiting and querying

    @rule(seconds=st.integers(0, 6), other=st.booleans())
    def advance(self, seconds: int, *, other: bool) -> None:
        (self.bystander if other else self.fake).clock.advance(seconds)

    @rule()
    def freeze(self) -> None:
        """Freezing a stopped clock changes nothing."""
        before = self.fake.clock.now()
        self.fake.clock.freeze()
        assert self.fake.clock.now() == before

    @rule(who=st.sampled_from((0, 1, 2)), size=st.integers(1, 4), page=st.integers(1, 3))
    def list_tasks(self, who: int, size: int, page: int) -> None:
        """A page lists the tasks of account and route, newest first, as they are now. It counts no poll."""
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
        """Query one task three times, so that every sequence of statuses is likely to occur."""
        for _ in range(2):
            self.query(which)
            self.advance(seconds, other=False)
        self.query(which)

    @rule(which=st.integers(0, 9))
    def query_as_stranger(self, which: int) -> None:
        pair = self.pairs[which % len(self.pairs)]
        stranger = self.callers[1 if pair.caller is not self.callers[1] else 0]
        assert stranger.get(f"/kling/v1/images/generations/{pair.id}").status == 400

    # -- ending tasks

    @rule(which=st.integers(0, 9), verb=st.sampled_from(("release", "fail", "succeed")))
    def finish(self, which: int, verb: str) -> None:
        pair = self.pairs[which % len(self.pairs)]
        status, _ = pair.model.look(pair.now)
        failures = {"release": pair.model.failure, "fail": "stopped", "succeed": None}
        arguments = ("stopped",) if verb == "fail" else ()
        if status in ("succeed", "failed"):
            with pytest.raises(TaskAlreadyEnded):
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
