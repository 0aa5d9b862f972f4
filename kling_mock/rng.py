"""Deterministic pseudorandom values: hashes of the seed and a key, without state."""

from __future__ import annotations

from hashlib import blake2b


def _digest(seed: int, what: tuple[object, ...], size: int) -> bytes:
    spelling = "\x1f".join(map(str, (seed, *what)))
    return blake2b(spelling.encode(), digest_size=size).digest()


def draw_bits(seed: int, *what: object) -> int:
    """A 64-bit integer that depends only on the seed and on the text forms of the key `what`."""
    return int.from_bytes(_digest(seed, what, 8))


def draw(seed: int, *what: object) -> float:
    """A fraction from 0 (included) to 1 (excluded)."""
    return (draw_bits(seed, *what) >> 11) / (1 << 53)


def draw_uuid(seed: int, *what: object) -> str:
    """A UUID of version 4 as text."""
    digits = _digest(seed, what, 16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
