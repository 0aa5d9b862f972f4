"""A callback of a server, which can be delivered again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from kling_mock.callbacks.model import Callback
from kling_mock.control_api import models, parameters
from kling_mock.records import AttemptRecord
from kling_mock.remote.connection import ControlConnection
from kling_mock.remote.records import attempt_record, callback_of_info


class RemoteCallback(Callback):
    """A callback of `remote.callbacks`."""

    _connection: ControlConnection

    @classmethod
    def of(cls, info: models.CallbackInfo, connection: ControlConnection) -> Self:
        made = cls(*callback_of_info(info))
        made._connection = connection
        return made

    def redeliver(self, body: Mapping[str, object] | None = None, **changes: object) -> AttemptRecord:
        """Deliver this callback now, once: as it was sent first, with another `body`, or with changed fields.

        Raises ValueError if the server sends none.
        """
        sent = parameters.RedeliverBody(None if body is None else dict(body), changes)
        path = f"callbacks/{self.task_id}-{self.position}/redeliver"
        attempt = self._connection.call("POST", path, models.AttemptInfo, body=sent)
        return attempt_record(attempt, self.task_id, self.position)
