"""Cost of the mock, as ratios to reference servers with constant responses: `make bench`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import alternatives, growth, page
from benchmarks.callbacks import drain
from benchmarks.core import core
from benchmarks.in_process import fixture, in_process, memory, stalls
from benchmarks.measure import Row
from benchmarks.processes import cold_start, large_bodies, on_sockets, plugin
from benchmarks.reading import reading
from benchmarks.state import state


def costs_that_do_not_grow() -> Iterator[Row]:
    for each in growth.rows():
        beside = "-" if each.unit else f"{growth.FEW}"
        yield Row(each.what, beside, each.budget, each.figure, each.unit, f"{each.spent:.0f} us")


PARTS: tuple[Callable[[], Iterator[Row]], ...] = (
    reading,
    core,
    in_process,
    on_sockets,
    large_bodies,
    cold_start,
    plugin,
    fixture,
    memory,
    stalls,
    drain,
    state,
    costs_that_do_not_grow,
)


def main() -> None:
    rows = [row for part in track(PARTS, "measuring", transient=True) for row in part()]
    pairs, servers, left_out = alternatives.in_process(), alternatives.servers(), alternatives.missing()
    rows += [*alternatives.rows(pairs), *alternatives.rows(servers)]
    table = Table(title="medians; ratios of CPU time, both sides in turn", title_justify="left")
    for name in ("what", "beside", "budget", "measured", "met", "absolute"):
        table.add_column(name, justify="left" if name in ("what", "beside") else "right")
    for row in rows:
        table.add_row(*row.cells())
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    if left_out:
        console.print("not measured:", "; ".join(left_out))
    page.write(pairs, servers, rows, left_out)


if __name__ == "__main__":
    main()
