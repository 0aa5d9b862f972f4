"""Rules of several kinds of requests: the index finds the same rule as trying every rule."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from kling_mock.matching import Match, RuleDraw, Scripts
from kling_mock.records import CREATE, PICTURE, QUERY, REQUEST, RuleRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

Drawn = tuple[tuple[str, bool], str | None, dict[str, object] | None, int | None, float | None]

NOW = RuleDraw(10.0, 0, "request")
GROUPS = [(kind, late) for kind in (CREATE, QUERY, PICTURE, REQUEST) for late in (False, True)]
VALUES = {"method": ("GET", "G*", "PUT"), "nth": (1, 2), "path": ("/a", "/[ab]", "/*", None)}


@dataclass(frozen=True)
class Facts:
    parts: dict[str, object]

    def criterion(self, name: str) -> object:
        return self.parts.get(name)


criteria = st.none() | st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in VALUES.items()}
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(("GET", "PUT")),
        "nth": st.sampled_from((1, 2)),
        "path": st.just("/a"),
    },
)
rules = st.lists(
    st.tuples(
        st.sampled_from(GROUPS),
        st.sampled_from((None, "a", "b")),
        criteria,
        st.sampled_from((None, 0, 1)),
        st.sampled_from((None, 5.0, 20.0)),
    ),
    max_size=8,
)


def written(drawn: Sequence[Drawn]) -> list[RuleRecord]:
    return [
        RuleRecord(number, account, given, left, until=until, kind=kind, late=late)
        for number, ((kind, late), account, given, left, until) in enumerate(drawn)
    ]


def _fits(wanted: object, actual: object) -> bool:
    if isinstance(wanted, str) and isinstance(actual, str):
        return fnmatchcase(actual, wanted)
    return wanted == actual


def by_trying(
    written: Sequence[RuleRecord], groups: Sequence[tuple[str, bool]], account: str | None, asked: Facts
) -> Match | None:
    """The oldest `next`, else the newest `when`, of these groups."""
    fitting = [
        rule
        for rule in written
        if (rule.kind, rule.late) in groups
        and rule.account in (None, account)
        and rule.uses_left != 0
        and (rule.until is None or NOW.now < rule.until)
        and all(_fits(wanted, asked.criterion(name)) for name, wanted in (rule.criteria or {}).items())
    ]
    queued = [rule for rule in fitting if rule.is_next]
    found = queued[0] if queued else fitting[-1] if fitting else None
    return None if found is None else Match(found, 0)


@given(
    drawn=rules,
    groups=st.lists(st.sampled_from(GROUPS), unique=True, max_size=3),
    account=st.sampled_from((None, "a")),
    parts=facts,
)
def test_rules_of_several_kinds(
    drawn: list[Drawn],
    groups: list[tuple[str, bool]],
    account: str | None,
    parts: dict[str, object],
) -> None:
    made, asked = written(drawn), Facts(parts)
    scripts = Scripts(1, made, {})
    assert scripts.match_kinds(groups, account, asked, NOW) == by_trying(made, groups, account, asked)
    assert scripts.only_creates == all(rule.kind == CREATE for rule in made)


def test_a_difference_is_found() -> None:
    """Counterexample: an index that ignores the kind finds another rule."""
    made = [RuleRecord(0, None, None, None, kind=QUERY)]
    groups = [(QUERY, False), (REQUEST, False)]
    found = Scripts(1, made, {}).match_kinds(groups, None, Facts({}), NOW)
    assert found != by_trying(made, groups[1:], None, Facts({}))
