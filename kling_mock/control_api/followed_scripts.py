"""The scripts as they were read last, and their changes since then."""

from __future__ import annotations

from collections.abc import Iterator

from kling_mock.control_api import models
from kling_mock.control_api.followed_tasks import FoundEvent
from kling_mock.control_api.scripts import show_script
from kling_mock.fake import Fake
from kling_mock.matching import Scripts
from kling_mock.records import CallRecord, RuleRecord


class FollowedScripts:
    """The scripts of a fake. Not thread-safe."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._used: dict[int, None] = {}
        scripts = fake.read_scripts()
        self._version, self._rules = scripts.version, _rules(scripts)

    def touch(self, call: CallRecord) -> None:
        """A call to which a script may have been applied."""
        if call.script is not None:
            self._used[call.script] = None

    def changes(self) -> Iterator[FoundEvent]:
        """The changes since the last time: scripts that were written, used or removed."""
        scripts, now = self._fake.read_scripts(), self._fake.clock.now()
        used, self._used = self._used, {}
        if scripts.version != self._version:
            rules = _rules(scripts)
            before, self._version, self._rules = self._rules, scripts.version, rules
            for number in before.keys() - rules.keys():
                yield _event(models.ScriptEvent(number, "removed", None), before[number], now)
            for number, rule in rules.items():
                if before.get(number) != rule:
                    used.pop(number, None)
                    yield _event(_shown(scripts, rule, "written"), rule, now)
        for number in used.keys() & self._rules.keys():
            yield _event(_shown(scripts, self._rules[number], "used"), self._rules[number], now)


def _rules(scripts: Scripts) -> dict[int, RuleRecord]:
    return {rule.id: rule for rule in scripts.rules}


def _shown(scripts: Scripts, rule: RuleRecord, change: models.ScriptChangeKind) -> models.ScriptEvent:
    return models.ScriptEvent(rule.id, change, show_script(scripts.present(rule), scripts.used))


def _event(event: models.ScriptEvent, rule: RuleRecord, at: float) -> FoundEvent:
    return FoundEvent(at, "script", rule.account, lambda: event)
