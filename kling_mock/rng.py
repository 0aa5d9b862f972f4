"""Deterministic pseudorandom values: hashes of the seed and a key, without state."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b, shake_128
from struct import unpack
from typing import Final

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


@lru_cache(maxsize=32)
def _bits(seed: int, block: int, what: tuple[str, ...]) -> tuple[int, ...]:
    return unpack(f">{BLOCK}Q", shake_128(_spelling(seed, (*what, block))).digest(8 * BLOCK))


@lru_cache(maxsize=8)
def _uuids(seed: int, block: int, what: tuple[str, ...]) -> tuple[str, ...]:
    digits = shake_128(_spelling(seed, (*what, block))).hexdigest(16 * BLOCK)
    return tuple([_uuid(digits[at : at + 32]) for at in range(0, len(digits), 32)])


def _uuid(digits: str) -> str:
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
