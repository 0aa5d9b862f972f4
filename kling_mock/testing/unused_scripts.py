"""Scripts that never applied to a request, with the line that wrote each and the closest requests."""

from __future__ import annotations

import linecache
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from kling_contracts.explained_error import ExplainedError
from kling_contracts.help_links import help_line
from kling_mock.criteria import mismatches
from kling_mock.faults import KINDS, Fault, Stage
from kling_mock.outcomes import Misbehaves
from kling_mock.records import CREATE, QUERY, REQUEST, SWITCHED_OFF, CallRecord, RuleRecord
from kling_mock.request_facts import CallFacts, kind_of
from kling_mock.scripts.rule_builder import NOUNS, describe
from kling_mock.scripts.written_scripts import Written
from kling_mock.testing.base_view import View
from kling_mock.testing.journal import (
    SHOWN,
    Candidate,
    candidates,
    closest_first,
    compare,
    nearest,
    printable,
)
from kling_mock.testing.task_handle import TaskHandle

_WAYS_OUT: Final = (
    "remove the script, correct its criteria, or mark it .optional(); "
    "the setting unused_scripts is error, warn or ignore"
)
_OUTCOMES: Final = ".succeeds(), .fails(message), .refuses(code), .pace(pace), .holds() or a fault"
_FAULTS: Final = ".answers(status), .delays(seconds), .resets() or another fault of replies"


class UnusedScripts(ExplainedError, AssertionError):
    """Scripts that never applied to a request, or that have no outcome; the message explains each."""


class UnusedScriptWarning(UserWarning):
    """A script never applied to a request; reported with `unused_scripts=warn`."""


def check_scripts(view: View, written: Written, level: str) -> UnusedScripts | None:
    """The error about the rules and faults that had no effect, or None.

    `level` is the setting `unused_scripts`; with `warn` each gives a warning.
    """
    if not written.rules and not written.faults:
        return None
    found = list(_without_effect(view, written, drafts_only=level == "ignore"))
    for each in found:
        if level == "warn" and not each.is_draft:
            _warn(each)
    reported = [each for each in found if each.is_draft or level == "error"]
    if not reported:
        return None
    subject = "1 script" if len(reported) == 1 else f"{len(reported)} scripts"
    lines = [line for each in reported for line in (*_place(each.written_at), *each.lines)]
    return UnusedScripts("\n".join([f"{subject} had no effect", *map(printable, lines), _WAYS_OUT]))


class _Unused(NamedTuple):
    """A script or fault without effect, and the lines about it. A draft is a script without an outcome."""

    written_at: str
    lines: Sequence[str]
    is_draft: bool = False


def _without_effect(view: View, written: Written, *, drafts_only: bool) -> Iterator[_Unused]:
    if not drafts_only:
        yield from _unused_faults(view, written)
    uses = view.script_uses
    for rule in written.rules:
        if not rule.outcomes:
            yield _Unused(rule.written_at, [_explain_draft(rule)], is_draft=True)
        elif not (rule.optional or uses.get(rule.id, 0) or drafts_only):
            yield _Unused(rule.written_at, list(_explain(view, rule, 0)))


def report(view: View) -> Iterator[str]:
    """Lines about scripts without an outcome, and about those with uses left, for a timeline.

    For one account these are its own: those of all accounts may be about requests of others.
    """
    for rule in view.draft_scripts:
        yield ""
        yield from (*_place(rule.written_at), _explain_draft(rule))
    uses = view.script_uses
    for rule in view.scripts:
        if view.account_name not in (None, rule.account):
            continue
        used = uses.get(rule.id, 0)
        if rule.uses_left != 0 and not (rule.uses_left is None and used):
            yield ""
            yield from (*_place(rule.written_at), *_explain(view, rule, used))


def _explain(view: View, rule: RuleRecord, used: int) -> Iterator[str]:
    """Lines about one script: its description and the closest requests."""
    state = "partly used" if used else "unused"
    count = f" Used {used} of {used + (rule.uses_left or 0)} times." if used else ""
    noun = "Create requests" if rule.kind == CREATE else NOUNS[rule.kind][1].capitalize()
    yield f"{state} script #{rule.id}: {describe(rule)}.{count} {noun}, closest match first:"
    yield from nearest(rule, _others(view, rule), _why_not)


class Miss(NamedTuple):
    """A call to which a script was not applied, and the reasons, one per line."""

    call: CallRecord
    reasons: Sequence[str]


def nearest_misses(view: View, rule: RuleRecord) -> list[Miss]:
    """The calls that came closest to those that a script is about, closest first: at most five."""
    found = closest_first(rule, _others(view, rule))[:SHOWN]
    return [Miss(each.call, [reason.strip() for reason in _why_not(rule, each)[1:]]) for each in found]


def _others(view: View, rule: RuleRecord) -> list[Candidate]:
    """The calls of the kind that a rule is about, to which it was not applied."""
    return [each for each in _candidates(view, rule) if each.call.script != rule.id]


def _candidates(view: View, rule: RuleRecord) -> Iterator[Candidate]:
    """The calls of the kind that a rule is about."""
    if rule.kind == CREATE:
        yield from candidates(view.calls.creates)
        return
    polls: dict[str, int] = {}
    for call in view.calls:
        host = next((value for name, value in call.headers if name == "host"), "")
        found = kind_of(call.method, call.path, host)
        if found is None or rule.kind not in (REQUEST, found):
            continue
        nth = None
        if call.task_id is not None and found == QUERY:
            nth = polls[call.task_id] = polls.get(call.task_id, 0) + 1
        yield Candidate(call, CallFacts(call, nth))


def _explain_draft(rule: RuleRecord) -> str:
    criteria = rule.criteria
    suffix = "" if rule.kind == CREATE else f"_{rule.kind}"
    if criteria is None:
        subject = f"next{suffix}"
    else:
        subject = f"when{suffix}({', '.join(f'{name}={value!r}' for name, value in criteria.items())})"
    outcomes = _OUTCOMES if rule.kind == CREATE else _FAULTS
    return f"script without an outcome: {subject}; add {outcomes}"


def _why_not(rule: RuleRecord, candidate: Candidate) -> Sequence[str]:
    lines = list(compare(rule, candidate))
    call, subject = candidate
    if subject is None or mismatches(rule, subject):
        return lines
    if rule.account not in (None, call.account):
        lines.append(f"    account: expected {rule.account!r}, got {call.account!r}")
    elif rule.until == SWITCHED_OFF:
        lines.append("    the script is switched off")
    elif rule.until is not None and call.at >= rule.until:
        lines.append(f"    received {call.at - rule.until:.3f} s after the script had ended")
    elif call.script is not None:
        lines.append(f"    script #{call.script} was applied")
    elif call.rule is not None:
        lines.append(f"    refused by {call.rule} before scripts are applied")
    elif rule.chance < 1:
        lines.append(f"    by chance ({rule.chance:g}), or received before the script was written")
    else:
        lines.append("    received before the script was written")
    return lines


def _unused_faults(view: View, written: Written) -> Iterator[_Unused]:
    """Faults of tasks that no reply showed: those of these rules, and those given to tasks."""
    rules = {rule.id: rule for rule in written.rules if not rule.optional and _has_fault(rule)}
    given = {(fault.task_id, fault.position): fault.written_at for fault in written.faults}
    if not rules and not given:  # reading the faults of all tasks takes time
        return
    for task in view.tasks:
        for position, (fault, shown) in enumerate(task.faults):
            rule = None if fault.script is None else rules.get(fault.script)
            written_at = given.get((task.id, position)) if rule is None else rule.written_at
            if not shown and written_at is not None:
                yield _Unused(written_at, _explain_fault(task, fault))


def _has_fault(rule: RuleRecord) -> bool:
    return any(isinstance(outcome, Misbehaves) for outcome in rule.outcomes)


def _explain_fault(task: TaskHandle, fault: Fault) -> Sequence[str]:
    """Lines about a fault that was not shown: when it would be, and the queries of its task."""
    kind = KINDS[fault.kind]
    requests = "downloads" if kind.stage is Stage.DOWNLOAD else "queries"
    skipped = f", without the first {fault.after}" if fault.after else ""
    wanted = f"It is shown to {requests} {kind.scope}{skipped}"
    title = f"unused fault of task {task.id}: {fault.describe()}. {wanted}; its status is {task.status}."
    shown = [f"  {each.status}" for each in task.shown[-SHOWN:]]
    return [title, "its latest queries:", *(shown or ["  none"])]


def _place(written_at: str) -> Iterator[str]:
    """The line that wrote a rule, relative to the working directory, and its source text."""
    file, number = _split(written_at)
    folder = os.getcwd() + os.sep  # noqa: PTH109 -- compared as text
    if file:
        source = linecache.getline(file, number).strip()
        yield f"{file.removeprefix(folder)}:{number}:{' ' if source else ''}{source}"


def _split(written_at: str) -> tuple[str, int]:
    file, _, number = written_at.rpartition(":")
    return file, int(number or 0)


def _warn(unused: _Unused) -> None:
    lines = list(map(printable, unused.lines))
    text = "\n".join([*lines, help_line([UnusedScriptWarning.__name__], lines[0])])
    file, number = _split(unused.written_at)
    warnings.warn_explicit(text, UnusedScriptWarning, file or "<unknown>", number)
