"""Rows of the boundary table: a body with its verdict, and functions that make bodies and images."""

import base64
import copy
import struct
from typing import NamedTuple

PAGE_URL = "https://filesystem.site/cdn/20250814/goDW44JIf6eSuxAS7TNringhWjO9kW.png"
SUBJECTS = [{"subject_image": PAGE_URL}, {"subject_image": "https://example.com/b.png"}]
MIB_10 = 10485760


def good(**fields: object) -> dict[str, object]:
    return {"subject_image_list": copy.deepcopy(SUBJECTS), **fields}


def subjects(*pictures: object) -> dict[str, object]:
    return {"subject_image_list": [{"subject_image": picture} for picture in pictures]}


def png(width: int, height: int, size: int = 33) -> bytes:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR" + struct.pack(">II", width, height)
    return head + bytes(size - len(head))


def jpeg(width: int, height: int) -> bytes:
    frame = b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\x00"
    return b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"\xff\xff" + frame


def inline(data: bytes) -> str:
    return base64.b64encode(data).decode()


PICTURE = inline(png(300, 300))
UNPADDED = inline(png(300, 300, 36))
LARGEST = inline(png(300, 300, MIB_10))
TOO_LARGE = inline(png(300, 300, MIB_10 + 1))


class Row(NamedTuple):
    name: str
    body: object
    # (path, rule, code of the create response, effect), or None for a valid body
    expected: tuple[str, str, int, str] | None
    # the reason if JSON Schema cannot express the rule
    inexpressible: str = ""


def ok(name: str, body: object, inexpressible: str = "") -> Row:
    return Row(name, body, None, inexpressible)


def refused(name: str, body: object, path: str, rule: str, inexpressible: str = "") -> Row:
    return Row(name, body, (path, rule, 1201, "refused"), inexpressible)


def fails(name: str, body: object, path: str, rule: str) -> Row:
    return Row(name, body, (path, rule, 0, "fails"))


NO_LIST: list[object] = []
NO_OBJECT: dict[str, object] = {}
SURROGATE = "JSON Schema cannot express lone surrogates"
LIBRARY = "jsonschema fails to print a number of 5000 digits"
BULKY = "a pattern over 14 million characters takes seconds; see test_schema_counts_bytes"
