"""Writes docs/performance.md and its plot from one run of `make bench`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from benchmarks.alternatives import Figure
from benchmarks.measure import Row

DOCS = Path(__file__).parents[1] / "docs"
PLOT = "images/performance.svg"
_HEAD = """# Performance

The cost of the mock beside its alternatives. `make bench` measures it and writes this page: CPU time, all
sides in turn in one run, medians. Absolute times differ from machine to machine; the ratios are to compare.
The alternatives do other work: pytest-httpx, respx and MockTransport return a constant, FastAPI and
mountebank keep what they receive, aimock has one fixed job, moto is the mock of another service.

![The CPU time of kling-mock and its alternatives, as bars](images/performance.svg)

"""
_LABEL, _BAR, _LINE = 290, 430, 22


def write(
    pairs: Sequence[Figure], servers: Sequence[Figure], rows: Iterable[Row], left_out: Sequence[str]
) -> None:
    """Write the page and its plot; `left_out` are the alternatives that were not measured."""
    (DOCS / "performance.md").write_text("".join(_page(pairs, servers, rows, left_out)), encoding="utf-8")
    (DOCS / PLOT).write_text(_plot(pairs, servers), encoding="utf-8")


def _page(
    pairs: Sequence[Figure], servers: Sequence[Figure], rows: Iterable[Row], left_out: Sequence[str]
) -> Iterator[str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown load"
    yield f"{_HEAD}This run: Python {platform.python_version()}, {cores} cores, {load}.\n\n## In process\n\n"
    yield "One create and one poll with one client.\n\n"
    yield "| mock | CPU us | x MockTransport of httpx |\n|---|---|---|\n"
    for each in pairs:
        yield f"| {each.name} | {each.spent[0]:.0f} | {each.ratios[0]:.2f} |\n"
    yield "\n## Servers\n\n`wrk` with 32 connections; a create has 650 bytes.\n\n"
    yield "| server | create: CPU us | x bare ASGI | poll: CPU us | x bare ASGI |\n|---|---|---|---|---|\n"
    for each in servers:
        cells = [f"{spent:.0f} | {ratio:.2f}" for spent, ratio in zip(each.spent, each.ratios, strict=True)]
        yield f"| {each.name} | {' | '.join(cells)} |\n"
    if left_out:
        yield f"\nNot measured: {'; '.join(left_out)}.\n"
    yield "\n## Budgets\n\nA budget is a goal. A missed one stays.\n\n"
    yield "| what | beside | budget | measured | met | absolute |\n|---|---|---|---|---|---|\n"
    for row in rows:
        if row.budget is not None:
            yield f"| {' | '.join(cell.strip() for cell in row.cells())} |\n"


def _plot(pairs: Sequence[Figure], servers: Sequence[Figure]) -> str:
    """Two groups of bars: pairs in process, then creates and polls of the servers."""
    parts: list[str] = []
    y = 0
    bars = [(each.name, each.spent[0]) for each in pairs]
    y = _group(parts, y, "In process: CPU us of a create and a poll", bars)
    for at, kind in enumerate(("create", "poll")):
        bars = [(each.name, each.spent[at]) for each in servers]
        y = _group(parts, y, f"Servers: CPU us of a {kind}", bars)
    width = _LABEL + _BAR + 80
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="{width}" height="{y}" fill="#fff"/>\n' + "".join(parts) + "</svg>\n"
    )


def _group(parts: list[str], y: int, title: str, bars: Sequence[tuple[str, float]]) -> int:
    """Add a title and its bars below `y`, and return the end. Bars far beyond the others are cut."""
    if not bars:
        return y
    y += 2 * _LINE
    parts.append(f'<text x="10" y="{y - 8}" font-weight="bold">{escape(title)}</text>\n')
    longest = 2.5 * sorted(value for _, value in bars)[len(bars) // 2]
    for name, value in bars:
        length = round(min(value / longest, 1) * _BAR)
        colour = "#2a6fdb" if name.startswith("kling-mock") else "#b9c0cc"
        mark = " (cut)" if value > longest else ""
        parts.append(
            f'<text x="{_LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LABEL}" y="{y}" width="{length}" height="16" fill="{colour}"/>'
            f'<text x="{_LABEL + length + 5}" y="{y + 12}">{value:.0f}{mark}</text>\n'
        )
        y += _LINE
    return y
