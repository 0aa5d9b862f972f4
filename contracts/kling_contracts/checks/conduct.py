"""The conduct of a task: what the judge of observations finds wrong in what was seen of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from kling_contracts.checks.refusing import REFUSE
from kling_contracts.gateways import Gateway
from kling_contracts.lifecycle import Misconduct, judge
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.check import Check, Hearing, Shown
from kling_contracts.verify.evidence import Evidence, Sighting, Trace
from kling_contracts.verify.exchange import Exchange
from kling_contracts.vocabulary import KLING_LIVE, KLING_PAGE, SEED, Source, TaskStatus

# The judge's rules: what they say, where from, what they catch.
RULES: Final[Mapping[str, tuple[str, Source, tuple[str, ...]]]] = {
    "status.word": ("every status is one of the four words", SEED, ("succeeded", "SUCCEED", "pending")),
    "time.unit": ("created_at and updated_at are integers of milliseconds", SEED, ("seconds", "texts")),
    "time.order": ("updated_at is not before created_at", SEED, ("swapped stamps",)),
    "time.created": ("created_at never changes", SEED, ("created_at is the time of the answer",)),
    "time.decreasing": ("updated_at never goes back", SEED, ("stamps from several clocks",)),
    "time.unchanged": ("updated_at stays while the status stays", KLING_LIVE, ("the time of the answer",)),
    "images.presence": (
        "there are images exactly when the task has succeeded",
        KLING_PAGE,
        ("images early",),
    ),
    "images.count": ("there are as many images as were asked for", KLING_PAGE, ("always one", "one too few")),
    "images.index": ("indices count from 0", KLING_PAGE, ("from 1", "all 0")),
    "images.distinct": ("every image has a URL of its own", KLING_PAGE, ("one URL for all",)),
    "images.absolute": ("result URLs are absolute", KLING_PAGE, ("a path alone",)),
    "failed.message": ("a failed task says why", KLING_LIVE, ("no task_status_msg",)),
    "succeed.message": ("a task that has succeeded has no failure text", KLING_LIVE, ("texts left over",)),
    "state.absorbing": ("a task that has ended stays as it ended", SEED, ("states wrap round",)),
    "state.order": ("a status never goes back", SEED, ("processing, then submitted",)),
    "state.stable": ("the answer about an ended task never changes", SEED, ("new URLs at each query",)),
}


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return tuple(
        Check(
            id=f"life_cycle.{rule}",
            sentence=sentence,
            source=source,
            judge=_judge_rule(rule),
            catches=catches,
        )
        for rule, (sentence, source, catches) in RULES.items()
    )


def _judge_rule(rule: str) -> Callable[[Evidence, Hearing], None]:
    def judge_rule(evidence: Evidence, hearing: Hearing) -> None:
        for trace in evidence.traces():
            if not _premise(rule, trace):
                continue
            broken = next((each for each in misconduct(trace) if each.rule == rule), None)
            hearing.expect(
                broken is None,
                broken.sentence if broken else "",
                expected=RULES[rule][0],
                actual=broken.sentence if broken else "",
                shown=_around(trace, broken) if broken else (),
            )

    return judge_rule


def _premise(rule: str, trace: Trace) -> bool:
    """Whether a trace can show a rule broken: one needs images, another a failure, a third two looks."""
    statuses = [each.task.task_status for each in trace.reads]
    if rule == "images.count" and trace.created.probe.kind == REFUSE:
        return False  # what should have been refused asks for no number of images
    if rule.startswith("images.") and rule != "images.presence":
        return any(each.task.images for each in trace.reads)
    if rule == "time.decreasing" and any(each.rule == "time.order" for each in misconduct(trace)):
        return False  # stamps before the beginning are one finding
    if rule.startswith("failed."):
        return TaskStatus.FAILED in statuses
    if rule.startswith("succeed."):
        return TaskStatus.SUCCEED in statuses
    if rule in ("state.absorbing", "state.stable"):
        return trace.end is not None and trace.end is not trace.reads[-1]
    return bool(statuses)


def misconduct(trace: Trace) -> Sequence[Misconduct]:
    """All that the judge has to say about a trace."""
    return judge([each.task for each in _judged(trace)], n=trace.images)


def _judged(trace: Trace) -> Sequence[Sighting]:
    """What a trace is judged by: without the answer to its create, if that was wrong by itself."""
    return trace.sightings if is_new(trace.created) else trace.reads


def is_new(created: Exchange) -> bool:
    """Whether a create was answered with a task at the beginning of its life."""
    task = cast("TaskMessage", created.task)
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
