"""The journal in memory, limited by its size in bytes."""

from __future__ import annotations

from collections import deque

from kling_mock.records import CallRecord


class CallLog:
    """Calls, oldest first. Above `limit` bytes the oldest calls are dropped; the newest is always kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._calls: deque[CallRecord] = deque()
        self._sizes: deque[int] = deque()
        self.size = 0

    def append(self, call: CallRecord) -> None:
        size = call.size
        self._calls.append(call)
        self._sizes.append(size)
        self.size += size
        while self.size > self._limit and len(self._calls) > 1:
            self._calls.popleft()
            self.size -= self._sizes.popleft()

    def clear(self) -> None:
        self._calls.clear()
        self._sizes.clear()
        self.size = 0

    def drop(self, account: str) -> None:
        """Drop the calls of one account."""
        kept = [call for call in self._calls if call.account != account]
        self.clear()
        for call in kept:
            self.append(call)

    def __len__(self) -> int:
        return len(self._calls)

    def of(self, account: str | None) -> tuple[CallRecord, ...]:
        """The calls of one account, or of all (None)."""
        return tuple([call for call in self._calls if account in (None, call.account)])
