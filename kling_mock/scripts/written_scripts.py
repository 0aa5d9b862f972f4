"""The scripts and faults that a test has written, kept until they are checked, with the line of each."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Final, NamedTuple

from kling_mock.records import RuleRecord

_PACKAGE: Final = __name__.partition(".")[0]


def calling_line() -> str:
    """The line outside this package that is being executed, as `file:line`."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


class WrittenFault(NamedTuple):
    """A fault that a test has given to a task: its position in the plan, and the line of the test."""

    task_id: str
    position: int
    written_at: str


class Written(NamedTuple):
    """The scripts that a test has written and the faults that it has given to tasks, oldest first."""

    rules: Sequence[RuleRecord]
    faults: Sequence[WrittenFault]


class WrittenScripts:
    """The scripts and faults that a test has written and that are not checked yet."""

    def __init__(self) -> None:
        self._rules: dict[object, RuleRecord] = {}
        self._faults: list[WrittenFault] = []

    def put(self, script: object, rule: RuleRecord) -> None:
        """Keep the present rule of a script."""
        self._rules[script] = rule

    def put_fault(self, fault: WrittenFault) -> None:
        self._faults.append(fault)

    def remove(self, script: object) -> None:
        self._rules.pop(script, None)

    def forget(self, account: str | None) -> None:
        """Remove the rules of one account, or all rules and faults (None)."""
        if account is None:
            self.take()
        self._rules = {script: rule for script, rule in self._rules.items() if rule.account != account}

    def remove_rule(self, number: int) -> None:
        """Remove the script whose rule has this number, if there is one."""
        self._rules = {script: rule for script, rule in self._rules.items() if rule.id != number}

    def take(self) -> Written:
        """All rules and faults, which are removed."""
        written = Written(list(self._rules.values()), self._faults)
        self._rules, self._faults = {}, []
        return written

    def drafts(self, account: str | None) -> list[RuleRecord]:
        """The rules without an outcome, of one account or of all (None)."""
        rules = list(self._rules.values())
        return [
            rule
            for rule in rules
            if not rule.outcomes and (account is None or rule.account in (None, account))
        ]
