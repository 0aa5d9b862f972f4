"""The histories of tasks, as checks and steps ask about them: conduct, end, callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kling_contracts.lifecycle import Misconduct, judge
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence, Sighting, Trace
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.probes import Label
from kling_contracts.vocabulary import TaskStatus


def ended(trace: Trace) -> bool:
    return trace.end is not None


def ended_as(trace: Trace, status: TaskStatus) -> bool:
    return trace.end is not None and trace.end.task.task_status == status


def task_of(evidence: Evidence, created: Exchange) -> Trace | None:
    """The task that a create made; None if its answer shows none."""
    return next((each for each in evidence.traces() if each.created is created), None)


def lasted(trace: Trace) -> float:
    """How long a task took to its end, by the stamps of the server, in seconds."""
    if trace.end is None:
        return 0.0
    task = trace.end.task
    return max((task.updated_at or 0) - (task.created_at or 0), 0) / 1000


def misconduct(trace: Trace) -> Sequence[Misconduct]:
    """All that the judge has to say about a trace."""
    return judge([each.task for each in judged_by(trace)], n=trace.images, kind=trace.kind)


def judged_by(trace: Trace) -> Sequence[Sighting]:
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


def token_of(trace: Trace) -> str:
    """Which URL of ours a create gave, by its last part; empty if it gave none."""
    url = trace.created.asked_object.get("callback_url")
    return url.rpartition("/")[2] if isinstance(url, str) else ""


def called(evidence: Evidence) -> dict[str, Trace]:
    """The tasks that gave a URL of ours, by its token."""
    found: dict[str, Trace] = {}
    for trace in evidence.traces():
        token = token_of(trace)
        if token in (Label.PLAIN, Label.STUBBORN, Label.FAILING):
            found[token] = trace
    return found


def deliveries_to(evidence: Evidence, token: str) -> list[tuple[Delivery, TaskMessage]]:
    """What came to one of the URLs and has a task in it, oldest first."""
    return [
        (each, each.task) for each in evidence.deliveries if each.token == token and each.task is not None
    ]


def due(trace: Trace) -> set[TaskStatus | str]:
    """The changes that somebody saw; that a task is submitted need not be told."""
    return {each.task.task_status for each in trace.reads} - {TaskStatus.SUBMITTED}


def repeated(came: Sequence[tuple[Delivery, TaskMessage]]) -> bool:
    """Whether the first that was answered with 500 came again."""
    refused = [(at, task) for at, (each, task) in enumerate(came) if each.replied >= 500]
    return bool(refused) and any(
        task.task_status == refused[0][1].task_status for _, task in came[refused[0][0] + 1 :]
    )
