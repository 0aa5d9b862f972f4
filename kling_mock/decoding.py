"""Decoding JSON as the service would: exactly what is JSON, with the keys that an object has twice.

Two decoders know it. The quick one is believed only where encoding its result gives the same bytes again
(blanks between the parts aside): then nothing was lost, no key came twice, no number was bent. Everything
else goes to the careful one, which alone says what is wrong.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn, cast

import msgspec

# More than any decoder takes for a number that means something. It is where the quick one has its limit,
# and Python too, unless its settings move that.
DIGITS_MAXIMUM: Final = 4300
# Above this, the bytes to compare with cost more than they save.
QUICK_BYTES: Final = 64 * 1024
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def decode(body: bytes, repeated: list[str]) -> object:
    """Decode JSON; collect the keys that an object has twice (the last one wins). Raises ValueError.

    NaN and infinities are no JSON. A byte order mark, other encodings, absurd depth and integers of
    thousands of digits are refused too.
    """
    if len(body) <= QUICK_BYTES:
        try:
            value: object = _decode(body)
            again = _encode(value)
            if again == body or again == msgspec.json.format(body, indent=-1):
                return value
        except (ValueError, RecursionError):  # the careful one finds out why
            pass
    return _decode_carefully(body, repeated)


def _decode_carefully(body: bytes, repeated: list[str]) -> object:
    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            repeated.extend(key for key, _ in pairs if key in seen or seen.add(key))
        return found

    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    try:
        return cast(
            "object",
            json.loads(text, object_pairs_hook=members, parse_constant=_no_constant, parse_int=_read_int),
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except json.JSONDecodeError as error:
        what = "it begins with a byte order mark" if text.startswith("\ufeff") else error.msg
        raise ValueError(f"{what} at character {error.pos}") from error
    except OverflowError as error:
        raise ValueError("a number is out of range") from error


def _read_int(spelling: str) -> int:
    digits = len(spelling.removeprefix("-"))
    if digits > DIGITS_MAXIMUM:
        raise ValueError(f"a number has {digits} digits")
    return int(spelling)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")
