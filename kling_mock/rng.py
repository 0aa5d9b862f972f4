"""Deterministic pseudorandom values: hashes of the seed and a key, without state."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b, shake_128
from struct import unpack
from typing import Final

# RFC 9562: the byte 6 of a UUID begins with its version 4, the byte 8 with the bits 10 of its variant.
_VERSION: Final = bytes([0x40 | byte & 0x0F for byte in range(256)])
_VARIANT: Final = bytes([0x80 | byte & 0x3F for byte in range(256)])
_PARTS: Final = re.compile("(.{8})(.{4})(.{4})(.{4})(.{12})")
# The values of a series that are drawn with one hash, since most are needed one after another.
BLOCK: Final = 32


def _spelling(seed: int, what: tuple[object, ...]) -> bytes:
    return "\x1f".join(map(str, (seed, *what))).encode()


def draw_bits(seed: int, *what: object) -> int:
    """A 64-bit integer that depends only on the seed and on the text forms of the key `what`."""
    return int.from_bytes(blake2b(_spelling(seed, what), digest_size=8).digest())


def draw(seed: int, *what: object) -> float:
    """A fraction from 0 (included) to 1 (excluded)."""
    return (draw_bits(seed, *what) >> 11) / (1 << 53)


def bits_at(seed: int, number: int, *what: str) -> int:
    """The 64-bit integer at the place `number` (0 or more) of the series of seed and `what`."""
    return _bits(seed, number // BLOCK, what)[number % BLOCK]


def uuid_at(seed: int, number: int, *what: str) -> str:
    """The UUID of version 4, as text, at the place `number` (0 or more) of a series; see `bits_at`."""
    return _uuids(seed, number // BLOCK, what)[number % BLOCK]


@lru_cache(maxsize=256)
def _bits(seed: int, block: int, what: tuple[str, ...]) -> tuple[int, ...]:
    return unpack(f">{BLOCK}Q", shake_128(_spelling(seed, (*what, block))).digest(8 * BLOCK))


@lru_cache(maxsize=8)
def _uuids(seed: int, block: int, what: tuple[str, ...]) -> tuple[str, ...]:
    data = bytearray(shake_128(_spelling(seed, (*what, block))).digest(16 * BLOCK))
    data[6::16] = data[6::16].translate(_VERSION)
    data[8::16] = data[8::16].translate(_VARIANT)
    return tuple(map("-".join, _PARTS.findall(data.hex())))
