"""The handle on a task in a store of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from kling_contracts.vocabulary import TaskStatus
from kling_mock.argument_checks import check_text
from kling_mock.control import add_fault, finish_task, read_task
from kling_mock.faults import Fault
from kling_mock.images.urls import result_url
from kling_mock.records import CallRecord, TaskRecord, TaskState
from kling_mock.scripts.written_scripts import WrittenFault, WrittenScripts, calling_line
from kling_mock.settings import Settings
from kling_mock.stores import CallsKey, Store, run
from kling_mock.testing.task_handle import TaskHandle
from kling_mock.timing.notifier import ChangeNotifier


class StoredTask(TaskHandle):
    """One task of a fake."""

    def __init__(
        self,
        record: TaskRecord,
        store: Store,
        settings: Settings,
        watch: ChangeNotifier,
        written: WrittenScripts,
    ) -> None:
        super().__init__(record, watch)
        self._store = store
        self._settings = settings
        self._changed = watch.notify
        self._written = written

    def read(self) -> tuple[TaskState, float]:
        return run(read_task(self.id), self._store)

    def _queries(self) -> list[CallRecord]:
        key = CallsKey(self._record.account)
        return [call for call in self._store.read((key,))[key] if is_query(call, self.id)]

    @property
    def images(self) -> tuple[str, ...]:
        if self.status is not TaskStatus.SUCCEED:
            return ()
        count = range(self.request.n)
        return tuple(result_url(self._record, index, self._settings.seed) for index in count)

    def release(self) -> None:
        self._finish(lambda planned: planned)

    def succeed(self) -> None:
        self._finish(lambda _: None)

    def fail(self, message: str) -> None:
        check_text("message", message)
        self._finish(lambda _: message)

    def _add_fault(self, fault: Fault) -> Self:
        position = run(add_fault(self.id, fault), self._store)
        self._written.put_fault(WrittenFault(self.id, position, calling_line()))
        return self

    def _finish(self, failure: Callable[[str | None], str | None]) -> None:
        run(finish_task(self.id, failure), self._store)
        self._changed(self.id)


def is_query(call: CallRecord, task_id: str) -> bool:
    """Whether a call is a query that was answered with the state of this task."""
    return call.task_id == task_id and call.method == "GET" and bool(call.shown or call.actual)
