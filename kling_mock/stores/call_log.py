"""The journal in memory: calls in order, bounded by the memory they take."""

from __future__ import annotations

from collections import deque
from sys import getsizeof
from typing import Final

from kling_mock.records import CallRecord

# Structs, tuples and references of a call, and of a header, a value and a picture in it; in bytes.
CALL_BYTES: Final = 400
PART_BYTES: Final = 180


class CallLog:
    """Calls, oldest first. While they take more than `limit` bytes the oldest is dropped; one is kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._calls: deque[CallRecord] = deque()
        self._sizes: deque[int] = deque()
        self.size = 0

    def append(self, call: CallRecord) -> None:
        size = size_of(call)
        self._calls.append(call)
        self._sizes.append(size)
        self.size += size
        while self.size > self._limit and len(self._calls) > 1:
            self._calls.popleft()
            self.size -= self._sizes.popleft()

    def of(self, account: str | None) -> tuple[CallRecord, ...]:
        """The calls of one account, or of all."""
        return tuple([call for call in self._calls if account in (None, call.account)])


def size_of(call: CallRecord) -> int:
    """About how many bytes of memory a call takes. What it shares with its task counts as well."""
    size = CALL_BYTES + len(call.path) + PART_BYTES * len(call.headers)
    for name, value in call.headers:
        size += len(name) + len(value)
    for note in call.notes:
        size += getsizeof(note)
    request = call.request
    if request is not None:
        size += PART_BYTES * (1 + len(request.pictures))
        for item in request.items:
            size += getsizeof(item)
        for picture in request.pictures:
            size += len(picture.url or "") + len(picture.thumbnail or b"")
    return size
