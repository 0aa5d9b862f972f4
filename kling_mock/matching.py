"""Which scripted rule applies to a create, found without trying every rule."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase, translate
from functools import cached_property
from typing import Final, NamedTuple

from kling_contracts.gateways import Gateway, every_operation
from kling_mock.records import RuleRecord, TaskRequest

SUBJECTS: Final = "subjects"
_WILD: Final = re.compile(r"[*?\[]")
_AFTER_BRACKET: Final = re.compile(r"\[.*", re.DOTALL)
_NO_RULES: Final[Sequence[RuleRecord]] = ()


def criteria_of(gateways: Sequence[Gateway]) -> tuple[str, ...]:
    """The criteria for the creates of these gateways: their fields, and the number of subjects."""
    names = (name for operation in every_operation(gateways) for name in operation.value_names)
    return tuple(dict.fromkeys((*names, SUBJECTS)))


def check_criteria(names: Iterable[str], known: Sequence[str]) -> None:
    """Raise TypeError for a name that a create cannot be matched by."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known) or known
            raise TypeError(f"a create has no {name!r} to match; did you mean {', '.join(near)}?")


def criterion(asked: TaskRequest, name: str) -> object:
    """The part of a request that a criterion of this name is compared with."""
    match name:
        case "subjects":
            return len(asked.subjects)
        case "prompt":
            return asked.prompt
        case "n":
            return asked.n
        case _:
            return asked.get(name)


def mismatches(rule: RuleRecord, asked: TaskRequest) -> Mapping[str, tuple[object, object]]:
    """The criteria that a request does not meet, each with the wanted and the actual value."""
    missed: dict[str, tuple[object, object]] = {}
    for name, wanted in (rule.criteria or {}).items():
        actual = criterion(asked, name)
        if not _fits(wanted, actual):
            missed[name] = (wanted, actual)
    return missed


def _fits(wanted: object, actual: object) -> bool:
    if isinstance(wanted, str) and isinstance(actual, str):
        return fnmatchcase(actual, wanted)
    return wanted == actual


class _Pattern(NamedTuple):
    """A rule with a glob: a text that must occur in the value of one criterion, and the whole test."""

    literal: str
    rule: RuleRecord
    fits: Callable[[TaskRequest], bool]


class Match(NamedTuple):
    """A rule that applies, and the number of its uses by which it does: a precondition of the create."""

    rule: RuleRecord
    used: int


class Scripts:
    """Every rule that was written, oldest first, and how often each was applied.

    `used` may be newer than the rest, and may change at any time: a `Match` has the number that was seen.
    """

    def __init__(self, version: int, rules: Sequence[RuleRecord], used: Mapping[int, int]) -> None:
        self.version = version
        self.rules = rules
        self.used = used
        # Of each queue of `next` rules, the number of rules at its head that are used up.
        self._spent: dict[str | None, int] = {}

    def left(self, rule: RuleRecord) -> int | None:
        """The number of creates that a rule still applies to; None: any number."""
        return None if rule.uses_left is None else max(rule.uses_left - self.used.get(rule.id, 0), 0)

    def match(self, account: str, asked: TaskRequest) -> Match | None:
        """The rule that applies: the oldest `next` with uses left, else the newest `when` that fits.

        So `next` is a queue, and a test can override a rule that its fixture wrote.
        """
        if not self.rules:
            return None
        queued = [match for scope in (None, account) if (match := self._head(scope)) is not None]
        if queued:
            return min(queued, key=_number_of_match)
        fitting = [
            match
            for scope in (None, account)
            for found in (*self._exact(scope, asked), self._globbed(scope, asked))
            if (match := self._newest(found)) is not None
        ]
        return max(fitting, key=_number_of_match, default=None)

    def _usable(self, rule: RuleRecord) -> Match | None:
        """The rule with its uses, which are looked up once, or None if it is used up."""
        used = self.used.get(rule.id, 0)
        return None if rule.uses_left is not None and used >= rule.uses_left else Match(rule, used)

    def _newest(self, rules: Sequence[RuleRecord]) -> Match | None:
        """The newest rule with uses left, of rules that are listed oldest first."""
        return next((match for rule in reversed(rules) if (match := self._usable(rule)) is not None), None)

    def _head(self, scope: str | None) -> Match | None:
        """The oldest `next` of an account, or of all accounts, that is not used up."""
        queue = self._queues.get(scope, _NO_RULES)
        for at in range(self._spent.get(scope, 0), len(queue)):
            match = self._usable(queue[at])
            if match is not None:
                self._spent[scope] = at
                return match
        self._spent[scope] = len(queue)
        return None

    def _exact(self, scope: str | None, asked: TaskRequest) -> Iterator[Sequence[RuleRecord]]:
        for names, tables in self._tables.get(scope, {}).items():
            try:
                yield tables.get(tuple([criterion(asked, name) for name in names]), _NO_RULES)
            except TypeError:  # a list or an object is not equal to any scalar
                continue

    def _globbed(self, scope: str | None, asked: TaskRequest) -> Sequence[RuleRecord]:
        found: list[RuleRecord] = []
        for name, patterns in self._patterns.get(scope, {}).items():
            value = criterion(asked, name)
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
        """Rules without globs: by account, by the names of their criteria, by the values wanted."""
        tables: dict[str | None, dict[tuple[str, ...], dict[object, list[RuleRecord]]]] = {}
        for rule in self.rules:
            if rule.criteria is not None and _is_exact(rule.criteria):
                by_names = tables.setdefault(rule.account, {})
                by_values = by_names.setdefault(tuple(rule.criteria), {})
                by_values.setdefault(tuple(rule.criteria.values()), []).append(rule)
        return tables

    @cached_property
    def _patterns(self) -> Mapping[str | None, Mapping[str, Sequence[_Pattern]]]:
        """The other rules: by account, and by the criterion to look at first."""
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
    """Whether all values are scalars without globs. Others may be equal to values of another hash."""
    return all(
        wanted is None
        or isinstance(wanted, int | float)
        or (isinstance(wanted, str) and not _WILD.search(wanted))
        for wanted in criteria.values()
    )


def _literal(criteria: Mapping[str, object] | None, name: str) -> str:
    """The longest text that every value has in it which meets the criterion; empty if none is known."""
    wanted = (criteria or {})[name]
    if not isinstance(wanted, str):
        return ""
    return max(re.split(r"[*?]", _AFTER_BRACKET.sub("", wanted)), key=len)


def _test(criteria: Mapping[str, object]) -> Callable[[TaskRequest], bool]:
    """The whole test of a rule, its globs compiled: the cache of `fnmatch` holds 256 on Python 3.11."""
    compiled = {
        name: re.compile(translate(wanted)).match if isinstance(wanted, str) else None
        for name, wanted in criteria.items()
    }

    def fits(asked: TaskRequest) -> bool:
        for name, matches in compiled.items():
            actual = criterion(asked, name)
            if matches is None or not isinstance(actual, str):
                if criteria[name] != actual:
                    return False
            elif matches(actual) is None:
                return False
        return True

    return fits
