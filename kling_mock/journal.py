"""The journal: every call as it was answered, with assertions whose messages show what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from kling_mock.records import CallRecord, RuleRecord
from kling_mock.scenario import check_criteria, mismatches

SHOWN = 5


class Calls(Sequence[CallRecord]):
    """Calls, oldest first. Filters give calls again; credentials are never kept."""

    def __init__(self, read: Callable[[], Sequence[CallRecord]]) -> None:
        self._read = read

    @property
    def creates(self) -> Calls:
        """Calls that created a task or were refused to."""
        return self._only(lambda call: call.method == "POST")

    @property
    def polls(self) -> Calls:
        """Queries that found their task."""
        return self._only(lambda call: call.method == "GET" and call.shown is not None)

    @property
    def refused(self) -> Calls:
        """Calls that a rule refused; `.rule` says which."""
        return self._only(lambda call: call.rule is not None)

    def _only(self, fits: Callable[[CallRecord], bool]) -> Calls:
        return Calls(lambda: [call for call in self._read() if fits(call)])

    def assert_created(self, times: int | None = None, **criteria: object) -> None:
        """Assert that a task was created (exactly `times` tasks, if given) by a request that fits.

        Criteria are those of `Fake.when`: `prompt="*cat*"`, `aspect_ratio="1:1"`, `n=2`, `subjects=3`.
        """
        check_criteria(criteria)
        wanted = RuleRecord(0, None, criteria, None)
        created = [call for call in self._read() if call.method == "POST" and call.task_id is not None]
        fitting = [call for call in created if call.request and not mismatches(wanted, call.request)]
        if len(fitting) == times or (times is None and fitting):
            return
        raise AssertionError(self._explain(wanted, times, len(fitting)))

    def _explain(self, wanted: RuleRecord, times: int | None, found: int) -> str:
        criteria = ", ".join(f"{name}={value!r}" for name, value in (wanted.criteria or {}).items())
        what = f"task created with {criteria}" if criteria else "task created"
        number = "at least one" if times is None else f"exactly {times}"
        creates = sorted(self.creates, key=lambda call: _distance(wanted, call))
        lines = [f"expected {number} {what}, found {found}. Creates that came, nearest first:"]
        lines += [line for call in creates[:SHOWN] for line in _compare(wanted, call)]
        if not creates:
            lines.append("  none")
        if len(creates) > SHOWN:
            lines.append(f"  and {len(creates) - SHOWN} more")
        return "\n".join(lines)

    @overload
    def __getitem__(self, index: int) -> CallRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CallRecord]: ...
    def __getitem__(self, index: int | slice) -> CallRecord | Sequence[CallRecord]:
        return self._read()[index]

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[CallRecord]:
        return iter(self._read())

    def __repr__(self) -> str:
        return "\n".join(["<calls>", *(f"  {line(call)}" for call in self._read())])


def line(call: CallRecord) -> str:
    """A call on one line."""
    end = f" {call.shown}" if call.shown else ""
    task = f" task {call.task_id}" if call.task_id else ""
    rule = f" (refused by {call.rule})" if call.rule else ""
    return f"{call.method} {call.path} -> {call.status}{end}{task}{rule}"


def _distance(wanted: RuleRecord, call: CallRecord) -> int:
    return len(wanted.criteria or ()) + 1 if call.request is None else len(mismatches(wanted, call.request))


def _compare(wanted: RuleRecord, call: CallRecord) -> Iterator[str]:
    yield f"  {line(call)}"
    if call.request is None:
        return
    missed = mismatches(wanted, call.request)
    for name, value in (wanted.criteria or {}).items():
        yield (
            f"    {name}: wanted {value!r}, came {missed[name][1]!r}"
            if name in missed
            else f"    {name}: fits"
        )
