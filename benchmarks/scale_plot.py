"""Writes docs/images/scale.svg: the cost of requests beside that among few tasks, accounts and scripts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from benchmarks.page import DOCS

PLOT: Final = "images/scale.svg"
BUDGET: Final = 1.2
COLOURS: Final = {"memory": "#2a6fdb", "SQLite": "#d9822b", "Redis": "#b23a48"}
DASHES: Final = {"create": "", "query": "6 3", "first page": "2 3", "last page": "8 3 2 3"}
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 230, 220, 50, 50, 40
_LOWEST, _HIGHEST = 0.6, 1.6


class Point(NamedTuple):
    """A kind of request among `number` of a series: its cost in us, and the ratio to that of the smallest."""

    state: str
    series: str
    number: int
    kind: str
    ratio: float
    cost: float
    memory: float


def write(points: Sequence[Point]) -> None:
    (DOCS / PLOT).write_text("".join(_plot(points)), encoding="utf-8")


def _plot(points: Sequence[Point]) -> Iterator[str]:
    series = list(dict.fromkeys(each.series for each in points))
    width = _LEFT + len(series) * (_WIDTH + _GAP)
    height = _TOP + _HEIGHT + 90
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
    yield f'font-size="13">\n<rect width="{width}" height="{height}" fill="#fff"/>\n'
    title = "CPU of a request, as a multiple of that with the smallest number"
    yield f'<text x="10" y="20" font-weight="bold">{title}</text>\n'
    for number, name in enumerate(series):
        yield from _panel(
            _LEFT + number * (_WIDTH + _GAP), name, [each for each in points if each.series == name]
        )
    at = _LEFT
    for state, colour in COLOURS.items():
        yield from _key(at, height - 36, state, f'stroke="{colour}" stroke-width="2"')
        at += 110
    at = _LEFT
    for kind, dash in DASHES.items():
        yield from _key(at, height - 14, kind, f'stroke="#444" stroke-dasharray="{dash}"')
        at += 110
    yield "</svg>\n"


def _key(x: int, y: int, text: str, style: str) -> Iterator[str]:
    yield f'<line x1="{x}" y1="{y - 4}" x2="{x + 30}" y2="{y - 4}" {style}/>'
    yield f'<text x="{x + 36}" y="{y}">{text}</text>\n'


def _panel(left: int, name: str, points: Sequence[Point]) -> Iterator[str]:
    counts = sorted({each.number for each in points})
    span = max(math.log10(counts[-1]) - math.log10(counts[0]), 1e-9)

    def x(count: int) -> float:
        return left + (math.log10(count) - math.log10(counts[0])) / span * _WIDTH

    def y(ratio: float) -> float:
        shown = min(max(ratio, _LOWEST), _HIGHEST)
        return _TOP + (_HIGHEST - shown) / (_HIGHEST - _LOWEST) * _HEIGHT

    for ratio in (0.8, 1.0, BUDGET, 1.4):
        style = 'stroke="#222"' if ratio == BUDGET else 'stroke="#dde1e7"'
        yield f'<line x1="{left}" y1="{y(ratio):.0f}" x2="{left + _WIDTH}" y2="{y(ratio):.0f}" {style}/>'
        yield f'<text x="{left - 6}" y="{y(ratio) + 4:.0f}" text-anchor="end" font-size="11">{ratio}</text>\n'
    for count in counts:
        yield f'<text x="{x(count):.0f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle" font-size="11">'
        yield f"{count:,}</text>"
    yield f'<text x="{left + _WIDTH // 2}" y="{_TOP - 6}" text-anchor="middle">{name}</text>\n'
    for state in dict.fromkeys(each.state for each in points):
        for kind, dash in DASHES.items():
            line = sorted(
                (each.number, each.ratio) for each in points if (each.state, each.kind) == (state, kind)
            )
            path = " ".join(f"{x(count):.0f},{y(ratio):.0f}" for count, ratio in line)
            style = f'fill="none" stroke="{COLOURS[state]}" stroke-dasharray="{dash}"'
            yield f'<polyline points="{path}" {style}/>\n'
