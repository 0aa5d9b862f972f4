"""The state of a task as one response reported it, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Self

from kling_contracts.messages import Result, ResultImage, ResultMedia, TaskMessage
from kling_contracts.vocabulary import TaskStatus


class Snapshot(NamedTuple):
    """A parsed task of a response; `raw` is the JSON object."""

    message: TaskMessage
    request_id: str | None
    raw: Mapping[str, object]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _instant(milliseconds: int | None) -> datetime | None:
    if milliseconds is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:  # beyond the year 9999; the rest of the task is still usable
        return None


@dataclass(frozen=True, kw_only=True, repr=False)
class TaskSnapshot:
    """The state of a task as one response reported it. Immutable; a newer state is a new object.

    - `status`: a TaskStatus, an unknown status as a plain string, or None before the first query.
    - `images`, `media`: the results; `media` holds videos and audios.
    - `failure`: the service's reason for a failed task.
    - `created_at`, `updated_at`: UTC.
    - `raw`: the JSON object, with unknown fields.

    `request_id` and `raw` are ignored in comparisons. A pickled task loses its client.
    """

    id: str
    status: TaskStatus | str | None = None
    images: tuple[ResultImage, ...] = field(default=(), hash=False)
    media: tuple[ResultMedia, ...] = field(default=(), hash=False)
    failure: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    external_id: str | None = None
    request_id: str | None = field(default=None, compare=False)
    raw: Mapping[str, object] = field(default_factory=dict[str, object], compare=False)

    @property
    def results(self) -> tuple[Result, ...]:
        """All results: images, videos, audios."""
        return (*self.images, *self.media)

    @property
    def terminal(self) -> bool:
        """Whether the task has ended. An unknown status counts as not ended."""
        return isinstance(self.status, TaskStatus) and self.status.terminal

    def seen(self, snapshot: Snapshot) -> Self:
        """A copy of this handle with the state of a newer response."""
        message = snapshot.message
        return replace(
            self,
            id=message.task_id,
            status=message.task_status,
            images=message.images,
            media=message.media,
            failure=message.task_status_msg if message.task_status == TaskStatus.FAILED else None,
            created_at=_instant(message.created_at),
            updated_at=_instant(message.updated_at),
            external_id=message.external_task_id,
            request_id=snapshot.request_id,
            raw=snapshot.raw,
        )

    def __repr__(self) -> str:
        shown = (
            f"{type(self).__name__}({self.id!r}, status={None if self.status is None else str(self.status)!r}"
        )
        for name, results in (("images", self.images), ("media", self.media)):
            shown += f", {name}={len(results)}" if results else ""
        return shown + (f", failure={self.failure[:200]!r})" if self.failure else ")")

    def __getstate__(self) -> dict[str, object]:
        # The driver holds connections and the key.
        return {**self.__dict__, "driver": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
