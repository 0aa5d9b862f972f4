"""Hypothesis strategies for create requests: valid, exactly on a limit, with one fault, failing later.

They are derived from an operation's fields and come as small frozen values that know which rule they are
about, and what is due. `label` names the class of a value, for `hypothesis.event`. Needs the extra
`contracts`. Some faulty bodies hold lone surrogates: `json.dumps(body)` writes them, as ASCII escapes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
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

T = TypeVar("T")
Body = Object

_NO_OBJECTS: Final = (list[object](), None, True, 0, 1.5, "", "{}", [{"n": 1}])
_EXTERNAL_ID: Final = "external_task_id"


@dataclass(frozen=True, slots=True)
class BoundaryRequest:
    """A valid request exactly on the limit of the rule, approached in the way that `tag` tells."""

    body: Body
    rule_id: str
    tag: str

    @property
    def label(self) -> str:
        return _label(self.rule_id, self.tag)


@dataclass(frozen=True, slots=True)
class InvalidRequest:
    """A request that breaks one rule, with the HTTP status and `code` that the gateway owes it."""

    body: object
    rule_id: str
    tag: str
    status: int
    code: int | str

    @property
    def label(self) -> str:
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
        return _label(self.rule_id, self.tag)


def valid_requests(operation: Operation = MULTI_IMAGE, *, run: str = "run") -> st.SearchStrategy[Body]:
    """Requests that break no rule. Shrunk: the fewest subjects by URL, and no optional field.

    External ids are new: `run`, the kind of strategy and a number. Vary `run` for a server that lasts.
    """
    return _objects(_fresh(_bodies(operation, _plain(operation, f"{run}-valid"))))


def boundary_requests(
    operation: Operation = MULTI_IMAGE, *, run: str = "run", rules: Collection[str] | None = None
) -> st.SearchStrategy[BoundaryRequest]:
    """Valid requests exactly on a limit; `rules` restricts them to some (see `invalid_requests`)."""
    return _one_of(boundary_classes(operation, run=run), rules)


def invalid_requests(
    operation: Operation = MULTI_IMAGE,
    *,
    gateway: Gateway = COMETAPI,
    run: str = "run",
    rules: Collection[str] | None = None,
) -> st.SearchStrategy[InvalidRequest]:
    """Requests that break exactly one rule whose effect is a refusal. Shrunk: just beyond the limit.

    `rules` restricts them to some rule ids (ValueError for one that no such request has).
    """
    return _one_of(invalid_classes(operation, gateway=gateway, run=run), rules)


def failing_requests(
    operation: Operation = MULTI_IMAGE, *, run: str = "run", rules: Collection[str] | None = None
) -> st.SearchStrategy[FailingRequest]:
    """Requests that are accepted, with one picture that makes the task fail."""
    return _one_of(failing_classes(operation, run=run), rules)


def boundary_classes(
    operation: Operation = MULTI_IMAGE, *, run: str = "run"
) -> dict[str, st.SearchStrategy[BoundaryRequest]]:
    """What `boundary_requests` chooses from, by `label`."""
    return {
        _label(rule.id, tag): st.builds(
            BoundaryRequest, body=_objects(_fresh(bodies)), rule_id=st.just(rule.id), tag=st.just(tag)
        )
        for rule, tag, bodies in _edges(operation, _plain(operation, f"{run}-edge"))
    }


def invalid_classes(
    operation: Operation = MULTI_IMAGE, *, gateway: Gateway = COMETAPI, run: str = "run"
) -> dict[str, st.SearchStrategy[InvalidRequest]]:
    """What `invalid_requests` chooses from, by `label`."""
    classes: dict[str, st.SearchStrategy[InvalidRequest]] = {}
    for rule, tag, bodies in _faults(operation, _plain(operation, f"{run}-refused"), Effect.REFUSED):
        due = gateway.refusal_for(rule)
        classes[_label(rule.id, tag)] = st.builds(
            InvalidRequest,
            body=_fresh(bodies),
            rule_id=st.just(rule.id),
            tag=st.just(tag),
            status=st.just(due.status),
            code=st.just(due.code),
        )
    return classes


def failing_classes(
    operation: Operation = MULTI_IMAGE, *, run: str = "run"
) -> dict[str, st.SearchStrategy[FailingRequest]]:
    """What `failing_requests` chooses from, by `label`."""
    return {
        _label(rule.id, tag): st.builds(
            FailingRequest,
            body=_objects(_fresh(bodies)),
            rule_id=st.just(rule.id),
            tag=st.just(tag),
            message=st.just(rule.wording.template),
        )
        for rule, tag, bodies in _faults(operation, _plain(operation, f"{run}-failing"), Effect.FAILS)
    }


def _external_ids(run: str) -> Values:
    """Ids that are never drawn twice, not even in a replay: a server would refuse the second."""
    numbers = count(1)
    shapes = st.sampled_from(("", "-é漢😀", "/..%2F?#", " x", "-" + "x" * 200))
    return shapes.map(lambda shape: f"{run}-{next(numbers)}{shape}")


def _plain(operation: Operation, run: str) -> Plain:
    """The valid values of every field. Made once and shared: the variants differ in one field each."""
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
    """The field that is required is not there: for a value of the other field, and for its default."""
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
    """Valid bodies, under declared names, for which the condition of the constraint holds."""
    values = samples(*constraint.values) if constraint.values else plain[constraint.when]
    when = operation.field(constraint.when)
    return plain_objects(operation.fields, plain, when, values, operation.constraints)


def _one_faults(operation: Operation, plain: Plain, constraint: ExactlyOne) -> Iterator[Case]:
    """None of the fields, all of them, two of more than two; other constraints are satisfied."""
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
    """What means nothing has to be text all the same: unknown keys anywhere, and an alias not needed."""
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
    """Bodies of valid fields, except that the field `special` holds one of `values`."""
    return objects(operation.fields, plain, special, values, operation.constraints)


def _around(operation: Operation) -> Around:
    return partial(objects, constraints=operation.constraints)


@st.composite
def _fresh(draw: st.DrawFn, values: Values) -> object:
    """Copies, so that no test can spoil the next one's request; and so that a report shows plain values."""
    return copy.deepcopy(draw(values))


def _objects(values: Values) -> st.SearchStrategy[Body]:
    """The same strategy under the type that its values have."""
    return cast("st.SearchStrategy[Body]", values)


def _one_of(
    classes: Mapping[str, st.SearchStrategy[T]], rules: Collection[str] | None
) -> st.SearchStrategy[T]:
    by_rule: dict[str, list[st.SearchStrategy[T]]] = {}
    for label, requests in classes.items():
        by_rule.setdefault(label.partition(": ")[0], []).append(requests)
    if rules is None:
        return st.one_of(list(classes.values()))
    unknown = set(rules) - by_rule.keys()
    if unknown:
        raise ValueError(f"no such request concerns {', '.join(sorted(unknown))}")
    return st.one_of([each for rule_id, group in by_rule.items() if rule_id in rules for each in group])


def _label(rule_id: str, tag: str) -> str:
    return f"{rule_id}: {tag}"
