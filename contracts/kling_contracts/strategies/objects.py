"""Hypothesis strategies for JSON objects of declared fields, under any of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from hypothesis import strategies as st

from kling_contracts.composite_fields import AnyField
from kling_contracts.constraints import Constraint, ExactlyOne, RequiredWhen
from kling_contracts.strategies.scalars import Values

# Strategies for valid values of every field, by its declared name.
Plain = Mapping[str, Values]
Object = dict[str, object]
Objects = st.SearchStrategy[Object]

# Placeholder for a key that is left out.
ABSENT: Final = object()


def objects(
    fields: Sequence[AnyField],
    plain: Plain,
    special: AnyField | None = None,
    values: Values | None = None,
    constraints: Sequence[Constraint] = (),
) -> Objects:
    """Objects of valid fields that satisfy the constraints.

    The field `special` has one of `values`; it is left out where that is `ABSENT`.
    """
    return spelled(fields, plain_objects(fields, plain, special, values, constraints))


def plain_objects(
    fields: Sequence[AnyField],
    plain: Plain,
    special: AnyField | None = None,
    values: Values | None = None,
    constraints: Sequence[Constraint] = (),
) -> Objects:
    """As `objects`, under the declared names of the fields."""
    needed: dict[str, Values] = {}
    optional: dict[str, Values] = {}
    for field in fields:
        home = needed if field.required or field is special else optional
        home[field.name] = values if field is special and values is not None else plain[field.name]
    drawn = st.fixed_dictionaries(needed, optional=optional)
    if not constraints:
        return drawn
    return satisfying(drawn, fields, plain, constraints, special.name if special else None)


def spelled(fields: Sequence[AnyField], drawn: Objects) -> Objects:
    """The drawn objects, with each field under any of its names."""
    names = {field.name: st.sampled_from(field.names) for field in fields if field.aliases}
    return st.tuples(drawn, st.fixed_dictionaries(names)).map(_spell)


def _spell(drawn_and_names: tuple[Object, Mapping[str, str]]) -> Object:
    drawn, names = drawn_and_names
    return {names.get(name, name): value for name, value in drawn.items() if value is not ABSENT}


@st.composite
def satisfying(  # noqa: PLR0913, PLR0917 -- Hypothesis passes `draw` first
    draw: st.DrawFn,
    drawn: Objects,
    fields: Sequence[AnyField],
    plain: Plain,
    constraints: Sequence[Constraint],
    special: str | None,
) -> Object:
    """The drawn objects, changed to satisfy each constraint in turn. The field `special` is not changed."""
    body = dict(draw(drawn))
    defaults = {field.name: field.default for field in fields}
    for constraint in constraints:
        match constraint:
            case ExactlyOne():
                _keep_one(draw, body, constraint, plain, special)
            case RequiredWhen():
                if not is_given(body, constraint.field) and applies(constraint, body, defaults):
                    _require(draw, body, constraint, plain, special)
            case _:
                assert_never(constraint)
    return body


def is_given(body: Object, name: str) -> bool:
    """Whether the field has a value other than null and the empty string."""
    value = body.get(name, ABSENT)
    return value is not ABSENT and value is not None and value != ""


def applies(constraint: RequiredWhen, body: Object, defaults: Mapping[str, object]) -> bool:
    """Whether the condition of the constraint holds for an object with declared names."""
    return constraint.applies([name for name in body if is_given(body, name)], body, defaults)


def _keep_one(
    draw: st.DrawFn, body: Object, constraint: ExactlyOne, plain: Plain, special: str | None
) -> None:
    given = [name for name in constraint.names if is_given(body, name)]
    if special in given:
        kept = special
    elif given:
        kept = draw(st.sampled_from(given))
    else:
        kept = draw(st.sampled_from([name for name in constraint.names if name != special]))
        body[kept] = draw(plain[kept])
    for name in constraint.names:
        if name not in (kept, special):
            body.pop(name, None)


def _require(
    draw: st.DrawFn, body: Object, constraint: RequiredWhen, plain: Plain, special: str | None
) -> None:
    """Add the required field; or, if that is `special`, make the condition false."""
    if special != constraint.field:
        body[constraint.field] = draw(plain[constraint.field])
    elif constraint.values:
        others = plain[constraint.when].filter(lambda value: value not in constraint.values)
        body[constraint.when] = draw(others)
    else:
        del body[constraint.when]
