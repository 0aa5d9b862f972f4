"""The handle on a task of a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Self

from kling_mock.argument_checks import check_text
from kling_mock.control import TaskAlreadyEnded
from kling_mock.control_api import call_models, parameters, task_models
from kling_mock.faults import KINDS, Fault
from kling_mock.records import CallRecord, TaskState
from kling_mock.remote.connection import ControlConnection, RemoteError
from kling_mock.remote.records import call_record, task_record, task_state
from kling_mock.scripts.signatures import value_of_call
from kling_mock.scripts.task_faults import TaskFaults
from kling_mock.scripts.written_scripts import WrittenFault, WrittenScripts, calling_line
from kling_mock.testing.stored_task import is_query
from kling_mock.testing.task_handle import TaskHandle
from kling_mock.timing.notifier import Waiter


class RemoteTask(TaskHandle):
    """One task of a server. Each property reads it again."""

    def __init__(
        self, task: task_models.Task, connection: ControlConnection, notifier: Waiter, written: WrittenScripts
    ) -> None:
        super().__init__(task_record(task), notifier)
        self._connection = connection
        self._written = written

    def _show(self) -> task_models.Task:
        return self._connection.call("GET", f"tasks/{self.id}", task_models.Task)

    def read(self) -> tuple[TaskState, float]:
        return task_state(self._show())

    def _queries(self) -> list[CallRecord]:
        pages = self._connection.pages("calls", call_models.CallPage, task_id=self.id)
        calls = [call_record(call) for page in pages for call in page.calls]
        return [call for call in calls if is_query(call, self.id)]

    @property
    def images(self) -> tuple[str, ...]:
        return self._show().images

    def release(self) -> None:
        self._post("release", None)

    def succeed(self) -> None:
        self._post("succeed", None)

    def fail(self, message: str) -> None:
        self._post("fail", parameters.TaskFailure(check_text("message", message)))

    def _post(self, how: str, body: object) -> task_models.Task:
        try:
            return self._connection.call("POST", f"tasks/{self.id}/{how}", task_models.Task, body=body)
        except RemoteError as error:
            if error.status == 409:
                raise TaskAlreadyEnded(str(error)) from None
            raise

    def _add_fault(self, fault: Fault) -> Self:  # noqa: ARG002 -- valid, and sent as a document by `_sent`
        return self

    def _send_fault(self, document: dict[str, object]) -> None:
        task = self._post("faults", document)
        self._written.put_fault(WrittenFault(self.id, len(task.faults) - 1, calling_line()))


def _sent(name: str) -> Callable[..., Any]:
    """The method of a fault, which checks its arguments, and then sends its call as a document."""
    method = getattr(TaskFaults, name)

    @wraps(method)
    def call(self: RemoteTask, *args: Any, **kwargs: Any) -> RemoteTask:
        document = {name: value_of_call(method, args, kwargs)}
        method(self, *args, **kwargs)
        self._send_fault(document)  # pyright: ignore[reportPrivateUsage] -- a method of this class
        return self

    return call


for _name in KINDS:
    setattr(RemoteTask, _name, _sent(_name))
