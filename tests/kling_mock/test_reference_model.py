"""The fake agrees with an independent model of the life cycle, and the state machine covers all statuses."""

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
    """With creates of all kinds, queries, lists, clocks, scripts and ended tasks; two accounts, two fakes."""
    run_machine(LifeCycle, settings=share(0.3))


def _seen_labels(machine: type[LifeCycle], searches: int) -> set[tuple[str, str]]:
    """The labels of short searches, until all are seen. Examples of one long search resemble each other."""
    short = settings(CI, max_examples=14, phases=[Phase.generate], derandomize=False)
    expected = _expected_labels()
    with census() as seen:
        for number in range(searches):
            run_machine(seed(number)(type("Seeded", (machine,), {})), settings=short)
            if not any(missing(due, seen, kind) for kind, due in expected.items()):
                break
    return seen


def _expected_labels() -> dict[str, set[str]]:
    """The labels that a search must reach, from declarations outside this package."""
    verbs = {"release", "fail", "succeed"}
    return {
        "status": {status.value for status in TaskStatus},
        # There may be much time between two queries: all reachable statuses count, not only the next.
        "step": {f"{old.value} -> {new.value}" for old in TaskStatus for new in REACHABLE[old]},
        "pace": {name for name, _ in PACES},
        "verb": verbs | {f"{verb}, too late" for verb in verbs},
        "create": {"accepted", "invalid", "id is taken", "refused by script"},
        "page": {"empty", "full", "last"},
    }


def test_the_machine_reaches_every_status_and_every_pair_of_observed_statuses() -> None:
    seen = _seen_labels(LifeCycle, searches=10)
    assert {kind: missing(due, seen, kind) for kind, due in _expected_labels().items()} == {
        kind: [] for kind in _expected_labels()
    }


def test_a_status_that_a_machine_does_not_reach_is_named() -> None:
    """Counterexample: without scripted failures and ended tasks, no task fails."""

    class Tame(LifeCycle):
        first_failure = None

        @rule()
        def script_next(self) -> None:
            pass

        @rule()
        def finish(self) -> None:
            pass

    seen = _seen_labels(Tame, searches=3)
    assert missing(_expected_labels()["status"], seen, "status") == ["failed"]
    assert "submitted -> failed" in missing(_expected_labels()["step"], seen, "step")
    assert "release" in missing(_expected_labels()["verb"], seen, "verb")


def test_the_model_knows_nothing_of_the_fake() -> None:
    """At most forty lines, and no imports."""
    text = HERE.with_name("reference_model.py").read_text(encoding="utf-8")
    code = [line for line in text.partition("class ")[2].splitlines() if line.strip()]
    assert len(code) <= 40
    assert [line for line in text.splitlines() if "import" in line] == ["from __future__ import annotations"]
    assert "kling" not in text
    assert "reference_model" not in sys.modules


def test_the_model_has_all_paces() -> None:
    """All but `realistic`, whose durations cannot be known from outside."""
    assert {name for name, _ in PACES} | {"realistic"} == set(get_args(get_type_hints(Pace)["kind"]))
