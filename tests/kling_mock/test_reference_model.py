"""The fake agrees with an independent model of the life cycle, and meets all there is to disagree on."""

from __future__ import annotations

import sys
from typing import get_args, get_type_hints

from hypothesis import Phase, seed, settings
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from kling_contracts.lifecycle import REACHABLE
from kling_contracts.vocabulary import TaskStatus
from kling_mock import Pace
from tests.intent import census, missing
from tests.kling_mock.life_cycle import HERE, PACES, LifeCycle
from tests.profiles import CI, share


def test_the_fake_agrees_with_the_model() -> None:
    """Over creates of every kind, queries, lists, clocks, scripts and verbs: two accounts, two fakes."""
    run_machine(LifeCycle, settings=share(0.3))


def _heard(machine: type[LifeCycle]) -> set[tuple[str, str]]:
    """The labels of ten short searches. Examples of one long search resemble each other."""
    short = settings(CI, max_examples=14, phases=[Phase.generate], derandomize=False)
    with census() as heard:
        for number in range(10):
            run_machine(seed(number)(type("Seeded", (machine,), {})), settings=short)
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
    """Counterexample: nobody scripts a failure or stops a task, so none fails."""

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
