"""The rules of the life cycle, each judged in the history of every task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kling_contracts.checks.histories import judged_observations, violations_of
from kling_contracts.gateways import Gateway
from kling_contracts.lifecycle import LifecycleViolation
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect
from kling_contracts.verify import parts
from kling_contracts.verify.evidence import Evidence, TaskHistory
from kling_contracts.verify.model import Check, CheckContext, Shown
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.vocabulary import KLING_LIVE, KLING_PAGE, SEED, ResultKind, Source, TaskStatus

# Rules that other rules imply: an updated_at before created_at is also before the one of the create.
_UNLESS: Final[Mapping[str, tuple[str, ...]]] = {"time.decreasing": ("lifecycle.time.order",)}
# The rules of the life cycle: sentence ("{results}" is the name of the results) and source.
RULES: Final[Mapping[str, tuple[str, Source]]] = {
    "status.word": ("every status is submitted, processing, succeed or failed", SEED),
    "time.unit": ("created_at and updated_at are integers of milliseconds", SEED),
    "time.order": ("updated_at is not before created_at", SEED),
    "time.created": ("created_at never changes", SEED),
    "time.decreasing": ("updated_at never decreases", SEED),
    "time.unchanged": ("updated_at does not change while the status does not", KLING_LIVE),
    "images.presence": ("there are {results} exactly when the task has succeeded", KLING_PAGE),
    "images.count": ("the number of {results} is the requested one", KLING_PAGE),
    "images.index": ("image indices are 0, 1, 2 ...", KLING_PAGE),
    "media.id": ("every one of the {results} has a different id", KLING_PAGE),
    "media.duration": ("every one of the {results} has its duration in seconds", KLING_PAGE),
    "images.distinct": ("every {result} of a task has a different URL", KLING_PAGE),
    "images.absolute": ("result URLs are absolute", KLING_PAGE),
    "failed.message": ("a failed task has a reason in task_status_msg", KLING_LIVE),
    "running.message": ("a task that has not ended has no failure reason in task_status_msg", KLING_LIVE),
    "succeed.message": ("a task that has succeeded has no failure reason in task_status_msg", KLING_LIVE),
    "state.absorbing": ("the status of an ended task never changes", SEED),
    "state.order": ("a status never returns to an earlier one", SEED),
    "state.stable": ("the answer about an ended task never changes", SEED),
}


def checks(gateway: Gateway) -> tuple[Check, ...]:
    operation = gateway.main
    found: list[Check] = []
    for rule, (template, source) in RULES.items():
        if _applies(rule, operation):
            sentence = _in_words(template, operation.result)
            judge_it = _judge_rule(rule, sentence)
            found.append(
                Check(
                    id=f"lifecycle.{rule}",
                    sentence=sentence,
                    source=source,
                    judge=judge_it,
                    unless=_UNLESS.get(rule, ()),
                )
            )
    return tuple(found)


def _applies(rule: str, operation: Operation) -> bool:
    """Whether tasks of an operation can break a rule."""
    if rule.startswith("media."):
        return not operation.result.drawn
    if rule == "images.index":
        return operation.result.drawn
    if rule == "images.count":
        return parts.counts(operation)
    if rule == "images.distinct":
        return parts.may_have_several(operation)
    if rule in ("running.message", "state.order") and operation.synchronous:
        return False
    return rule != "failed.message" or _can_fail(operation)


def _can_fail(operation: Operation) -> bool:
    """Whether the operation has rules whose violation makes a task fail."""
    return any(rule.effect is Effect.FAILS for rule in operation.rules.values())


def _in_words(template: str, kind: ResultKind) -> str:
    results = "images" if kind.drawn else kind.value
    return template.format(results=results, result=results.removesuffix("s"))


def _judge_rule(rule: str, sentence: str) -> Callable[[Evidence, CheckContext], None]:
    def judge_rule(evidence: Evidence, context: CheckContext) -> None:
        for history in evidence.histories():
            if not _is_applicable(rule, history):
                continue
            broken = next((each for each in violations_of(history) if each.rule == rule), None)
            context.expect(
                broken is None,
                broken.sentence if broken else "",
                expected=sentence,
                actual=broken.sentence if broken else "",
                shown=_around(history, broken) if broken else (),
            )

    return judge_rule


def _is_running(status: object) -> bool:
    return isinstance(status, TaskStatus) and not status.terminal


def _was_read_after_end(history: TaskHistory) -> bool:
    return history.end is not None and history.end is not history.states[-1]


def _was_seen_twice(history: TaskHistory) -> bool:
    return len(history.observations) > 1


def _most_results(history: TaskHistory) -> int:
    return max((len(each.task.results_of(history.kind)) for each in history.states), default=0)


# The histories that can break a rule, if not all that show a state.
_PREMISES: Final[Mapping[str, Callable[[TaskHistory], bool]]] = {
    "time.created": _was_seen_twice,
    "time.decreasing": _was_seen_twice,
    "time.unchanged": _was_seen_twice,
    "images.presence": lambda history: _shows(history, TaskStatus.SUCCEED) or _most_results(history) > 0,
    # An invalid request has no expected number of results.
    "images.count": lambda history: (
        _most_results(history) > 0 and history.created.probe.kind != ProbeKind.REFUSE
    ),
    "images.index": lambda history: _most_results(history) > 0,
    "images.distinct": lambda history: _most_results(history) > 1,
    "images.absolute": lambda history: _most_results(history) > 0,
    "media.id": lambda history: _most_results(history) > 0,
    "media.duration": lambda history: _most_results(history) > 0,
    "failed.message": lambda history: _shows(history, TaskStatus.FAILED),
    "succeed.message": lambda history: _shows(history, TaskStatus.SUCCEED),
    "running.message": lambda history: any(_is_running(each.task.task_status) for each in history.states),
    "state.absorbing": _was_read_after_end,
    "state.stable": _was_read_after_end,
    "state.order": lambda history: len({str(each.task.task_status) for each in history.observations}) > 1,
}


def _shows(history: TaskHistory, status: TaskStatus) -> bool:
    return any(each.task.task_status == status for each in history.states)


def _is_applicable(rule: str, history: TaskHistory) -> bool:
    """Whether a history can break a rule."""
    premise = _PREMISES.get(rule)
    return bool(history.states) and (premise is None or premise(history))


def _around(history: TaskHistory, broken: LifecycleViolation) -> tuple[Shown, ...]:
    """The create, the observation that shows the violation, and the one before it."""
    at = (0, max(broken.at - 1, 0), broken.at)
    return tuple(dict.fromkeys(judged_observations(history)[position].shown for position in at))
