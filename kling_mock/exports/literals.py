"""JSON values as source code: of Python as its usual formatter writes it, and of JSON."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from kling_mock.exports.request_body import InlinePicture

# The longest line of generated Python: the default of the usual formatters.
LINE: Final = 88
_INDENT: Final = " " * 4


def python_text(text: str) -> str:
    """A string literal; characters that are not printable are escaped.

    In double quotes, unless single ones need fewer escapes, as formatters prefer it.
    """
    quote = '"' if text.count('"') <= text.count("'") else "'"
    return quote + "".join(map(_escaped, text)).replace(quote, "\\" + quote) + quote


def _escaped(sign: str) -> str:
    if sign == "\\" or not sign.isprintable():
        return sign.encode("unicode_escape").decode("ascii")
    return sign


def python_value(value: object, indent: str = "", before: int = 0, after: int = 0) -> str:
    """A JSON value as an expression, on one line if it fits, else one item per line.

    `indent` is that of its line; `before` and `after` are the numbers of characters around it in that line.
    An inline picture is the variable with its name.
    """
    line = _on_one_line(value)
    if len(indent) + before + len(line) + after <= LINE or not isinstance(value, dict | list) or not value:
        return line
    deeper = indent + _INDENT
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        names = [(f"{python_text(name)}: ", each) for name, each in pairs]
        signs = "{}"
    else:
        names, signs = [("", each) for each in cast("list[object]", value)], "[]"
    items = [f"{deeper}{name}{python_value(each, deeper, len(name), 1)},\n" for name, each in names]
    return f"{signs[0]}\n{''.join(items)}{indent}{signs[1]}"


def _on_one_line(value: object) -> str:
    match value:
        case str():
            return python_text(value)
        case InlinePicture():
            return value.name
        case dict():
            pairs = cast("dict[str, object]", value).items()
            return "{" + ", ".join(f"{python_text(name)}: {_on_one_line(each)}" for name, each in pairs) + "}"
        case list():
            return "[" + ", ".join(map(_on_one_line, cast("list[object]", value))) + "]"
        case _:
            return repr(value)


def json_text(value: object, indent: int | None = 2, *, mark: str = "") -> str:
    """A JSON value as text; in ASCII if it has characters that are not printable.

    An inline picture is a string of `mark` and its name.
    """

    def place(each: Any) -> str:
        return f"{mark}{cast('InlinePicture', each).name}"

    text = json.dumps(value, indent=indent, ensure_ascii=False, default=place)
    if text.replace("\n", "").isprintable():
        return text
    return json.dumps(value, indent=indent, default=place)


def free_mark(value: object) -> str:
    """A mark for `json_text` that occurs in no string of the value."""
    text, mark = json.dumps(value, default=str), "@"
    while mark in text:
        mark += "@"
    return mark
