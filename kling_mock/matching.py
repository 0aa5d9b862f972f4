"""Finding the scripted rule that applies to a request, by index rather than by trying every rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import cached_property
from typing import Final, NamedTuple

from msgspec.structs import replace

from kling_mock.criteria import CreateFacts, Subject
from kling_mock.records import CREATE, RuleRecord
from kling_mock.rng import draw as draw_fraction
from kling_mock.task_request import TaskRequest

_WILD: Final = re.compile(r"[*?\[]")
_AFTER_BRACKET: Final = re.compile(r"\[.*", re.DOTALL)
_NO_RULES: Final[Sequence[RuleRecord]] = ()


class _Pattern(NamedTuple):
    """A rule with a glob: a literal that the value of one criterion must contain, and the complete match."""

    literal: str
    rule: RuleRecord
    fits: Callable[[Subject], bool]


class Match(NamedTuple):
    """A rule that applies, and its number of uses when it was read: a precondition of the create."""

    rule: RuleRecord
    used: int


# A kind of request, and whether its rules are compared after key and body (`RuleRecord.late`).
Group = tuple[str, bool]


class RuleDraw(NamedTuple):
    """The present, and the key with which the chances of rules are drawn for one request."""

    now: float
    seed: int
    request_id: str

    def accepts(self, rule: RuleRecord) -> bool:
        return rule.chance >= 1 or draw_fraction(self.seed, self.request_id, rule.id, "chance") < rule.chance


class Scripts:
    """All scripted rules, oldest first, and the number of uses of each.

    `used` may change at any time, even after the rest was read; a `Match` holds the number that was read.
    """

    def __init__(self, version: int, rules: Sequence[RuleRecord], used: Mapping[int, int]) -> None:
        self.version = version
        self.rules = rules
        self.used = used

    def left(self, rule: RuleRecord) -> int | None:
        """The number of requests to which a rule still applies; None: any number."""
        return None if rule.uses_left is None else max(rule.uses_left - self.used.get(rule.id, 0), 0)

    def present(self, rule: RuleRecord) -> RuleRecord:
        """The rule with the number of uses that are left."""
        return replace(rule, uses_left=self.left(rule))

    def match(
        self, account: str, asked: TaskRequest, now: float = 0.0, seed: int = 0, request_id: str = ""
    ) -> Match | None:
        """The rule that applies to a create: the oldest `next` with uses left, else the newest `when`.

        So `next` is a queue, and a test can override a rule that its fixture wrote. `now` ends rules that
        last a number of seconds; the chance of a rule is drawn from the seed and the id of the request.
        """
        if not self.rules:
            return None
        return self.match_kinds(
            ((CREATE, False),), account, CreateFacts(asked), RuleDraw(now, seed, request_id)
        )

    def match_kinds(
        self, groups: Sequence[Group], account: str | None, asked: Subject, draw: RuleDraw
    ) -> Match | None:
        """The rule of these groups that applies to a request of this account, by the same order."""
        found = [index for group in groups if (index := self._groups.get(group)) is not None]
        scopes = (None,) if account is None else (None, account)
        queued = [
            match for index in found for scope in scopes if (match := index.head(scope, draw)) is not None
        ]
        if queued:
            return min(queued, key=_number_of_match)
        fitting = [
            match
            for index in found
            for scope in scopes
            if (match := index.newest(scope, asked, draw)) is not None
        ]
        return max(fitting, key=_number_of_match, default=None)

    @cached_property
    def only_creates(self) -> bool:
        """Whether all rules are about creates, so that no other request needs to be compared."""
        return all(rule.kind == CREATE for rule in self.rules)

    @cached_property
    def _groups(self) -> Mapping[Group, _Index]:
        groups: dict[Group, list[RuleRecord]] = {}
        for rule in self.rules:
            groups.setdefault((rule.kind, rule.late), []).append(rule)
        return {group: _Index(rules, self.used) for group, rules in groups.items()}


class _Index:
    """The rules of one group, oldest first."""

    def __init__(self, rules: Sequence[RuleRecord], used: Mapping[int, int]) -> None:
        self.rules = rules
        self.used = used
        # For each queue of `next` rules, the number of used-up rules at its head.
        self._spent: dict[str | None, int] = {}

    def _usable(self, rule: RuleRecord, now: float) -> Match | None:
        """The rule with its number of uses, or None if it is used up or has ended."""
        used = self.used.get(rule.id, 0)
        spent = (rule.uses_left is not None and used >= rule.uses_left) or (
            rule.until is not None and now >= rule.until
        )
        return None if spent else Match(rule, used)

    def newest(self, scope: str | None, asked: Subject, draw: RuleDraw) -> Match | None:
        """The newest `when` with uses left that matches, of an account or of all accounts."""
        found = [
            match
            for rules in (*self._exact(scope, asked), self._globbed(scope, asked))
            if (match := self._newest(rules, draw)) is not None
        ]
        return max(found, key=_number_of_match, default=None)

    def _newest(self, rules: Sequence[RuleRecord], draw: RuleDraw) -> Match | None:
        """The newest rule with uses left. `rules` are listed oldest first."""
        for rule in reversed(rules):
            match = self._usable(rule, draw.now)
            if match is not None and draw.accepts(rule):
                return match
        return None

    def head(self, scope: str | None, draw: RuleDraw) -> Match | None:
        """The oldest `next` rule with uses left, of an account or of all accounts."""
        queue = self._queues.get(scope, _NO_RULES)
        usable: int | None = None
        for at in range(self._spent.get(scope, 0), len(queue)):
            match = self._usable(queue[at], draw.now)
            if match is None:
                continue
            usable = at if usable is None else usable
            if draw.accepts(queue[at]):
                self._spent[scope] = usable
                return match
        self._spent[scope] = len(queue) if usable is None else usable
        return None

    def _exact(self, scope: str | None, asked: Subject) -> Iterator[Sequence[RuleRecord]]:
        for names, tables in self._tables.get(scope, {}).items():
            try:
                yield tables.get(tuple([asked.criterion(name) for name in names]), _NO_RULES)
            except TypeError:  # a list or an object is not equal to any scalar
                continue

    def _globbed(self, scope: str | None, asked: Subject) -> Sequence[RuleRecord]:
        found: list[RuleRecord] = []
        for name, patterns in self._patterns.get(scope, {}).items():
            value = asked.criterion(name)
            text = value if isinstance(value, str) else ""
            found += [each.rule for each in patterns if each.literal in text and each.fits(asked)]
        found.sort(key=_number)
        return found

    @cached_property
    def _queues(self) -> Mapping[str | None, Sequence[RuleRecord]]:
        queues: dict[str | None, list[RuleRecord]] = {}
        for rule in self.rules:
            if rule.is_next:
                queues.setdefault(rule.account, []).append(rule)
        return queues

    @cached_property
    def _tables(self) -> Mapping[str | None, Mapping[tuple[str, ...], Mapping[object, Sequence[RuleRecord]]]]:
        """Rules without globs: by account, by the names of their criteria, by the expected values."""
        tables: dict[str | None, dict[tuple[str, ...], dict[object, list[RuleRecord]]]] = {}
        for rule in self.rules:
            if rule.criteria is not None and _is_exact(rule.criteria):
                by_names = tables.setdefault(rule.account, {})
                by_values = by_names.setdefault(tuple(rule.criteria), {})
                by_values.setdefault(tuple(rule.criteria.values()), []).append(rule)
        return tables

    @cached_property
    def _patterns(self) -> Mapping[str | None, Mapping[str, Sequence[_Pattern]]]:
        """The other rules: by account, and by the criterion whose literal is compared first."""
        patterns: dict[str | None, dict[str, list[_Pattern]]] = {}
        for rule in self.rules:
            if rule.criteria is not None and not _is_exact(rule.criteria):
                name = max(rule.criteria, key=lambda each: len(_literal(rule.criteria, each)))
                pattern = _Pattern(_literal(rule.criteria, name), rule, _test(rule.criteria))
                patterns.setdefault(rule.account, {}).setdefault(name, []).append(pattern)
        return patterns


def _number(rule: RuleRecord) -> int:
    return rule.id


def _number_of_match(match: Match) -> int:
    return match.rule.id


def _is_exact(criteria: Mapping[str, object]) -> bool:
    """Whether all values are scalars without globs, which can be found by hash."""
    return all(
        wanted is None
        or isinstance(wanted, int | float)
        or (isinstance(wanted, str) and not _WILD.search(wanted))
        for wanted in criteria.values()
    )


def _literal(criteria: Mapping[str, object] | None, name: str) -> str:
    """The longest text that every matching value contains; empty if none is known."""
    wanted = (criteria or {})[name]
    if not isinstance(wanted, str):
        return ""
    return max(re.split(r"[*?]", _AFTER_BRACKET.sub("", wanted)), key=len)


def _test(criteria: Mapping[str, object]) -> Callable[[Subject], bool]:
    """The complete match of a rule. Globs are compiled here, as `fnmatch` caches only 256 on Python 3.11."""
    compiled = {
        name: re.compile(translate(wanted)).match if isinstance(wanted, str) else None
        for name, wanted in criteria.items()
    }

    def fits(asked: Subject) -> bool:
        for name, matches in compiled.items():
            actual = asked.criterion(name)
            if matches is None or not isinstance(actual, str):
                if criteria[name] != actual:
                    return False
            elif matches(actual) is None:
                return False
        return True

    return fits
