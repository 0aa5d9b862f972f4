"""Calls of script methods as plain data: `fails("no")` is `fails = "no"`, `cuts(10, "reset")` is a table.

Everything is derived from the signature of the method, so a new method needs nothing here.
"""

from __future__ import annotations

import inspect
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, Unpack, cast, get_args, get_origin, get_type_hints

from kling_mock.plan import Pace

# The only key of a table that stands for bytes, which neither JSON nor TOML has.
BYTES_KEY: Final = "$base64"

Method = Callable[..., Any]


class Parameter(NamedTuple):
    """A parameter of a method; `variadic`: it accepts any number of values, which data has as a list."""

    name: str
    hint: Any
    required: bool
    variadic: bool = False


class MethodSignature(NamedTuple):
    """The parameters of a method without `self`, those of its extent included, and a line about it."""

    parameters: Mapping[str, Parameter]
    first: Parameter | None
    summary: str


@cache
def signature_of(method: Method) -> MethodSignature:
    """The signature of a method of a class."""
    hints = get_type_hints(method)
    found: dict[str, Parameter] = {}
    first: Parameter | None = None
    for each in list(_signature(method).parameters.values())[1:]:
        hint = hints[each.name]
        if each.kind is each.VAR_KEYWORD and get_origin(hint) is Unpack:
            extent = get_type_hints(get_args(hint)[0])
            found |= {name: Parameter(name, part, required=False) for name, part in extent.items()}
            continue
        variadic = each.kind is each.VAR_POSITIONAL
        required = each.default is each.empty and not variadic
        found[each.name] = Parameter(each.name, hint, required, variadic)
        if each.kind is not each.KEYWORD_ONLY:
            first = first or found[each.name]
    summary = (inspect.getdoc(method) or "").partition("\n")[0]
    return MethodSignature(found, first, summary)


@cache
def _signature(method: Method) -> inspect.Signature:
    return inspect.signature(method)


def value_of_call(method: Method, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    """The arguments of a call as data: True without any, the value of the first one, or a table.

    Arguments that equal their defaults are left out. Raises TypeError for arguments that do not fit.
    """
    bound = _signature(method).bind(None, *args, **kwargs)
    given: dict[str, object] = {}
    for name, value in list(bound.arguments.items())[1:]:
        parameter = bound.signature.parameters[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= {key: plain(each) for key, each in value.items()}
        elif parameter.kind is parameter.VAR_POSITIONAL:
            given |= {name: plain(value)} if value else {}
        elif type(value) is not type(parameter.default) or value != parameter.default:
            given[name] = plain(value)
    if not given:
        return True
    first = signature_of(method).first
    if first is not None and list(given) == [first.name]:
        value = given[first.name]
        if not isinstance(value, bool | dict):  # True is a call without arguments, a table has their names
            return value
    return given


def arguments_of(method: Method, value: object) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call from its data, the inverse of `value_of_call`."""
    first = signature_of(method).first
    if value is True:
        return [], {}
    if not isinstance(value, dict):
        given = {} if first is None else {first.name: value}
    else:
        given = cast("dict[str, object]", value)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, each in given.items():
        parameter = signature_of(method).parameters.get(name)
        if parameter is not None and parameter.variadic:
            positional = list(cast("list[object]", each))
        else:
            named[name] = _unplain(each)
    return positional, named


def plain(value: object) -> object:
    """A copy of a value as JSON data, with the text form of a pace; other objects are left as they are."""
    match value:
        case Pace():
            return str(value)
        case bytes():
            return {BYTES_KEY: b64encode(value).decode()}
        case bool():
            return value
        case str():  # a status is one too
            return str(value)
        case Mapping():
            table = cast("Mapping[object, object]", value)
            return {str(name): plain(each) for name, each in table.items()}
        case list() | tuple():
            return [plain(each) for each in cast("list[object]", value)]
        case _:
            return value


def _unplain(value: object) -> object:
    """The value of an argument from its data: bytes are recognised, the rest is copied."""
    data = plain(value)
    if isinstance(data, dict):
        table = cast("dict[str, object]", data)
        text = table.get(BYTES_KEY)
        if len(table) == 1 and isinstance(text, str):
            try:
                return b64decode(text, validate=True)
            except ValueError:
                raise ValueError(f"{BYTES_KEY} must be base64 text (RFC 4648), not {text[:40]!r}") from None
        return table
    return data
