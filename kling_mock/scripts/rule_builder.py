"""The part that all scripts share: when a rule applies, and that each method changes the written rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from types import MappingProxyType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from msgspec.structs import replace

from kling_contracts.redaction import hide_in_urls
from kling_mock.argument_checks import check_positive, check_whole
from kling_mock.outcomes import Outcome, combined
from kling_mock.records import CREATE, PICTURE, QUERY, REQUEST, SWITCHED_OFF, RuleRecord
from kling_mock.request_facts import is_late
from kling_mock.scripts.signatures import value_of_call
from kling_mock.scripts.written_scripts import WrittenScripts, calling_line

P = ParamSpec("P")
R = TypeVar("R")
B = TypeVar("B", bound="RuleBuilder")

# The nouns of messages for each kind of request: singular and plural.
NOUNS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        CREATE: ("create", "creates"),
        QUERY: ("query", "queries"),
        PICTURE: ("picture", "pictures"),
        REQUEST: ("request", "requests"),
    }
)


def script_method(
    method: Callable[Concatenate[B, P], R],
) -> Callable[Concatenate[B, P], R]:
    """Decorate a method of scripts: its call is a part of the rule, from which documents are made.

    A script whose method raises is withdrawn: the test has the error, so the script must not apply as well.
    """

    @wraps(method)
    def checked(self: B, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with suppress(TypeError):  # wrong arguments, for which the call below raises
                self._keep_call(method.__name__, value_of_call(method, args, kwargs))  # pyright: ignore[reportPrivateUsage] -- a decorator of this class's methods
            return method(self, *args, **kwargs)
        except (TypeError, ValueError):
            self._withdraw()  # pyright: ignore[reportPrivateUsage] -- the same
            raise

    return checked


class RuleBuilder:
    """A scripted rule under construction. Each method changes the rule and returns the script."""

    def __init__(
        self,
        write: Callable[[RuleRecord], RuleRecord],
        account: str | None,
        criteria: Mapping[str, object] | None,
        written: WrittenScripts,
        kind: str = CREATE,
    ) -> None:
        self._write = write
        self._written = written
        self._times: int | None = None
        uses = 1 if criteria is None else None
        self._rule = RuleRecord(
            -1,
            account,
            criteria,
            uses,
            written_at=calling_line(),
            kind=kind,
            late=is_late(kind, account, criteria),
        )
        written.put(self, self._rule)

    @script_method
    def times(self, n: int) -> Self:
        """The rule applies to `n` requests. By default `next` applies to one, `when` to any number."""
        check_whole("times", n, 1)
        if self._times not in (None, n):
            raise ValueError(f"times: the script already applies {self._times} times; got {n}")
        self._times = n
        return self._refine(uses_left=n)

    @script_method
    def lasting(self, seconds: float) -> Self:
        """The rule ends after this number of seconds on the clock of the mock, from its first outcome on."""
        check_positive("seconds", seconds)
        if self._rule.lasting not in (None, seconds):
            raise ValueError(f"lasting: the script already lasts {self._rule.lasting:g} s; got {seconds}")
        return self._refine(lasting=seconds)

    @script_method
    def chance(self, probability: float) -> Self:
        """The rule applies to each request with this probability, drawn from the seed; to others it does not.

        A request to which it does not apply uses up no script, and the next fitting one applies.
        """
        if type(probability) not in (int, float) or not 0 < probability <= 1:
            raise ValueError(f"probability must be above 0 and at most 1, not {probability!r}")
        return self._refine(chance=probability)

    @script_method
    def optional(self) -> Self:
        """The rule may stay unused, with any value of the setting `unused_scripts`."""
        return self._refine(optional=True)

    def _keep_call(self, method: str, value: object) -> None:
        self._rule = replace(self._rule, calls={**self._rule.calls, method: value})

    def _withdraw(self) -> None:
        """Make the rule apply to no request, and keep it out of the reports about unused scripts."""
        self._written.remove(self)
        self._rule = replace(self._rule, uses_left=0, optional=True)
        if self._rule.id >= 0:
            self._write(self._rule)

    def _add(self, outcome: Outcome) -> Self:
        return self._refine(outcomes=combined(self._rule.outcomes, outcome))

    def _refine(self, **parts: Any) -> Self:
        rule = replace(self._rule, **parts)
        if rule.outcomes:  # a rule without an outcome would use up requests and change nothing
            rule = self._write(rule)
        self._written.put(self, rule)
        self._rule = rule
        return self

    def __repr__(self) -> str:
        if self._rule.id < 0:
            return "<Script: no outcome yet>"
        return f"<Script #{self._rule.id}: {describe(self._rule)}>"


def describe(rule: RuleRecord) -> str:
    """A scripted rule as one line of text."""
    noun, _ = NOUNS[rule.kind]
    if rule.criteria is None:
        subject = f"next {noun}"
    elif rule.criteria:
        criteria = ", ".join(f"{name}={value!r}" for name, value in rule.criteria.items())
        subject = f"every {noun} with {criteria}"
    else:
        subject = f"every {noun}"
    parts = [outcome.describe() for outcome in rule.outcomes]
    match rule.uses_left:
        case None:
            parts.append("always")
        case 0:
            parts.append("used up")
        case 1:
            parts.append("once")
        case n:
            parts.append(f"{n} times")
    if rule.lasting is not None:
        parts.append(f"for {rule.lasting:g} s")
    if rule.chance < 1:
        parts.append(f"with chance {rule.chance:g}")
    if rule.optional:
        parts.append("optional")
    if rule.until == SWITCHED_OFF:
        parts.append("switched off")
    return hide_in_urls(f"{subject} {', '.join(parts)}")
