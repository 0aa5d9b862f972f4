"""The journal: all requests with their replies, and assertions whose messages show the closest requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, overload

from kling_contracts.redaction import escape_controls, hide_in_urls
from kling_mock.argument_checks import check_whole
from kling_mock.criteria import (
    CreateFacts,
    CriterionKind,
    Subject,
    check_criteria,
    mismatches,
    shown,
    suggested_glob,
)
from kling_mock.records import CallRecord, RuleRecord
from kling_mock.timing.notifier import Waiter

SHOWN = 5


def check_count(name: str, value: object) -> None:
    """Raise ValueError unless the number that an assertion expects is None or an integer of at least 0."""
    if value is not None:
        check_whole(name, value, 0)


class Calls(Sequence[CallRecord]):
    """Calls, oldest first. Filters such as `creates` return calls again. Credentials are not kept."""

    def __init__(
        self,
        read: Callable[[], Sequence[CallRecord]],
        notifier: Waiter,
        criteria: Mapping[str, CriterionKind],
    ) -> None:
        self._read = read
        self._notifier = notifier
        self._criteria = criteria

    @property
    def creates(self) -> Calls:
        """Create requests, accepted and refused."""
        return self._only(lambda call: call.method == "POST")

    @property
    def polls(self) -> Calls:
        """Queries that found a task."""
        return self._only(lambda call: call.method == "GET" and call.shown is not None)

    @property
    def refused(self) -> Calls:
        """Calls that a rule refused; `.rule` is its id."""
        return self._only(lambda call: call.rule is not None)

    def _only(self, fits: Callable[[CallRecord], bool]) -> Calls:
        return Calls(lambda: [call for call in self._read() if fits(call)], self._notifier, self._criteria)

    def assert_created(
        self, times: int | None = None, *, within: float | None = None, **criteria: object
    ) -> None:
        """Assert that matching requests created a task: at least one, or exactly `times`.

        Criteria are those of `Fake.when`: `prompt="*cat*"`, `aspect_ratio="1:1"`, `n=2`, `subjects=3`.
        `within`: wait up to this number of seconds of real time for other threads to create the tasks.
        Raises TypeError for an unknown field or a value of a wrong type, ValueError for another argument.
        """
        check_criteria(criteria, self._criteria)
        check_count("times", times)
        wanted = RuleRecord(0, None, criteria, None)
        enough = 1 if times is None else times
        self._notifier.wait(lambda: self._count(wanted) >= enough, within)
        found = self._count(wanted)
        if found != times and (times is not None or not found):
            raise AssertionError(self._explain(wanted, times, found))

    def _count(self, wanted: RuleRecord) -> int:
        created = [call for call in self._read() if call.method == "POST" and call.task_id is not None]
        return sum(
            call.request is not None and not mismatches(wanted, CreateFacts(call.request)) for call in created
        )

    def _explain(self, wanted: RuleRecord, times: int | None, found: int) -> str:
        criteria = ", ".join(f"{name}={value!r}" for name, value in (wanted.criteria or {}).items())
        tasks = "tasks" if times not in (None, 1) else "task"
        subject = f"{tasks} created with {criteria}" if criteria else f"{tasks} created"
        number = "at least one" if times is None else f"exactly {times}"
        lines = [f"expected {number} {subject}; found {found}. Create requests, closest match first:"]
        return "\n".join(map(printable, [*lines, *nearest(wanted, candidates(self.creates), compare)]))

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
        return "\n".join(["<calls>", *(printable(f"  {line(call)}") for call in self._read())])


def printable(text: str) -> str:
    """A line for a terminal: without secrets of URLs, and with control characters escaped."""
    return escape_controls(hide_in_urls(text))


def line(call: CallRecord) -> str:
    """A call as one line of text."""
    end = f" {call.shown}" if call.shown else ""
    fault = f" ({_fault(call)})" if call.faults else ""
    task = f" task {call.task_id}" if call.task_id else ""
    rule = f" (refused by {call.rule})" if call.rule else ""
    status = call.status or "no reply"
    return f"{call.method} {call.path} -> {status}{end}{task}{rule}{fault}"


def _fault(call: CallRecord) -> str:
    actual = f"actually {call.actual}, " if call.actual else ""
    return f"{actual}fault: {', '.join(call.faults)}"


class Candidate(NamedTuple):
    """A call that could have been meant by a rule; its criteria are compared with the `subject`."""

    call: CallRecord
    subject: Subject | None


def candidates(creates: Iterable[CallRecord]) -> Iterator[Candidate]:
    """Creates as candidates. The request of one that a rule refused is as it was sent: it is not compared."""
    for call in creates:
        by_rule = call.rule is not None and call.script is None
        yield Candidate(call, None if call.request is None or by_rule else CreateFacts(call.request))


def nearest(
    wanted: RuleRecord,
    found: Iterable[Candidate],
    explain: Callable[[RuleRecord, Candidate], Iterable[str]],
) -> Iterator[str]:
    """Lines that compare calls with a rule: the closest five."""
    ordered = closest_first(wanted, found)
    for each in ordered[:SHOWN]:
        yield from explain(wanted, each)
    if not ordered:
        yield "  none"
    if len(ordered) > SHOWN:
        yield f"  and {len(ordered) - SHOWN} more"


def closest_first(wanted: RuleRecord, found: Iterable[Candidate]) -> list[Candidate]:
    """Calls by the number of criteria of a rule that they miss; calls without a known request are last."""
    return sorted(found, key=lambda each: _distance(wanted, each))


def _distance(wanted: RuleRecord, each: Candidate) -> int:
    return len(wanted.criteria or ()) + 1 if each.subject is None else len(mismatches(wanted, each.subject))


def compare(wanted: RuleRecord, candidate: Candidate) -> Iterator[str]:
    """Lines for one call: the call, then for each criterion whether it matches."""
    yield f"  {line(candidate.call)}"
    if candidate.subject is None:
        return
    missed = mismatches(wanted, candidate.subject)
    for name, value in (wanted.criteria or {}).items():
        if name not in missed:
            yield f"    {name}: matches"
            continue
        actual = missed[name][1]
        glob = suggested_glob(value, actual)
        hint = f"; a text must match the whole value: did you mean {shown(glob)}?" if glob else ""
        yield f"    {name}: expected {shown(value)}, got {shown(actual)}{hint}"


def elapsed(start: float, at: float) -> str:
    """The time between two instants, such as `+1.500s`."""
    return f"+{at - start:.3f}s"
