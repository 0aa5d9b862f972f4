"""The rule that applies to a create: the index finds the same rule as trying every rule."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from kling_mock import matching
from kling_mock.matching import Match, RuleDraw, Scripts, _Index
from kling_mock.records import RuleRecord
from kling_mock.task_request import PictureRecord, TaskRequest
from tests.profiles import CI
from tests.rows import some_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ACCOUNTS = ("a", "b")


def naive(
    rules: Sequence[RuleRecord], used: Mapping[int, int], account: str, asked: TaskRequest
) -> RuleRecord | None:
    """The oldest `next` with uses left, otherwise the newest matching `when`; of this account or of all."""
    usable = [
        rule
        for rule in rules
        if rule.account in (None, account)
        and (rule.uses_left is None or used.get(rule.id, 0) < rule.uses_left)
    ]
    queued = [rule for rule in usable if rule.criteria is None]
    if queued:
        return min(queued, key=lambda rule: rule.id)
    fitting = [rule for rule in usable if fits(rule.criteria or {}, asked)]
    return max(fitting, key=lambda rule: rule.id, default=None)


def fits(criteria: Mapping[str, object], asked: TaskRequest) -> bool:
    given = {
        **dict(zip(asked.names, asked.items, strict=True)),
        "subjects": len([each for each in asked.pictures if "subject" in each.field]),
    }
    given["prompt"] = given.get("prompt") or ""
    given["n"] = given.get("n") or 1
    for name, wanted in criteria.items():
        actual = given.get(name)
        both_texts = isinstance(wanted, str) and isinstance(actual, str)
        if not (fnmatchcase(str(actual), str(wanted)) if both_texts else wanted == actual):
            return False
    return True


words = st.text("ab", min_size=1, max_size=2)
brackets = st.sampled_from(["[ab]", "[a]b", "[!a]", "a[ab]", "*[ab]", "?[!b]", "[b-a]", "[]a]*", "[", "a["])
stars = st.sampled_from(["*", "a*", "*b", "?", "a?", "*a*", "?b"])
globs = st.one_of(brackets, brackets, stars, st.text("ab*[!]?-\n", max_size=4))
scalars = st.sampled_from([None, True, False, 0, 1, 2, 1.0, 0.5])
unhashable = st.sampled_from([[], [1], ["a"], {"k": "a"}, {}])
hashable = st.sampled_from([(), (1,), ("a",), frozenset({"a"})])
# The values of each field, and of criteria with that name: often equal to that of a request.
FIELDS: dict[str, tuple[st.SearchStrategy[object], st.SearchStrategy[object]]] = {
    "prompt": (words, st.one_of(words, globs, globs)),
    "n": (st.integers(1, 3), scalars),
    "style": (words | scalars | unhashable, globs | words | scalars | unhashable | hashable),
    "tags": (unhashable, unhashable | hashable | scalars),
}
WANTED = {
    **{name: wanted for name, (_, wanted) in FIELDS.items()},
    "subjects": st.integers(0, 2),
    "absent": st.none() | words,
}


prompts = st.fixed_dictionaries({"prompt": WANTED["prompt"]})
combined = st.fixed_dictionaries({"prompt": WANTED["prompt"], "style": WANTED["style"]})
mixed = st.lists(st.sampled_from(list(WANTED)), unique=True, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: WANTED[name] for name in names})
)
criteria: st.SearchStrategy[dict[str, object] | None] = st.one_of(prompts, prompts, combined, mixed)


@st.composite
def rule_lists(draw: st.DrawFn) -> list[RuleRecord]:
    """Rules listed oldest first, with gaps between ids. Some lists contain `next`, which hides others."""
    kinds = draw(st.sampled_from([criteria, criteria | st.none()]))
    ids = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=8)))
    return [
        RuleRecord(
            number,
            draw(st.sampled_from([None, None, *ACCOUNTS])),
            draw(kinds),
            draw(st.sampled_from([None, 1, 2])),
        )
        for number in ids
    ]


@st.composite
def requests(draw: st.DrawFn) -> TaskRequest:
    names = (
        "prompt",
        *draw(st.lists(st.sampled_from([name for name in FIELDS if name != "prompt"]), unique=True)),
    )
    items = tuple(draw(FIELDS[name][0]) for name in names)
    fields = ["style_image", *draw(st.lists(st.just("subject_image_list[0].subject_image"), max_size=2))]
    return TaskRequest(names, items, tuple(PictureRecord(each, "https://x.test") for each in fields))


asked_by = st.lists(st.tuples(st.sampled_from(ACCOUNTS), requests(), st.booleans()), min_size=2, max_size=8)


def compare(rules: list[RuleRecord], creates: list[tuple[str, TaskRequest, bool]]) -> None:
    """Match creates one after the other. Committed ones use up their rule."""
    used: dict[int, int] = {}
    scripts = Scripts(1, rules, used)
    for account, asked, commits in creates:
        expected = naive(rules, used, account, asked)
        match = scripts.match(account, asked)
        assert match == (None if expected is None else Match(expected, used.get(expected.id, 0)))
        if expected is not None and commits:
            used[expected.id] = used.get(expected.id, 0) + 1
        assert [scripts.left(rule) for rule in rules] == [
            None if rule.uses_left is None else rule.uses_left - used.get(rule.id, 0) for rule in rules
        ]


def _asks(**given: object) -> TaskRequest:
    return TaskRequest(tuple(given), tuple(given.values()), ())


def _when(number: int, **wanted: object) -> RuleRecord:
    return RuleRecord(number, None, wanted, None)


def _next(number: int) -> RuleRecord:
    return RuleRecord(number, None, None, 1)


@given(rules=rule_lists(), creates=asked_by)
@example(rules=[_when(0, style="[ab]"), _when(1, style="[ab]*b")], creates=[("a", _asks(style="ab"), True)])
@example(rules=[_when(0, tags=frozenset({"a"}))], creates=[("a", _asks(tags={"a"}), True)])
@example(rules=[_when(0, tags=()), _when(1, tags=[])], creates=[("a", _asks(tags=[]), True)])
@example(rules=[_when(0, n=True), _when(1, n=1.0)], creates=[("a", _asks(n=1), True)])
@example(rules=[_when(0, tags="a"), _when(1, n=1)], creates=[("a", _asks(tags=["a"], n=1), True)])
@example(
    rules=[_when(0, prompt="a*"), _when(1, style="a*"), _when(2, prompt="*a")],
    creates=[("a", _asks(prompt="a", style="a"), True)],
)
@example(rules=[_next(0), _next(1), _next(2)], creates=[("a", _asks(), True)] * 4)
def test_the_index_finds_the_same_rule_as_trying_every_rule(
    rules: list[RuleRecord], creates: list[tuple[str, TaskRequest, bool]]
) -> None:
    compare(rules, creates)


def test_a_rule_ends_after_its_uses_and_at_its_instant() -> None:
    """`uses_left` may be below the number of uses: a rule can be replaced."""
    limited, lasting = RuleRecord(0, None, None, 2), RuleRecord(0, None, None, None, until=10.0)
    for used, found in ((0, True), (1, True), (2, False), (3, False)):
        scripts = Scripts(1, [limited], {0: used})
        assert (scripts.match("a", _asks()) is not None) is found
        assert scripts.left(limited) == scripts.present(limited).uses_left == max(2 - used, 0)
    for now, found in ((9.9, True), (10.0, False), (11.0, False)):
        assert (Scripts(1, [lasting], {}).match("a", _asks(), now) is not None) is found


def test_a_chance_is_the_part_of_the_requests_to_which_a_rule_applies() -> None:
    for chance, least, most in ((0.1, 100, 300), (0.9, 1700, 1900), (1.0, 2000, 2000)):
        rule = RuleRecord(0, None, None, None, chance=chance)
        assert least <= sum(RuleDraw(0.0, 0, str(number)).accepts(rule) for number in range(2000)) <= most


# -- counterexamples


def _oldest(scripts: _Index, rules: Sequence[RuleRecord], draw: RuleDraw) -> Match | None:
    return next((match for rule in rules if (match := scripts._usable(rule, draw.now)) is not None), None)


def _used_up_applies(scripts: _Index, rule: RuleRecord, now: float) -> Match | None:
    return Match(rule, scripts.used.get(rule.id, 0))


def _used_is_stale(scripts: _Index, rule: RuleRecord, now: float) -> Match | None:
    match = _USABLE(scripts, rule, now)
    return match and Match(rule, 0)


def _head_of_all_only(scripts: _Index, scope: str | None, draw: RuleDraw) -> Match | None:
    return _HEAD(scripts, None, draw)


def _spent_too_early(scripts: _Index, scope: str | None, draw: RuleDraw) -> Match | None:
    match = _HEAD(scripts, scope, draw)
    scripts._spent[scope] += match is not None and match.rule.uses_left == 1
    return match


_USABLE, _HEAD = _Index._usable, _Index.head


@some_rows(
    ("name", "fault"),
    [
        ("_newest", _oldest),
        ("_usable", _used_up_applies),
        ("_usable", _used_is_stale),
        ("head", _head_of_all_only),
        ("head", _spent_too_early),
        ("_exact", lambda _self, _scope, _asked: ()),
        ("_globbed", lambda _self, _scope, _asked: ()),
    ],
    usual=lambda row: row[0] != "head",  # these faults take the most examples
)
def test_a_faulty_index_of_rules_differs(
    name: str, fault: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Index, name, fault)
    expect_found()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("_WILD", re.compile(r"[*?]")),  # `[...]` is a literal
        ("_AFTER_BRACKET", re.compile(r"(?!)")),  # text in brackets is part of the literal
        ("_number_of_match", lambda match: -match.rule.id),
    ],
)
def test_a_faulty_reading_of_globs_differs(name: str, fault: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, name, fault)
    expect_found()


def expect_found() -> None:
    @settings(CI, phases=[Phase.generate], report_multiple_bugs=False, max_examples=300)
    @given(rules=rule_lists(), creates=asked_by)
    def search(rules: list[RuleRecord], creates: list[tuple[str, TaskRequest, bool]]) -> None:
        compare(rules, creates)

    with pytest.raises(AssertionError):
        search()
