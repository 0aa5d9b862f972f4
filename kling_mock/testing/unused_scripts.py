"""Scripts that never applied to a create, with the line that wrote each and the closest create requests."""

from __future__ import annotations

import linecache
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

from kling_mock.matching import mismatches
from kling_mock.records import CallRecord, RuleRecord
from kling_mock.scenario import describe
from kling_mock.testing.journal import compare, nearest, printable
from kling_mock.testing.view import FakeView

_WAYS_OUT: Final = (
    "remove the script, correct its criteria, or mark it .optional(); "
    "the setting unused_scripts is error, warn or ignore"
)
_OUTCOMES: Final = ".succeeds(), .fails(message), .refuses(code), .pace(pace) or .holds()"


class UnusedScripts(AssertionError):
    """Scripts that never applied to a create, or that have no outcome; the message explains each."""


class UnusedScriptWarning(UserWarning):
    """A script never applied to a create; reported with `unused_scripts=warn`."""


def check_scripts(view: FakeView, rules: Sequence[RuleRecord], level: str) -> UnusedScripts | None:
    """The error about those rules that had no effect, or None. `level` is the setting `unused_scripts`.

    With the level `warn` each unused script gives a warning.
    """
    if not rules:
        return None
    uses = view.script_uses
    lines: list[str] = []
    count = 0
    for rule in rules:
        if not rule.outcomes:
            lines += _explain_draft(rule)
        elif rule.optional or uses.get(rule.id, 0) or level == "ignore":
            continue
        elif level == "warn":
            _warn(rule, "\n".join(map(printable, _explain(view, rule, 0))))
            continue
        else:
            lines += (*_place(rule), *_explain(view, rule, 0))
        count += 1
    if not count:
        return None
    subject = "1 script" if count == 1 else f"{count} scripts"
    return UnusedScripts("\n".join([f"{subject} had no effect", *map(printable, lines), _WAYS_OUT]))


def report(view: FakeView) -> Iterator[str]:
    """Lines about scripts without an outcome, and about those with uses left, for a timeline."""
    for rule in view.draft_scripts:
        yield ""
        yield from _explain_draft(rule)
    uses = view.script_uses
    for rule in view.scripts:
        used = uses.get(rule.id, 0)
        if rule.uses_left != 0 and not (rule.uses_left is None and used):
            yield ""
            yield from (*_place(rule), *_explain(view, rule, used))


def _explain(view: FakeView, rule: RuleRecord, used: int) -> Iterator[str]:
    """Lines about one script: its description and the closest create requests."""
    state = "partly used" if used else "unused"
    count = f" Used {used} of {used + (rule.uses_left or 0)} times." if used else ""
    title = f"{state} script #{rule.id}: {describe(rule)}.{count} Create requests, closest match first:"
    yield title
    creates = [call for call in view.calls.creates if call.script != rule.id]
    yield from nearest(rule, creates, _why_not)


def _explain_draft(rule: RuleRecord) -> Iterator[str]:
    criteria = rule.criteria
    if criteria is None:
        subject = "next"
    else:
        subject = f"when({', '.join(f'{name}={value!r}' for name, value in criteria.items())})"
    yield from _place(rule)
    yield f"script without an outcome: {subject}; add {_OUTCOMES}"


def _why_not(rule: RuleRecord, call: CallRecord) -> Sequence[str]:
    lines = list(compare(rule, call))
    if call.request is None or mismatches(rule, call.request):
        return lines
    if rule.account not in (None, call.account):
        lines.append(f"    account: expected {rule.account!r}, got {call.account!r}")
    elif call.script is not None:
        lines.append(f"    script #{call.script} was applied")
    elif call.rule is not None:
        lines.append(f"    refused by {call.rule} before scripts are applied")
    else:
        lines.append("    received before the script was written")
    return lines


def _place(rule: RuleRecord) -> Iterator[str]:
    """The line that wrote a rule, relative to the working directory, and its source text."""
    file, number = _split(rule)
    folder = os.getcwd() + os.sep  # noqa: PTH109 -- compared as text
    if file:
        source = linecache.getline(file, number).strip()
        yield f"{file.removeprefix(folder)}:{number}:{' ' if source else ''}{source}"


def _split(rule: RuleRecord) -> tuple[str, int]:
    file, _, number = rule.written_at.rpartition(":")
    return file, int(number or 0)


def _warn(rule: RuleRecord, text: str) -> None:
    file, number = _split(rule)
    warnings.warn_explicit(text, UnusedScriptWarning, file or "<unknown>", number)
