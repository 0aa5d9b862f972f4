"""The task life cycle: queries find the task; its states, timestamps and results follow the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, cast

from kling_contracts.checks.histories import (
    ended,
    ended_as,
    judged_observations,
    violations_of,
)
from kling_contracts.checks.polling import is_unpolled, stuck_after
from kling_contracts.gateways import Gateway
from kling_contracts.lifecycle import LifecycleViolation
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect
from kling_contracts.verify import parts
from kling_contracts.verify.evidence import Evidence, Observation, TaskHistory
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Shown
from kling_contracts.verify.probes import ProbeKind
from kling_contracts.vocabulary import (
    COMET_QUERY,
    KLING_LIVE,
    KLING_PAGE,
    SEED,
    ResultKind,
    Source,
    TaskStatus,
)

# A state observed for longer than this, in seconds, changed later than one tick of the server's clock.
_MOMENT: Final = 0.1

# With fewer closely polled tasks, a status that none of them showed may have been missed by chance.
_ENOUGH: Final = 2

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


def _life_checks(gateway: Gateway) -> tuple[Check, ...]:
    moves = Check(
        id="lifecycle.time.moves",
        sentence="updated_at changes when the status changes",
        source=KLING_LIVE,
        judge=_judge_moves,
    )
    processing = Check(
        id="lifecycle.processing",
        sentence="a task is shown in status processing before it succeeds",
        source=SEED,
        judge=_judge_processing,
        unless=("lifecycle.status.word", "lifecycle.state.order"),
    )
    return (
        *(() if gateway.main.synchronous else (moves, processing)),
        Check(
            id="lifecycle.images.own",
            sentence="no two tasks share a result URL",
            source=KLING_PAGE,
            judge=_judge_urls,
        ),
        Check(
            id="lifecycle.ends",
            sentence="every task ends",
            source=SEED,
            judge=_judge_ends,
            unless=("lifecycle.status.word",),
        ),
    )


def _judge_processing(evidence: Evidence, context: CheckContext) -> None:
    """Judge tasks whose queries left little time for the status; one that shows it is enough."""
    histories = [each for each in evidence.histories() if ended_as(each, TaskStatus.SUCCEED)]
    callbacks = {it.task.task_status for it in evidence.deliveries if it.task is not None}
    shown = {observation.task.task_status for each in histories for observation in each.reads}
    if TaskStatus.PROCESSING in shown | callbacks:
        context.hold()
        return
    pairs = [pair for pair in map(_end_of_submitted, histories) if pair]
    if len(pairs) >= _ENOUGH:
        history, before, after = pairs[0]
        context.expect(
            False,
            f"{len(pairs)} tasks were polled closely, and none was shown in status processing",
            expected="submitted, processing, succeed",
            actual="submitted, succeed",
            shown=(history.created, before.shown, after.shown),
        )


def _end_of_submitted(history: TaskHistory) -> tuple[TaskHistory, Observation, Observation] | None:
    """The queries before and after the end, if at most half of the task's duration lies between them."""
    duration = history.duration
    for before, after in pairwise(history.reads):
        if after is history.end and before.task.task_status == TaskStatus.SUBMITTED:
            unseen = after.at - cast("Exchange", before.shown).sent_at
            return (history, before, after) if duration and unseen <= duration / 2 else None
    return None


def _judge_moves(evidence: Evidence, context: CheckContext) -> None:
    """Judge changes of a state that was observed for some time, so that the change must have a later time."""
    for history in evidence.histories():
        if any(each.rule.startswith(("state.", "time.unit")) for each in violations_of(history)):
            continue  # the timestamps are violations themselves, and cannot be compared
        since = history.observations[0]
        for before, after in pairwise(history.observations):
            if before.task.task_status != since.task.task_status:
                since = before
            if after.task.task_status == before.task.task_status:
                continue
            stood = cast("Exchange", before.shown).sent_at - since.at
            old, new = before.task.updated_at or 0, after.task.updated_at or 0
            # Some servers store whole seconds.
            if stood > (_MOMENT if old % 1000 or new % 1000 else _MOMENT + 1):
                was, became = before.task.task_status, after.task.task_status
                context.expect(
                    new != old,
                    f"a task was {was} for {stood:.1f} s, then {became}, but updated_at did not change",
                    expected="the time of the change",
                    actual=str(new),
                    shown=(history.created, before.shown, after.shown),
                )


def _judge_urls(evidence: Evidence, context: CheckContext) -> None:
    owners: dict[str, TaskHistory] = {}
    histories = [each for each in evidence.histories() if each.end and each.end.task.results]
    for history in histories if len(histories) > 1 else ():
        for url in {result.url for result in history.end.task.results} if history.end else ():
            owner = owners.setdefault(url, history)
            if owner.end is not None and history.end is not None:
                context.expect(
                    owner is history,
                    "two tasks have the same result URL",
                    expected="a URL for each image" if history.kind.drawn else "a URL for each result",
                    actual=url,
                    shown=(owner.created, owner.end.shown, history.created, history.end.shown),
                )


def _judge_ends(evidence: Evidence, context: CheckContext) -> None:
    histories = [history for history in evidence.histories() if not is_unpolled(history) and history.reads]
    slowest, patience = stuck_after(histories)
    for history in histories:
        age = history.reads[-1].at - history.created.received_at
        if ended(history) or age > patience:
            context.expect(
                ended(history),
                f"a task has not ended after {age:.0f} seconds; the slowest other task took {slowest:.1f}",
                expected="succeed or failed",
                actual=str(history.reads[-1].task.task_status),
                shown=(history.created, history.reads[-1].shown),
            )


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (*_query_checks(gateway), *_rule_checks(gateway), *_life_checks(gateway))


def _query_checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="lifecycle.at_once",
            sentence="a task can be queried as soon as it is created",
            source=COMET_QUERY,
            judge=_judge_at_once,
        ),
        Check(
            id="lifecycle.found",
            sentence="a task that a query has found is found by every later query",
            source=KLING_LIVE,
            judge=_judge_found,
        ),
        Check(
            id="lifecycle.own_task",
            sentence="a query shows the requested task",
            source=SEED,
            judge=_judge_own,
        ),
    )


def _judge_at_once(evidence: Evidence, context: CheckContext) -> None:
    seen: set[str] = set()
    for exchange in evidence.of(ProbeKind.POLL):
        if exchange.probe.about in seen or exchange.status >= 500:
            continue
        seen.add(exchange.probe.about)
        context.expect(
            exchange.status == 200,
            "a task was not found right after it was created",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_found(evidence: Evidence, context: CheckContext) -> None:
    found = {history.id: history for history in evidence.histories() if history.reads}
    for exchange in evidence.queries:
        history = found.get(exchange.probe.about)
        if exchange.status >= 500 or history is None or exchange.number <= history.reads[0].shown.number:
            continue
        context.expect(
            exchange.status == 200,
            "a query for a task that was found before was refused",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(history.created, history.reads[0].shown, exchange),
        )


def _judge_own(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.queries:
        if exchange.task is not None:
            context.expect(
                exchange.task.task_id == exchange.probe.about,
                "a query showed another task",
                expected=exchange.probe.about,
                actual=exchange.task.task_id,
                shown=(exchange,),
            )


def _rule_checks(gateway: Gateway) -> tuple[Check, ...]:
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
    return rule != "failed.message" or can_fail(operation)


def can_fail(operation: Operation) -> bool:
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
