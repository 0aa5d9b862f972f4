"""The methods that give a task a fault: the same on scripts (`next`, `when`) and on the handle of a task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal, Self, TypedDict, Unpack, cast

from kling_contracts.vocabulary import TaskStatus
from kling_contracts.wire_objects import TASK_FIELDS
from kling_mock.argument_checks import check_json, check_text, check_whole
from kling_mock.faults import PICTURE_FAULTS, Fault, make_fault
from kling_mock.suggestions import status_of, unknown


class Extent(TypedDict, total=False):
    """The extent of a fault. Without one it lasts from the first query to which it can be shown.

    `after`: queries that are skipped first; `polls`: queries to which it is shown; `seconds`: it ends this
    time after the change of the status, or the creation, with which it begins.
    """

    after: int
    polls: int
    seconds: float


class TaskFaults:
    """Faults of a task. The task itself stays right; replies to its queries, or its pictures, are wrong."""

    @abstractmethod
    def _add_fault(self, fault: Fault) -> Self: ...

    def sticks(self, **extent: Unpack[Extent]) -> Self:
        """Queries after the end show `processing`."""
        return self._with("sticks", TaskStatus.PROCESSING, extent)

    def goes_back(self, to: str = "submitted", **extent: Unpack[Extent]) -> Self:
        """After a query that showed a later status, one query shows `to` again."""
        status = status_of(to)
        if status.terminal:
            raise ValueError(f"to must be 'submitted' or 'processing', not {to!r}")
        return self._with("goes_back", status, {"after": 1, "polls": 1, **extent})

    def reads_stale(self, **extent: Unpack[Extent]) -> Self:
        """After a query that showed the end, one query shows `processing`."""
        return self._with("reads_stale", TaskStatus.PROCESSING, {"after": 1, "polls": 1, **extent})

    def appears_late(self, seconds: float = 1.0) -> Self:
        """For this time after the create the task is unknown to queries."""
        return self._with("appears_late", None, {"seconds": seconds})

    def shows_status(self, word: str, at: str = "processing", **extent: Unpack[Extent]) -> Self:
        """Queries in the status `at` show this status word instead, such as `queued`."""
        check_text("word", word)
        return self._with("shows_status", (word, status_of(at)), extent)

    def omits_images(self, **extent: Unpack[Extent]) -> Self:
        """The task succeeds with an empty list of images."""
        return self._with("omits_images", None, extent)

    def omits_index(self, **extent: Unpack[Extent]) -> Self:
        """The images have no `index`."""
        return self._with("omits_index", None, extent)

    def miscounts(self, images: int, **extent: Unpack[Extent]) -> Self:
        """The result has this number of images instead of `n` of the request; the last one is repeated."""
        check_whole("images", images, 1)
        return self._with("miscounts", images, extent)

    def omits_message(self, **extent: Unpack[Extent]) -> Self:
        """The failed task has no `task_status_msg`."""
        return self._with("omits_message", None, extent)

    def adds_fields(self, fields: Mapping[str, object] | None = None, **extent: Unpack[Extent]) -> Self:
        """The task object has unknown fields: these, or two of the mock's choice."""
        added = dict(fields) if fields else None
        check_json("fields", added)
        return self._with("adds_fields", added, extent)

    def nulls_fields(self, *names: str, **extent: Unpack[Extent]) -> Self:
        """These fields of the task object are null; by default the optional ones."""
        for name in names:
            if name not in TASK_FIELDS:
                raise ValueError(unknown("field of a task", name, TASK_FIELDS))
        return self._with("nulls_fields", names or None, extent)

    def timestamps_in_seconds(self, **extent: Unpack[Extent]) -> Self:
        """`created_at` and `updated_at` are in seconds instead of milliseconds."""
        return self._with("timestamps_in_seconds", None, extent)

    def changes_shape(self, **extent: Unpack[Extent]) -> Self:
        """From the second query on, the reply is the task object without its envelope."""
        return self._with("changes_shape", None, {"after": 1, **extent})

    def pictures_are(
        self,
        how: Literal["refused", "expired", "redirect", "html", "truncated", "slow"],
        *,
        delay: float = 10.0,
        **extent: Unpack[Extent],
    ) -> Self:
        """Downloads of results are refused (403), expired (404), redirected, HTML, cut in half, or slow.

        A slow one is delivered after `delay` seconds. `after` and `polls` count downloads.
        """
        if how not in PICTURE_FAULTS:
            raise ValueError(unknown("fault of pictures", str(how), PICTURE_FAULTS))
        return self._with("pictures_are", (how, delay), extent)

    def _with(self, kind: str, value: object, extent: Mapping[str, object]) -> Self:
        return self._add_fault(make_fault(kind, value, **cast("Extent", extent)))
