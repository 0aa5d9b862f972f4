"""The histories of tasks, as checks and steps ask about them: conduct, end, callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kling_contracts.lifecycle import LifecycleViolation, check_lifecycle
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence, Observation, TaskHistory
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.probes import Label
from kling_contracts.vocabulary import TaskStatus


def ended(history: TaskHistory) -> bool:
    return history.end is not None


def ended_as(history: TaskHistory, status: TaskStatus) -> bool:
    return history.end is not None and history.end.task.task_status == status


def task_of(evidence: Evidence, created: Exchange) -> TaskHistory | None:
    """The task that a create made; None if its answer shows none."""
    return next((each for each in evidence.histories() if each.created is created), None)


def lasted(history: TaskHistory) -> float:
    """How long a task took to its end, by the stamps of the server, in seconds."""
    if history.end is None:
        return 0.0
    task = history.end.task
    return max((task.updated_at or 0) - (task.created_at or 0), 0) / 1000


def misconduct(history: TaskHistory) -> Sequence[LifecycleViolation]:
    """The violations of the life cycle in a history."""
    return check_lifecycle([each.task for each in judged_by(history)], n=history.images, kind=history.kind)


def judged_by(history: TaskHistory) -> Sequence[Observation]:
    """The observations to judge: without the answer to the create, if that was wrong by itself."""
    return history.observations if begins_rightly(history) else history.reads


def begins_rightly(history: TaskHistory) -> bool:
    """Whether a create was answered with a task at the beginning of its life, or else at its end."""
    task = cast("TaskMessage", history.created.task)
    if history.synchronous:
        return history.end is history.observations[0]
    return task.task_status == TaskStatus.SUBMITTED and task.created_at == task.updated_at


def is_steady(history: TaskHistory) -> bool:
    """Whether order and stamps are right: only then its observations can be compared with others."""
    return not any(each.rule.startswith(("state.", "time.")) for each in misconduct(history))


def is_worded(history: TaskHistory) -> bool:
    """Whether queries use the words of the API."""
    return all(isinstance(each.task.task_status, TaskStatus) for each in history.reads)


def token_of(history: TaskHistory) -> str:
    """Which URL of ours a create gave, by its last part; empty if it gave none."""
    url = history.created.asked_object.get("callback_url")
    return url.rpartition("/")[2] if isinstance(url, str) else ""


def called(evidence: Evidence) -> dict[str, TaskHistory]:
    """The tasks that gave a URL of ours, by its token."""
    found: dict[str, TaskHistory] = {}
    for history in evidence.histories():
        token = token_of(history)
        if token in (Label.PLAIN, Label.STUBBORN, Label.FAILING):
            found[token] = history
    return found


def deliveries_to(evidence: Evidence, token: str) -> list[tuple[Delivery, TaskMessage]]:
    """What came to one of the URLs and has a task in it, oldest first."""
    return [
        (each, each.task) for each in evidence.deliveries if each.token == token and each.task is not None
    ]


def due(history: TaskHistory) -> set[TaskStatus | str]:
    """The changes that somebody saw; that a task is submitted need not be told."""
    return {each.task.task_status for each in history.reads} - {TaskStatus.SUBMITTED}


def repeated(came: Sequence[tuple[Delivery, TaskMessage]]) -> bool:
    """Whether the first that was answered with 500 came again."""
    refused = [(at, task) for at, (each, task) in enumerate(came) if each.replied >= 500]
    return bool(refused) and any(
        task.task_status == refused[0][1].task_status for _, task in came[refused[0][0] + 1 :]
    )
