"""Bodies of creates that are not what the service expects, drawn at random."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_URL: Final = "https://example.com/a.png"
MEMBERS: Final = {"subject_image_list": [{"subject_image": _URL}] * 2, "prompt": "two at sea"}
VALID: Final = json.dumps(MEMBERS).encode()
FIELDS: Final = (
    *("subject_image_list", "prompt", "n", "aspect_ratio", "model_name", "callback_url", "external_task_id"),
    *(
        "scence_image",
        "scene_image",
        "style_image",
        "image",
        "negative_prompt",
        "x",
        "",
        "n\\u0000",
        "\\ud800",
    ),
)
LITERALS: Final = (
    *("null", "true", "false", "0", "-0", "1", "2.0", "1.5", "1e400", "-1e400", "1E-999", "9" * 400, "NaN"),
    *("Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x1", "1_0", '""', '"x"', '"\\ud800"', '"\\u0000"'),
    *(
        '"\\x"',
        '"\x01"',
        "'x'",
        '"3:2"',
        '"kling-v2"',
        '"kling-v9"',
        '"https://h/a.png"',
        '"data:image/png,x"',
    ),
    *(
        '"AAAA"',
        '"iVBORw0KGgo="',
        '"/9j/"',
        '"file:///etc/passwd"',
        '"https://"',
        '"http://[::1"',
        "undefined",
    ),
)


_TEXT: Final = VALID.decode()
_ODD: Final = (
    *(_TEXT.encode(name) for name in ("utf-16", "utf-32", "utf-16-be", "utf-8-sig", "utf-7", "cp037")),
    *(_TEXT.replace("two", "\xe9").encode("latin-1"), VALID.replace(b"two", b"\xc0\xaf")),
    *(b"", b" \r\n\t ", b"\0" * 40, b"<html>", b"prompt=a&n=1", b"--x\r\n\r\n1\r\n--x--\r\n"),
    *(VALID[:-1], VALID * 2, VALID + b"x", b"\x1f\x8b\x08\x00" + bytes(20)),
)
_MANY: Final[Sequence[Callable[[int], bytes]]] = (
    lambda count: b'{"subject_image_list":[' + b"0," * count + b"0]}",
    lambda count: b'{"prompt":"' + b"\\u0041" * count + b'"}',
    lambda count: b"{" + b",".join([b'"%d":[]' % number for number in range(count)]) + b"}",
    lambda count: b'{"n":' + b"1" * count + b"}",
)


def body(random: Random) -> bytes:
    return random.choice(_KINDS)(random)


def _value(random: Random, depth: int) -> str:
    roll = random.random()
    if depth == 0 or roll < 0.6:
        return random.choice(LITERALS)
    values = [_value(random, depth - 1) for _ in range(random.randrange(5))]
    if roll < 0.8:
        return f"[{','.join(values)}]"
    return "{" + ",".join(f'"{random.choice((*FIELDS, "subject_image"))}":{each}' for each in values) + "}"


def _fields(random: Random) -> bytes:
    """A valid body with some fields replaced; names may be repeated."""
    members = [f'"{name}":{json.dumps(value)}' for name, value in MEMBERS.items()]
    count = random.randrange(1, 4)
    members += [f'"{random.choice(FIELDS)}":{_value(random, 3)}' for _ in range(count)]
    random.shuffle(members)
    return ("{" + ",".join(members) + "}").encode("utf-8", "surrogatepass")


def _any_json(random: Random) -> bytes:
    return _value(random, 5).encode("utf-8", "surrogatepass")


def _changed(random: Random) -> bytes:
    data = bytearray(VALID)
    for _ in range(random.randrange(1, 6)):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data)


def _deep(random: Random) -> bytes:
    depth = random.choice((100, 1_000, 10_000, 50_000))
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"subject_image_list":[', b"]}")))
    depth = min(depth, 200_000 // len(opening))
    content = opening * depth + random.choice((b"1", b"")) + closing * random.choice((0, depth - 1, depth))
    return random.choice((content, b'{"prompt":' + content + b"}"))


def _other_encoding(random: Random) -> bytes:
    return random.choice(_ODD)


def _wide(random: Random) -> bytes:
    return random.choice(_MANY)(random.choice((100, 2_000, 20_000)))


_KINDS: Final[Sequence[Callable[[Random], bytes]]] = (
    *(lambda _: VALID, lambda _: VALID),
    *(_fields, _fields, _fields, _fields, _fields, _fields, _any_json, _any_json, _changed, _changed),
    *(_other_encoding, _other_encoding, _deep, _wide),
)
