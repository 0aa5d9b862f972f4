"""Everything that looks random: keyed hashes of the seed and of what is drawn for. No state, no `random`."""

from __future__ import annotations

from hashlib import blake2b


def _digest(seed: int, what: tuple[object, ...], size: int) -> bytes:
    spelling = "\x1f".join(map(str, (seed, *what)))
    return blake2b(spelling.encode(), digest_size=size).digest()


def draw_bits(seed: int, *what: object) -> int:
    """64 bits that depend on the seed and on `what` alone (its parts must have stable spellings)."""
    return int.from_bytes(_digest(seed, what, 8))


def draw(seed: int, *what: object) -> float:
    """A fraction from 0 (included) to 1 (excluded)."""
    return (draw_bits(seed, *what) >> 11) / (1 << 53)


def draw_uuid(seed: int, *what: object) -> str:
    """A UUID of version 4 in its usual spelling."""
    digits = _digest(seed, what, 16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
