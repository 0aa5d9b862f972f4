"""Questions about task histories that several checks share: end, violations, callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from kling_contracts.lifecycle import LifecycleViolation, check_lifecycle
from kling_contracts.messages import TaskMessage
from kling_contracts.verify.evidence import Evidence, Observation, TaskHistory
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.lost_requests import lost_creates
from kling_contracts.verify.probes import Label, ProbeKind
from kling_contracts.vocabulary import TaskStatus


def ended(history: TaskHistory) -> bool:
    return history.end is not None


def ended_as(history: TaskHistory, status: TaskStatus) -> bool:
    return history.end is not None and history.end.task.task_status == status


def accepts_nothing(evidence: Evidence) -> bool:
    """Whether valid creates were refused, all of them: the refusal of an invalid one then proves nothing."""
    return next(evidence.of(ProbeKind.ACCEPT), None) is not None and not evidence.histories()


def finds_nothing(evidence: Evidence) -> bool:
    """Whether tasks were queried, and no answer showed one: a refused query then proves nothing."""
    queried = next(evidence.queries, None) is not None
    return queried and not any(history.reads for history in evidence.histories())


def task_of(evidence: Evidence, created: Exchange) -> TaskHistory | None:
    """The task that a create request created; None if its answer shows none."""
    return next((each for each in evidence.histories() if each.created is created), None)


def violations_of(history: TaskHistory) -> Sequence[LifecycleViolation]:
    """The violations of the life cycle in a history."""
    seen = [each.task for each in judged_observations(history)]
    return check_lifecycle(seen, n=history.images, kind=history.kind)


def judged_observations(history: TaskHistory) -> Sequence[Observation]:
    """The observations to judge; without the answer to the create if `lifecycle.created` fails for it."""
    return history.observations if starts_correctly(history) else history.reads


def starts_correctly(history: TaskHistory) -> bool:
    """Whether a create was answered with a submitted task, or for synchronous operations an ended one."""
    task = cast("TaskMessage", history.created.task)
    if history.synchronous:
        return history.end is history.observations[0]
    return task.task_status == TaskStatus.SUBMITTED and task.created_at == task.updated_at


def is_consistent(history: TaskHistory) -> bool:
    """Whether states and timestamps have no violations, so that other messages can be compared with them."""
    return not any(each.rule.startswith(("state.", "time.")) for each in violations_of(history))


def has_known_statuses(history: TaskHistory) -> bool:
    """Whether all queries show a status of the API."""
    return all(isinstance(each.task.task_status, TaskStatus) for each in history.reads)


def tasks_with_callbacks(evidence: Evidence) -> dict[str, TaskHistory]:
    """The tasks with a callback URL of the run's receiver, by the token of the URL."""
    found: dict[str, TaskHistory] = {}
    for history in evidence.histories():
        token = history.created.callback_token
        if token in (Label.PLAIN, Label.RETRIED, Label.FAILING) or token.startswith(Label.COMBINED):
            found[token] = history
    return found


def deliveries_to(evidence: Evidence, token: str) -> list[tuple[Delivery, TaskMessage]]:
    """The callbacks to one URL that contain a task, oldest first.

    A create whose reply was lost may have created a task with the same URL, whose callbacks are left out.
    """
    found = [
        (each, each.task) for each in evidence.deliveries if each.token == token and each.task is not None
    ]
    if not any(each.callback_token == token for each in lost_creates(evidence)):
        return found
    known = {history.id for history in evidence.histories()}
    return [(each, task) for each, task in found if task.task_id in known]


def expected_statuses(history: TaskHistory) -> set[TaskStatus | str]:
    """The observed statuses that need a callback: all but `submitted`."""
    return {each.task.task_status for each in history.reads} - {TaskStatus.SUBMITTED}


def repeated(received: Sequence[tuple[Delivery, TaskMessage]]) -> bool:
    """Whether the first callback that was answered with 500 was sent again."""
    refused = [(at, task) for at, (each, task) in enumerate(received) if each.replied >= 500]
    return bool(refused) and any(
        task.task_status == refused[0][1].task_status for _, task in received[refused[0][0] + 1 :]
    )
