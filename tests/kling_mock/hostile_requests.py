"""Exchanges of hostile HTTP requests, drawn from a seed: malformed, huge, odd, smuggled, cut off.

`draw(seed, number)` is always the same exchange: requests on one connection, how the client sends them, and
the number of replies that the server may send.
"""

from __future__ import annotations

import itertools
from enum import Enum, auto
from random import Random
from typing import Final, NamedTuple

from tests.kling_mock.broken_requests import LAST, MEGABYTE
from tests.kling_mock.odd_requests import FRAMED
from tests.kling_mock.request_bytes import CREATE, Part, head, post

LARGE_BODIES: Final = 1 / 1_000  # of all exchanges
LARGEST_BODIES: Final = 1 / 50  # of these


class Ending(Enum):
    """The client's next step after its last byte."""

    HALF_CLOSE = auto()
    WAIT = auto()
    RESET = auto()


class Exchange(NamedTuple):
    """The requests on one connection, and the pieces in which the client sends them."""

    parts: tuple[Part, ...]
    pieces: tuple[bytes, ...]
    ending: Ending


def draw(seed: int, number: int, large: float = LARGE_BODIES) -> Exchange:
    """Exchange `number` of a seed; `large` is the part of exchanges with a body above 300 kB."""
    random = Random(f"{seed} {number}")
    parts = [random.choice(FRAMED)(random) for _ in range(random.choice((0, 1, 2, 3, 4, 8)))]
    if random.random() < large:
        parts = [*parts[:2], _large(random)]
    elif not parts or random.random() < 0.6:
        parts.append(random.choice(LAST)(random))
    else:
        parts[-1] = parts[-1]._replace(data=_closing(parts[-1].data), ends=True)
    data = b"".join(each.data for each in parts)
    endings = [Ending.HALF_CLOSE] * 6 + [Ending.RESET] + [Ending.WAIT] * 3 * parts[-1].ends
    return Exchange(tuple(parts), _pieces(random, data), random.choice(endings))


def _closing(data: bytes) -> bytes:
    first, _, rest = data.partition(b"\r\n")
    return first + b"\r\nConnection: close\r\n" + rest


def _pieces(random: Random, data: bytes) -> tuple[bytes, ...]:
    if len(data) > MEGABYTE or random.random() < 0.8:
        return (data,)
    if len(data) < 300 and random.random() < 0.1:
        return tuple(data[at : at + 1] for at in range(len(data)))
    cuts = [0, *sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(1, 6))), len(data)]
    return tuple(data[start:end] for start, end in itertools.pairwise(cuts) if start < end)


def _large(random: Random) -> Part:
    """A body of 0.3 to 3 MB, seldom of 30 to 110 MB."""
    largest = random.random() < LARGEST_BODIES
    size = random.randrange(30, 110) * MEGABYTE if largest else random.randrange(300_000, 3_000_000)
    start, end = b'{"subject_image_list":[', b"]}"
    filling = random.choice((b"[],", b'{"subject_image":"', b" ", b"[", b'"\\u0041",', b"0,", b"\xff", b"1"))
    content = start + filling * (size // len(filling)) + end
    if random.random() < 0.3:
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        return Part("large chunked body", head("POST", CREATE, "Transfer-Encoding: chunked") + chunks)
    return Part("large body", post(random, content, target=CREATE))
