"""The conduct of a task: what the judge of observations finds wrong in what was seen of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from kling_contracts.checks.refusing import REFUSE
from kling_contracts.gateways import Gateway
from kling_contracts.lifecycle import Misconduct, judge
from kling_contracts.messages import TaskMessage
from kling_contracts.operations import Operation
from kling_contracts.rules import Effect
from kling_contracts.verify import parts
from kling_contracts.verify.check import Check, Hearing, Shown
from kling_contracts.verify.evidence import Evidence, Sighting, Trace
from kling_contracts.vocabulary import KLING_LIVE, KLING_PAGE, SEED, ResultKind, Source, TaskStatus

# The judge's rules: what they say ("{results}" is what results are called), and where from.
RULES: Final[Mapping[str, tuple[str, Source]]] = {
    "status.word": ("every status is one of the four words", SEED),
    "time.unit": ("created_at and updated_at are integers of milliseconds", SEED),
    "time.order": ("updated_at is not before created_at", SEED),
    "time.created": ("created_at never changes", SEED),
    "time.decreasing": ("updated_at never goes back", SEED),
    "time.unchanged": ("updated_at stays while the status stays", KLING_LIVE),
    "images.presence": ("there are {results} exactly when the task has succeeded", KLING_PAGE),
    "images.count": ("there are as many {results} as were asked for", KLING_PAGE),
    "images.index": ("indices count from 0", KLING_PAGE),
    "media.id": ("every one of the {results} has an id of its own", KLING_PAGE),
    "media.duration": ("every one of the {results} says its seconds", KLING_PAGE),
    "images.distinct": ("every {result} has a URL of its own", KLING_PAGE),
    "images.absolute": ("result URLs are absolute", KLING_PAGE),
    "failed.message": ("a failed task says why", KLING_LIVE),
    "succeed.message": ("a task that has succeeded has no failure text", KLING_LIVE),
    "state.absorbing": ("a task that has ended stays as it ended", SEED),
    "state.order": ("a status never goes back", SEED),
    "state.stable": ("the answer about an ended task never changes", SEED),
}


def checks(gateway: Gateway) -> tuple[Check, ...]:
    operation = gateway.main
    found: list[Check] = []
    for rule, (template, source) in RULES.items():
        if _applies(rule, operation):
            sentence = _in_words(template, operation.result)
            judge_it = _judge_rule(rule, sentence)
            found.append(Check(id=f"life_cycle.{rule}", sentence=sentence, source=source, judge=judge_it))
    return tuple(found)


def _applies(rule: str, operation: Operation) -> bool:
    """Whether tasks of an operation can break a rule."""
    if rule.startswith("media."):
        return not operation.result.drawn
    if rule == "images.index":
        return operation.result.drawn
    if rule == "images.count":
        return parts.counts(operation)
    return rule != "failed.message" or can_fail(operation)


def can_fail(operation: Operation) -> bool:
    """Whether a request can make a task fail: by a picture that is none."""
    return any(rule.effect is Effect.FAILS for rule in operation.rules.values())


def _in_words(template: str, kind: ResultKind) -> str:
    results = "images" if kind.drawn else kind.value
    return template.format(results=results, result=results.removesuffix("s"))


def _judge_rule(rule: str, sentence: str) -> Callable[[Evidence, Hearing], None]:
    def judge_rule(evidence: Evidence, hearing: Hearing) -> None:
        for trace in evidence.traces():
            if not _premise(rule, trace):
                continue
            broken = next((each for each in misconduct(trace) if each.rule == rule), None)
            hearing.expect(
                broken is None,
                broken.sentence if broken else "",
                expected=sentence,
                actual=broken.sentence if broken else "",
                shown=_around(trace, broken) if broken else (),
            )

    return judge_rule


def _premise(rule: str, trace: Trace) -> bool:
    """Whether a trace can show a rule broken: one needs results, another a failure, a third two looks."""
    seen = trace.sightings if trace.synchronous else trace.reads
    statuses = [each.task.task_status for each in seen]
    if rule == "images.count" and trace.created.probe.kind == REFUSE:
        return False  # what should have been refused asks for no number of results
    if rule.startswith(("images.", "media.")) and rule != "images.presence":
        return any(each.task.results_of(trace.kind) for each in seen)
    if rule == "time.decreasing" and any(each.rule == "time.order" for each in misconduct(trace)):
        return False  # stamps before the beginning are one finding
    if rule.startswith("failed."):
        return TaskStatus.FAILED in statuses
    if rule.startswith("succeed."):
        return TaskStatus.SUCCEED in statuses
    if rule in ("state.absorbing", "state.stable"):
        return trace.end is not None and trace.end is not seen[-1]
    return bool(statuses)


def misconduct(trace: Trace) -> Sequence[Misconduct]:
    """All that the judge has to say about a trace."""
    return judge([each.task for each in _judged(trace)], n=trace.images, kind=trace.kind)


def _judged(trace: Trace) -> Sequence[Sighting]:
    """What a trace is judged by: without the answer to its create, if that was wrong by itself."""
    return trace.sightings if begins_rightly(trace) else trace.reads


def begins_rightly(trace: Trace) -> bool:
    """Whether a create was answered with a task at the beginning of its life, or else at its end."""
    task = cast("TaskMessage", trace.created.task)
    if trace.synchronous:
        return trace.end is trace.sightings[0]
    return task.task_status == TaskStatus.SUBMITTED and task.created_at == task.updated_at


def is_steady(trace: Trace) -> bool:
    """Whether nothing of its order or its stamps is wrong: else that is the finding, and nothing compares."""
    return not any(each.rule.startswith(("state.", "time.")) for each in misconduct(trace))


def is_worded(trace: Trace) -> bool:
    """Whether queries use the words of the API; else that is the finding."""
    return all(isinstance(each.task.task_status, TaskStatus) for each in trace.reads)


def _around(trace: Trace, broken: Misconduct) -> tuple[Shown, ...]:
    """The create, the look before, and the look at which it was seen."""
    at = (0, max(broken.at - 1, 0), broken.at)
    return tuple(dict.fromkeys(_judged(trace)[position].shown for position in at))
