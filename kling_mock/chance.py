"""Everything that looks random: keyed hashes of the seed and of what is drawn for. No state, no `random`."""

from __future__ import annotations

import uuid
from hashlib import blake2b


def draw_bits(seed: int, *what: object) -> int:
    """64 bits that depend on the seed and on `what` alone (its parts must have stable spellings)."""
    digest = blake2b("\x1f".join(map(str, what)).encode(), digest_size=8, key=str(seed).encode())
    return int.from_bytes(digest.digest())


def draw(seed: int, *what: object) -> float:
    """A fraction from 0 (included) to 1 (excluded)."""
    return (draw_bits(seed, *what) >> 11) / (1 << 53)


def draw_uuid(seed: int, *what: object) -> str:
    """A UUID of version 4 in its usual spelling."""
    digest = blake2b("\x1f".join(map(str, what)).encode(), digest_size=16, key=str(seed).encode())
    return str(uuid.UUID(bytes=digest.digest(), version=4))
