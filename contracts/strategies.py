"""Hypothesis strategies for create requests: valid, exactly on a limit, with one fault, failing later.

They are derived from an operation's fields and come as small frozen values that know which rule they are
about, and what is due. `label` names the class of a value, for `hypothesis.event`. Needs the extra
`contracts`. Some faulty bodies hold lone surrogates: `json.dumps(body)` writes them, as ASCII escapes.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeVar, cast

from hypothesis import strategies as st

from contracts.field_strategies import Case, Values, edge_values, fault_values, samples, valid_values
from contracts.fields import Field
from contracts.gateways import COMETAPI, Gateway
from contracts.operations import BODY_TYPE, MULTI_IMAGE, Operation
from contracts.picture_fields import PictureList
from contracts.rules import BODY_UNICODE, Effect

T = TypeVar("T")
Body = dict[str, object]
Plain = Mapping[str, Values]

# Stands for a key that is not in the body at all.
_ABSENT: Final = object()
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
    return {
        field.name: _external_ids(run) if field.name == _EXTERNAL_ID else valid_values(field)
        for field in operation.fields
    }


def _edges(operation: Operation, plain: Plain) -> Iterator[Case]:
    for field in operation.fields:
        for rule, tag, values in edge_values(field):
            yield Case(rule, tag, _bodies(operation, plain, field, values))


def _faults(operation: Operation, plain: Plain, effect: Effect) -> Iterator[Case]:
    for case in _all_faults(operation, plain):
        if case.rule.effect is effect:
            yield case


def _all_faults(operation: Operation, plain: Plain) -> Iterator[Case]:
    yield Case(BODY_TYPE, "other JSON", samples(*_NO_OBJECTS))
    for field in operation.fields:
        if field.required:
            yield Case(field.missing, "absent", _bodies(operation, plain, field, st.just(_ABSENT)))
        for rule, tag, values in fault_values(field):
            yield Case(rule, tag, _bodies(operation, plain, field, values))
    yield from _ignored_surrogates(operation, plain)


def _ignored_surrogates(operation: Operation, plain: Plain) -> Iterator[Case]:
    """What means nothing has to be text all the same: unknown keys anywhere, and an alias not needed."""
    notes = samples("\ud800", "a\udfff", ["x", {"\ud800": 1}], {"x": ["\udc00"]})
    extras = notes.map(lambda note: {"note": note}) | samples({"\ud800": 1})
    valid = _objects(_bodies(operation, plain))
    yield Case(BODY_UNICODE, "unknown field", st.builds(dict[str, object].__or__, valid, _objects(extras)))
    for field in operation.fields:
        if isinstance(field, PictureList):
            hidden = st.builds(_hide_in_list, valid, st.just(field.name), _objects(extras))
            yield Case(BODY_UNICODE, "unknown field of an item", hidden)
        for alias in field.aliases:
            pair = st.builds(_both, valid, st.just(field.name), valid_values(field), st.just(alias))
            yield Case(BODY_UNICODE, "alias beside its name", pair)


def _hide_in_list(body: Body, name: str, extra: Body) -> Body:
    items = cast("list[Body]", body[name])
    return body | {name: [*items[:-1], items[-1] | extra]}


def _both(body: Body, name: str, value: object, alias: str) -> Body:
    return body | {name: value, alias: "\ud800"}


def _bodies(
    operation: Operation, plain: Plain, special: Field | None = None, values: Values | None = None
) -> Values:
    """Bodies of valid fields, except that the field `special` holds one of `values`."""
    needed: dict[str, Values] = {}
    optional: dict[str, Values] = {}
    for field in operation.fields:
        home = needed if field.required or field is special else optional
        home[field.name] = values if field is special and values is not None else plain[field.name]
    given = st.fixed_dictionaries(needed, optional=optional)
    spellings = {
        field.name: st.sampled_from((field.name, *field.aliases))
        for field in operation.fields
        if field.aliases
    }
    return st.builds(_spelt, given, st.fixed_dictionaries(spellings))


def _spelt(given: dict[str, object], spellings: dict[str, str]) -> Body:
    """The fields that are given, under the names chosen for them."""
    return {spellings.get(name, name): value for name, value in given.items() if value is not _ABSENT}


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
