"""Finding the scripted rule that applies to a create, by index rather than by trying every rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase, translate
from functools import cached_property
from glob import escape
from typing import Final, NamedTuple, assert_never

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.gateways import Gateway, every_operation
from kling_contracts.image_fields import Picture, PictureList
from kling_mock.records import RuleRecord, TaskRequest
from kling_mock.rng import draw as draw_fraction
from kling_mock.suggestions import unknown

SUBJECTS: Final = "subjects"
# Longer values are truncated in messages.
SHOWN_CHARACTERS: Final = 200
_WILD: Final = re.compile(r"[*?\[]")
_AFTER_BRACKET: Final = re.compile(r"\[.*", re.DOTALL)
_NO_RULES: Final[Sequence[RuleRecord]] = ()


class CriterionKind(NamedTuple):
    """The values of a criterion that can match: their types, a text for messages, and whether None is one."""

    types: tuple[type, ...]
    text: str
    absent: bool


def criteria_of(gateways: Sequence[Gateway]) -> Mapping[str, CriterionKind]:
    """The criteria for creates at these gateways: the fields, and `subjects` (their number)."""
    operations = tuple(every_operation(gateways))
    kinds: dict[str, CriterionKind] = {}
    for operation in operations:
        for name in operation.value_names:
            found = _kind(operation.field(name))
            known = kinds.get(name, found)
            types = tuple(dict.fromkeys((*known.types, *found.types)))
            text = found.text if found.text == known.text else f"{known.text} or {found.text}"
            kinds[name] = CriterionKind(types, text, known.absent or found.absent)
    for name in kinds.keys() - {"prompt", "n"}:  # those two have a value for every request, see `criterion`
        if any(name not in operation.value_names for operation in operations):
            kinds[name] = kinds[name]._replace(absent=True)
    return {**kinds, SUBJECTS: CriterionKind((int,), "an integer", absent=False)}


def _kind(field: AnyField) -> CriterionKind:
    types: tuple[type, ...]
    match field:
        case Integer():
            types, text = (int,), "an integer"
        case Number():
            types, text = (int, float), "a number"
        case Flag():
            types, text = (bool,), "True or False"
        case Nested():
            types, text = (dict,), "a dict"
        case ListOf() | PictureList():
            types, text = (list,), "a list"
        case CallbackUrl() | Text() | Choice() | Picture():
            types, text = (str,), "a string"
        case _:
            assert_never(field)
    always = field.required or field.default is not None or field.name in ("prompt", "n")
    return CriterionKind(types, text, absent=not always)


def check_criteria(criteria: Mapping[str, object], known: Mapping[str, CriterionKind]) -> None:
    """Raise TypeError for an unknown name or for a value of a type that no request has."""
    for name, value in criteria.items():
        if name not in known:
            raise TypeError(unknown("field", name, known))
        types, text, absent = known[name]
        if (absent and value is None) or (
            isinstance(value, types) and (bool in types or not isinstance(value, bool))
        ):
            continue
        way_out = " ('' matches a request without one)" if value is None and name == "prompt" else ""
        also = " or None" if absent else ""
        raise TypeError(f"{name} must be {text}{also}, not {shown(value)}{way_out}")


def shown(value: object) -> str:
    """A value for a message: its `repr` or, if that is long, its beginning and its length."""
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return f"{value[:SHOWN_CHARACTERS]!r}... ({len(value)} characters)"
    text = repr(value)
    return (
        text
        if len(text) <= 2 * SHOWN_CHARACTERS
        else f"{text[:SHOWN_CHARACTERS]}... ({len(text)} characters)"
    )


def suggested_glob(wanted: object, actual: object) -> str | None:
    """The glob that was probably meant if `wanted` does not match `actual`, or None."""
    if not isinstance(wanted, str) or not isinstance(actual, str) or not wanted:
        return None
    literal = escape(wanted)
    for glob in (literal, f"*{wanted}*", f"*{literal}*"):
        if fnmatchcase(actual, glob):
            return glob
    return None


def criterion(asked: TaskRequest, name: str) -> object:
    """The value of a request with which a criterion of this name is compared."""
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
    """The criteria that a request does not meet, each with the expected and the actual value."""
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
    """A rule with a glob: a literal that the value of one criterion must contain, and the complete match."""

    literal: str
    rule: RuleRecord
    fits: Callable[[TaskRequest], bool]


class Match(NamedTuple):
    """A rule that applies, and its number of uses when it was read: a precondition of the create."""

    rule: RuleRecord
    used: int


class _Draw(NamedTuple):
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
        # For each queue of `next` rules, the number of used-up rules at its head.
        self._spent: dict[str | None, int] = {}

    def left(self, rule: RuleRecord) -> int | None:
        """The number of creates to which a rule still applies; None: any number."""
        return None if rule.uses_left is None else max(rule.uses_left - self.used.get(rule.id, 0), 0)

    def match(
        self, account: str, asked: TaskRequest, now: float = 0.0, seed: int = 0, request_id: str = ""
    ) -> Match | None:
        """The rule that applies: the oldest `next` with uses left, otherwise the newest matching `when`.

        So `next` is a queue, and a test can override a rule that its fixture wrote. `now` ends rules that
        last a number of seconds; the chance of a rule is drawn from the seed and the id of the request.
        """
        if not self.rules:
            return None
        draw = _Draw(now, seed, request_id)
        queued = [match for scope in (None, account) if (match := self._head(scope, draw)) is not None]
        if queued:
            return min(queued, key=_number_of_match)
        fitting = [
            match
            for scope in (None, account)
            for found in (*self._exact(scope, asked), self._globbed(scope, asked))
            if (match := self._newest(found, draw)) is not None
        ]
        return max(fitting, key=_number_of_match, default=None)

    def _usable(self, rule: RuleRecord, now: float) -> Match | None:
        """The rule with its number of uses, or None if it is used up or has ended."""
        used = self.used.get(rule.id, 0)
        spent = (rule.uses_left is not None and used >= rule.uses_left) or (
            rule.until is not None and now >= rule.until
        )
        return None if spent else Match(rule, used)

    def _newest(self, rules: Sequence[RuleRecord], draw: _Draw) -> Match | None:
        """The newest rule with uses left. `rules` are listed oldest first."""
        for rule in reversed(rules):
            match = self._usable(rule, draw.now)
            if match is not None and draw.accepts(rule):
                return match
        return None

    def _head(self, scope: str | None, draw: _Draw) -> Match | None:
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


def _test(criteria: Mapping[str, object]) -> Callable[[TaskRequest], bool]:
    """The complete match of a rule. Globs are compiled here, as `fnmatch` caches only 256 on Python 3.11."""
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
