"""Bodies of requests as JSON text: usual ones, and edits of them, for tests of compiled readers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, assert_never, cast

from kling_contracts.cases.values import ALPHABETS, NO_WEB_URLS, SURROGATES, WEB_URLS, near_misses, text_of
from kling_contracts.compiled_readers import SIZE_MAXIMUM
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation

URL: Final = "http://a.test/1"
# Values that are wrong for most fields, or right with a note or in another form.
ODD: Final[tuple[Any, ...]] = (
    *(None, "", " ", "x", "1", "null", "AAAA", 0, 1, -1, 1.0, 2.0, 0.5, -0.0, 1e300, 10**30, True, False),
    *([], [None], [URL], [{}], {}, {"url": URL}, {"enabled": True}, "data:image/png;base64,AAAA"),
    *(*SURROGATES, 'a "word"', "a\nline\\", f"{URL}\n{URL}", f"{URL} {URL}", f"{URL}\n", f"{URL}?\x7f"),
    *(*WEB_URLS.values(), *(url for urls in NO_WEB_URLS.values() for url in urls)),
    *(
        "http://a",
        "http://a?b",
        "http://a/\u00e9",
        "http://a\n",
        f"http://a\n{URL}",
        f"{URL}/{'x' * 7979}",
        f"{URL}/{'x' * 8000}",
    ),
)
# Characters that replace, or follow, each one of a body.
SIGNS: Final = ('"', "\\", "{", "]", ",", ":", "\x1f", "0", "e", "-")


def usual_value(field: AnyField) -> Any:
    """A valid value that a compiled reader accepts."""
    match field:
        case PictureList():
            return [{field.item.name: URL}] * max(field.minimum.value, 1)
        case Picture() | CallbackUrl():
            return URL
        case Text():
            return "a \u00e9"
        case Choice():
            return field.options.value[-1]
        case Integer() | Number():
            return field.maximum.value
        case Flag():
            return True
        case Nested():
            return {each.name: usual_value(each) for each in field.fields}
        case ListOf():
            return [usual_value(field.item)] * max(field.minimum.value, 1)
        case _:
            assert_never(field)


def usual_body(operation: Operation, compiled: Iterable[str]) -> dict[str, Any]:
    """A body with these fields."""
    return {name: usual_value(operation.field(name)) for name in compiled}


def forms(body: object) -> Iterator[bytes]:
    """A body as clients in several languages write it."""
    yield json.dumps(body).encode()
    yield json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def usual_texts(operation: Operation, compiled: Iterable[str]) -> Iterator[bytes]:
    """Bodies that a compiled reader must accept."""
    usual = usual_body(operation, compiled)
    least = {name: value for name, value in usual.items() if operation.field(name).required}
    yield json.dumps(usual, indent=2).encode()
    bodies = [usual, least, dict(reversed(usual.items())), *[least | {name: usual[name]} for name in usual]]
    for name in usual:
        bodies += [usual | {name: value} for value in _usual_values(operation.field(name))]
    for body in bodies:
        yield from (text for text in forms(body) if len(text) <= SIZE_MAXIMUM)


def _usual_values(field: AnyField) -> Iterator[Any]:
    match field:
        case PictureList(minimum=low, maximum=high):
            for count in range(max(low.value, 1), high.value + 1):
                yield [{field.item.name: f"{URL}{at}"} for at in range(count)]
        case Picture() | CallbackUrl():
            yield from ("http://a", "https://A-1.test/?a=b#c")
        case Text(maximum=maximum):
            yield from ("x", 'a "word"\nand\ta tab', "back\\slash")
            yield from (text_of(unit, maximum.value if maximum else 99) for unit in ALPHABETS.values())
        case Choice(options=options):
            yield from options.value
        case Integer(minimum=low, maximum=high) | Number(minimum=low, maximum=high):
            yield from (low.value, high.value)
        case Flag():
            yield False
        case Nested() | ListOf():
            pass
        case _:
            assert_never(field)


def _odd_values(field: AnyField) -> Iterator[Any]:
    yield from ODD
    match field:
        case PictureList():
            yield from _odd_lists(field)
        case Text(maximum=maximum) if maximum is not None:
            for unit in ALPHABETS.values():
                yield from (text_of(unit, maximum.value + more) for more in (0, 1))
        case Choice(options=options):
            yield from ([option] for option in options.value)
            yield from (text for texts in near_misses(field).values() for text in texts)
        case Integer(minimum=low, maximum=high) | Number(minimum=low, maximum=high):
            for number in (low.value - 1, low.value, low.value + 0.005, high.value, high.value + 1):
                yield from (number, float(number), str(number))
        case _:
            pass


def _odd_lists(field: PictureList) -> Iterator[list[Any]]:
    good = {field.item.name: URL}
    yield from ([good] * count for count in range(field.maximum.value + 2))
    yield from ([good, {field.item.name: value}] for value in ODD)
    yield from ([good, item] for item in ({**good, "note": 1}, {"note": URL}, {}, [URL], URL))


@cache
def edited_texts(operation: Operation, compiled: tuple[str, ...]) -> tuple[bytes, ...]:
    """Usual bodies with one edit: another value, an added or repeated key, a changed character."""
    usual = usual_body(operation, compiled)
    bodies = [{"note": 1} | usual]
    for field in operation.fields:
        rest = {name: value for name, value in usual.items() if name != field.name}
        bodies += [rest, *[rest | {field.name: value} for value in _odd_values(field)]]
        for alias in field.aliases:
            bodies += [rest | {alias: usual_value(field)}, usual | {alias: usual_value(field)}]
    texts = [text for body in bodies for text in forms(body)]
    words = [name for name in usual if type(operation.field(name)) is Text]
    # Escapes at the end of a text: it is not plain whether the quotation mark after them is escaped.
    for end in ("", '"', "\\", '\\"'):
        texts += _repeated(usual | dict.fromkeys(words, f"x{end}"))
    text = json.dumps(usual)
    changed = [text, f"[{text}]", f"\ufeff{text}", f"{text}\0", "", "[]", "null", f'{{"note": {"[" * 5000}']
    for at in range(len(text)):
        before, after = text[:at], text[at + 1 :]
        changed.append(before + after)
        for sign in SIGNS:
            changed += [before + sign + after, before + sign + text[at:]]
    texts += [each.encode() for each in changed]
    return (*texts, text.encode("utf-16"), text.replace("a", "\u00e9").encode("latin-1"))


def _repeated(body: dict[str, Any]) -> Iterator[bytes]:
    """The body with a key that occurs twice, in the object or in the first item of a list."""
    text = json.dumps(body)
    for name, value in body.items():
        for again in (value, None, "x", 1):
            member = f'"{name}": {json.dumps(again)}'
            yield f"{{{member}, {text[1:]}".encode()
            yield f"{text[:-1]}, {member}}}".encode()
        if isinstance(value, list):
            key = json.dumps(next(iter(cast("list[dict[str, Any]]", value)[0])))
            yield text.replace(f"{{{key}", f"{{{key}: 1, {key}", 1).encode()
            yield text.replace(f"{{{key}", f'{{{key}: "{URL}", {key}', 1).encode()
