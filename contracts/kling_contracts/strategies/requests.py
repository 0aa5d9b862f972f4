"""Hypothesis strategies for create requests: valid, on a limit, refused, or accepted with a task that fails.

They are derived from the fields of an operation. A drawn value is a frozen dataclass with the body, the rule
and the expected response; `label` is its class, for `hypothesis.event`. Needs the extra `contracts`. Some
invalid bodies contain lone surrogates, which `json.dumps(body)` writes as ASCII escapes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from typing import Final, TypeVar, assert_never, cast

from hypothesis import strategies as st

from kling_contracts.composite_fields import AnyField
from kling_contracts.constraints import ExactlyOne, RequiredWhen
from kling_contracts.gateways import COMETAPI, Gateway
from kling_contracts.operations import BODY_TYPE, MULTI_IMAGE, Operation
from kling_contracts.rules import BODY_UNICODE, Effect
from kling_contracts.strategies.fields import (
    Around,
    both_names,
    ignored_values,
    object_edges,
    object_faults,
    plain_values,
)
from kling_contracts.strategies.objects import (
    ABSENT,
    Object,
    Objects,
    Plain,
    objects,
    plain_objects,
    satisfying,
    spelled,
)
from kling_contracts.strategies.scalars import Case, Values, samples
from kling_contracts.suggestions import did_you_mean

T = TypeVar("T")
Body = Object

_NO_OBJECTS: Final = (list[object](), None, True, 0, 1.5, "", "{}", [{"n": 1}])
_EXTERNAL_ID: Final = "external_task_id"
# The number of operations (and of gateways and runs) whose strategies are kept.
_KEPT: Final = 32


@dataclass(frozen=True, slots=True)
class BoundaryRequest:
    """A valid request exactly on the limit of a rule; `tag` distinguishes several of one rule."""

    body: Body
    rule_id: str
    tag: str

    @property
    def label(self) -> str:
        """The id of the rule and the tag of the value, for the report of Hypothesis."""
        return _label(self.rule_id, self.tag)


@dataclass(frozen=True, slots=True)
class InvalidRequest:
    """A request that breaks one rule, with the HTTP status and `code` of the expected error response."""

    body: object
    rule_id: str
    tag: str
    status: int
    code: int | str

    @property
    def label(self) -> str:
        """The id of the rule and the tag of the value, for the report of Hypothesis."""
        return _label(self.rule_id, self.tag)


@dataclass(frozen=True, slots=True)
class FailingRequest:
    """A request that is accepted and whose task ends `failed` with `message` as its `task_status_msg`."""

    body: Body
    rule_id: str
    tag: str
    message: str

    @property
    def label(self) -> str:
        """The id of the rule and the tag of the value, for the report of Hypothesis."""
        return _label(self.rule_id, self.tag)


def valid_requests(operation: Operation = MULTI_IMAGE, *, run: str = "run") -> st.SearchStrategy[Body]:
    """Valid requests. Shrinks towards the fewest subjects, by URL, and no optional field.

    External ids are unique: `run`, the kind of strategy and a number. Pass another `run` for each run against
    a server that keeps its tasks.
    """
    return _objects(_fresh(_bodies(operation, _plain(operation, f"{run}-valid"))))


def boundary_requests(
    operation: Operation = MULTI_IMAGE, *, run: str = "run", rules: Collection[str] | None = None
) -> st.SearchStrategy[BoundaryRequest]:
    """Valid requests exactly on a limit; `rules` as in `invalid_requests`."""
    return _one_of(boundary_classes(operation, run=run), rules)


def invalid_requests(
    operation: Operation = MULTI_IMAGE,
    *,
    gateway: Gateway = COMETAPI,
    run: str = "run",
    rules: Collection[str] | None = None,
) -> st.SearchStrategy[InvalidRequest]:
    """Requests that are refused, as they break exactly one rule. Shrinks towards values just beyond a limit.

    `rules` selects rule ids; ValueError for an id without such requests.
    """
    return _one_of(invalid_classes(operation, gateway=gateway, run=run), rules)


def failing_requests(
    operation: Operation = MULTI_IMAGE, *, run: str = "run", rules: Collection[str] | None = None
) -> st.SearchStrategy[FailingRequest]:
    """Accepted requests with one picture that makes the task fail; `rules` as in `invalid_requests`."""
    return _one_of(failing_classes(operation, run=run), rules)


def boundary_classes(
    operation: Operation = MULTI_IMAGE, *, run: str = "run"
) -> dict[str, st.SearchStrategy[BoundaryRequest]]:
    """The strategies that `boundary_requests` draws from, by `label`."""
    return dict(_boundary_classes(operation, run))


# Hypothesis validates each strategy at its first use, which takes longer than drawing a few values.
@lru_cache(maxsize=_KEPT)
def _boundary_classes(operation: Operation, run: str) -> dict[str, st.SearchStrategy[BoundaryRequest]]:
    return {
        _label(rule.id, tag): _objects(_fresh(bodies)).map(partial(BoundaryRequest, rule_id=rule.id, tag=tag))
        for rule, tag, bodies in _edges(operation, _plain(operation, f"{run}-edge"))
    }


def invalid_classes(
    operation: Operation = MULTI_IMAGE, *, gateway: Gateway = COMETAPI, run: str = "run"
) -> dict[str, st.SearchStrategy[InvalidRequest]]:
    """The strategies that `invalid_requests` draws from, by `label`."""
    return dict(_invalid_classes(operation, gateway, run))


@lru_cache(maxsize=_KEPT)
def _invalid_classes(
    operation: Operation, gateway: Gateway, run: str
) -> dict[str, st.SearchStrategy[InvalidRequest]]:
    classes: dict[str, st.SearchStrategy[InvalidRequest]] = {}
    for rule, tag, bodies in _faults(operation, _plain(operation, f"{run}-refused"), Effect.REFUSED):
        due = gateway.refusal_for(rule)
        request = partial(InvalidRequest, rule_id=rule.id, tag=tag, status=due.status, code=due.code)
        classes[_label(rule.id, tag)] = _fresh(bodies).map(request)
    return classes


def failing_classes(
    operation: Operation = MULTI_IMAGE, *, run: str = "run"
) -> dict[str, st.SearchStrategy[FailingRequest]]:
    """The strategies that `failing_requests` draws from, by `label`."""
    return dict(_failing_classes(operation, run))


@lru_cache(maxsize=_KEPT)
def _failing_classes(operation: Operation, run: str) -> dict[str, st.SearchStrategy[FailingRequest]]:
    return {
        _label(rule.id, tag): _objects(_fresh(bodies)).map(
            partial(FailingRequest, rule_id=rule.id, tag=tag, message=rule.wording.template)
        )
        for rule, tag, bodies in _faults(operation, _plain(operation, f"{run}-failing"), Effect.FAILS)
    }


def _external_ids(run: str) -> Values:
    """Ids that are unique even in a replay, since a server refuses a duplicate."""
    numbers = count(1)
    shapes = st.sampled_from(("", "-é漢😀", "/..%2F?#", " x", "-" + "x" * 200))
    return shapes.map(lambda shape: f"{run}-{next(numbers)}{shape}")


def _plain(operation: Operation, run: str) -> Plain:
    """Strategies for valid values of every field; shared, as building them is slow."""
    plain = dict(plain_values(operation.fields))
    if _EXTERNAL_ID in plain:
        plain[_EXTERNAL_ID] = _external_ids(run)
    return plain


def _edges(operation: Operation, plain: Plain) -> Iterator[Case]:
    yield from object_edges(operation.fields, plain, _around(operation))
    for constraint in operation.constraints:
        match constraint:
            case ExactlyOne():
                for name in constraint.names:
                    given = _bodies(operation, plain, operation.field(name), plain[name])
                    yield Case(constraint.rule, name, given)
            case RequiredWhen():
                needed = _triggered(operation, plain, constraint)
                yield Case(constraint.rule, "given", spelled(operation.fields, needed))
                field = operation.field(constraint.field)
                yield Case(constraint.rule, "not needed", _bodies(operation, plain, field, st.just(ABSENT)))
            case _:
                assert_never(constraint)


def _faults(operation: Operation, plain: Plain, effect: Effect) -> Iterator[Case]:
    for case in _all_faults(operation, plain):
        if case.rule.effect is effect:
            yield case


def _all_faults(operation: Operation, plain: Plain) -> Iterator[Case]:
    yield Case(BODY_TYPE, "other JSON", samples(*_NO_OBJECTS))
    yield from object_faults(operation.fields, plain, _around(operation))
    for constraint in operation.constraints:
        match constraint:
            case ExactlyOne():
                yield from _one_faults(operation, plain, constraint)
            case RequiredWhen():
                yield from _needed_faults(operation, plain, constraint)
            case _:
                assert_never(constraint)
    yield from _ignored_surrogates(operation, plain)


def _needed_faults(operation: Operation, plain: Plain, constraint: RequiredWhen) -> Iterator[Case]:
    """Bodies that lack the required field: for each value of the other field, and for its default."""
    needed = _triggered(operation, plain, constraint)
    for tag, nothing in (("absent", ABSENT), ("null", None), ("empty text", "")):
        without = needed.map(_with({constraint.field: nothing}))
        yield Case(constraint.rule, tag, spelled(operation.fields, without))
    when = operation.field(constraint.when)
    if when.default in constraint.values:
        silent = plain_objects(operation.fields, plain, when, st.just(ABSENT), operation.constraints)
        without = silent.map(_with({constraint.field: ABSENT}))
        yield Case(constraint.rule, "by default", spelled(operation.fields, without))


def _triggered(operation: Operation, plain: Plain, constraint: RequiredWhen) -> Objects:
    """Valid bodies, with declared names, for which the condition of the constraint holds."""
    values = samples(*constraint.values) if constraint.values else plain[constraint.when]
    when = operation.field(constraint.when)
    return plain_objects(operation.fields, plain, when, values, operation.constraints)


def _one_faults(operation: Operation, plain: Plain, constraint: ExactlyOne) -> Iterator[Case]:
    """Bodies with none, all, or two of the fields that satisfy the other constraints."""
    fields, names = operation.fields, constraint.names
    others = [each for each in operation.constraints if each is not constraint]
    valid = plain_objects(fields, plain, None, None, operation.constraints)
    for tag, given in (("none", ()), ("all", names), ("two", names[:2] if len(names) > 2 else ())):
        if given or tag == "none":
            values = st.fixed_dictionaries(
                {name: plain[name] if name in given else st.just(ABSENT) for name in names}
            )
            drawn = st.builds(dict[str, object].__or__, valid, values)
            yield Case(constraint.rule, tag, spelled(fields, satisfying(drawn, fields, plain, others, None)))


def _with(values: Body) -> Callable[[Body], Body]:
    return lambda body: body | values


def _ignored_surrogates(operation: Operation, plain: Plain) -> Iterator[Case]:
    """Bodies with a lone surrogate in an ignored position: unknown keys, and an alias beside its name."""
    notes = samples("\ud800", "a\udfff", ["x", {"\ud800": 1}], {"x": ["\udc00"]})
    extras = _objects(notes.map(lambda note: {"note": note}) | samples({"\ud800": 1}))
    valid = _objects(_bodies(operation, plain))
    yield Case(BODY_UNICODE, "unknown field", st.builds(dict[str, object].__or__, valid, extras))
    for field in operation.fields:
        for tag, values in ignored_values(field, extras):
            yield Case(BODY_UNICODE, tag, _bodies(operation, plain, field, values))
        for alias in field.aliases:
            values = plain[field.name]
            bodies = _objects(_bodies(operation, plain, field, values))
            pair = st.builds(both_names, bodies, st.just(field.name), values, st.just(alias))
            yield Case(BODY_UNICODE, "alias beside its name", pair)


def _bodies(
    operation: Operation, plain: Plain, special: AnyField | None = None, values: Values | None = None
) -> Values:
    """Bodies of valid fields, except that the field `special` has one of `values`."""
    return objects(operation.fields, plain, special, values, operation.constraints)


def _around(operation: Operation) -> Around:
    return partial(objects, constraints=operation.constraints)


def _fresh(values: Values) -> Values:
    """Copies, so that a test can change its request, and reports show plain values."""
    return values.map(copy.deepcopy)


def _objects(values: Values) -> st.SearchStrategy[Body]:
    """Cast for the type checker."""
    return cast("st.SearchStrategy[Body]", values)


def _one_of(
    classes: Mapping[str, st.SearchStrategy[T]], rules: Collection[str] | None
) -> st.SearchStrategy[T]:
    by_rule: dict[str, list[st.SearchStrategy[T]]] = {}
    for label, requests in classes.items():
        by_rule.setdefault(label.partition(": ")[0], []).append(requests)
    if rules is None:
        return st.one_of(list(classes.values()))
    for rule_id in sorted(set(rules) - by_rule.keys()):
        raise ValueError(f"rules: no such request for {rule_id!r}; {did_you_mean(rule_id, by_rule)}")
    return st.one_of([each for rule_id, group in by_rule.items() if rule_id in rules for each in group])


def _label(rule_id: str, tag: str) -> str:
    return f"{rule_id}: {tag}"
