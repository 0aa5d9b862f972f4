"""A scenario file in a fake: loading it, and loading it again after a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from kling_mock.control import NewRule
from kling_mock.documents import script_document
from kling_mock.records import RuleRecord
from kling_mock.scenarios.scenario_file import SETTINGS, FileScript, Scenario, ScenarioError, read_scenario
from kling_mock.settings import FIXED, Settings

if TYPE_CHECKING:
    from kling_mock.fake import Fake


class LoadReport(NamedTuple):
    """The effect of loading a file: numbers of scripts, and the names of settings that changed."""

    added: int
    kept: int
    dropped: int
    settings: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether there is any change."""
        return bool(self.added or self.dropped or self.settings)

    def __str__(self) -> str:
        named = f"; settings changed: {', '.join(self.settings)}" if self.settings else ""
        return f"scripts: {self.added} added, {self.kept} kept, {self.dropped} dropped{named}"


class LoadedScenario:
    """A file that was loaded into a fake. `defaults` are the settings that those of the file replace."""

    def __init__(
        self, fake: Fake, path: str | PathLike[str], defaults: Mapping[str, object] | None = None
    ) -> None:
        self._fake = fake
        self._path = path
        self._defaults = _values(fake.settings) if defaults is None else dict(defaults)
        # A store that outlives the process has the rules of the last one.
        place = Path(path).absolute()
        self._rules = [
            rule for rule in fake.scripts if Path(rule.written_at.rpartition(":")[0]).absolute() == place
        ]

    def load(self, settings: Mapping[str, object]) -> LoadReport:
        """Apply the present contents. Raises ScenarioError or OSError, and changes nothing then."""
        scenario = read_scenario(self._path)
        changes = self._changes(scenario, settings)
        drop, add, kept = self._plan(scenario)
        self._fake.change_settings(**changes)
        added = iter(self._fake.change_scripts(drop=drop, add=add))
        self._rules = [next(added) if rule is None else rule for rule in kept]
        moved = sum(each.replaces is not None for each in add)
        return LoadReport(len(add) - moved, len(kept) - len(add) + moved, len(drop), tuple(changes))

    def _changes(self, scenario: Scenario, settings: Mapping[str, object]) -> dict[str, Any]:
        """The settings that change. The error for an invalid one has its line."""
        try:
            wanted = Settings.of({**self._defaults, **scenario.settings, **settings})
        except ValueError as error:
            name = str(error).partition(" ")[0].rstrip(":")
            raise ScenarioError([scenario.problem(f"/{SETTINGS}/{name}", str(error))]) from None
        present = _values(self._fake.settings)
        changes = {name: value for name, value in _values(wanted).items() if value != present[name]}
        fixed = [
            scenario.problem(f"/{SETTINGS}/{name}", f"{name} cannot change while it runs: {FIXED[name]}")
            for name in changes.keys() & FIXED.keys()
        ]
        if fixed:
            raise ScenarioError(fixed)
        return changes

    def _plan(self, scenario: Scenario) -> tuple[list[int], list[NewRule], list[RuleRecord | None]]:
        """The rules to drop and to add, and for each script its present rule, or None for an added one.

        Numbers grow in the order of the file, because they are the precedence: from the first new script on,
        unchanged ones get new numbers, and keep their uses.
        """
        existing = {rule.id for rule in self._fake.scripts}
        left = [rule for rule in self._rules if rule.id in existing]
        add: list[NewRule] = []
        kept: list[RuleRecord | None] = []
        last = -1
        for script in scenario.scripts:
            old = next((rule for rule in left if _is_same(rule, script)), None)
            if old is not None:
                left.remove(old)
            if old is not None and not add and old.id > last:
                last = old.id
                kept.append(old)
                continue
            rule = script.rule if old is None else replace(script.rule, until=old.until)
            add.append(NewRule(rule, None if old is None else old.id))
            kept.append(None)
        return [rule.id for rule in left], add, kept


def _values(settings: Settings) -> dict[str, Any]:
    return {each.name: getattr(settings, each.name) for each in fields(settings)}


def _is_same(rule: RuleRecord, script: FileScript) -> bool:
    """Whether a rule was made from an equal document."""
    return script_document(rule) == script_document(script.rule)
