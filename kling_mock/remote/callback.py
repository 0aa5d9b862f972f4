"""A callback of a server, which can be delivered again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from kling_contracts.vocabulary import TaskStatus
from kling_mock.callbacks.model import Callback
from kling_mock.control_api import models, parameters
from kling_mock.records import AttemptRecord
from kling_mock.remote.connection import ControlConnection
from kling_mock.remote.records import attempt_record


class RemoteCallback(Callback):
    """A callback of `remote.callbacks`."""

    _connection: ControlConnection

    @classmethod
    def of(cls, info: models.CallbackInfo, connection: ControlConnection) -> Self:
        position = int(info.id.rpartition("-")[2])
        attempts = tuple([attempt_record(each, info.task_id, position) for each in info.attempts])
        status = TaskStatus(info.status)
        made = cls(info.task_id, info.url, status, info.due, position, info.body, attempts, info.refused)
        made._connection = connection
        return made

    def redeliver(self, body: Mapping[str, object] | None = None, **changes: object) -> AttemptRecord:
        """Deliver this callback now, once: as it was sent first, with another `body`, or with changed fields.

        Raises ValueError if the server does not deliver it.
        """
        sent = parameters.RedeliverBody(None if body is None else dict(body), changes)
        path = f"callbacks/{models.callback_id(self.task_id, self.position)}/redeliver"
        attempt = self._connection.call("POST", path, models.AttemptInfo, body=sent)
        return attempt_record(attempt, self.task_id, self.position)
