"""Insert faults into modules, one at a time, and report those that no test detects: `make mutants`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
import time
import tomllib
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from mutants.accepted import Change, Equivalent, accepting, read_accepted
from mutants.kinds import Fault, faults
from mutants.trial import Copy, Trials, Verdict

HERE = Path(__file__).parent
PROJECT = HERE.parent
COLUMNS = ("mutants", "killed", "survived", "equivalent", "timed out")
# Third-party modules, loaded once before forking.
LIBRARIES = ("httpx", "hypothesis.stateful", "jsonschema", "PIL.Image", "pytest", "respx", "_pytest.pytester")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit status: 0 if every survivor is listed as equivalent, 1 otherwise or for a stale entry."""
    plan = tomllib.loads((HERE / "plan.toml").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="modules of mutants/plan.toml (default: all)"
    )
    parser.add_argument("--copies", type=int, default=os.cpu_count() or 1, help="number of parallel trials")
    options = parser.parse_args(arguments)
    unknown = set(options.modules) - set(plan["modules"])
    if unknown:
        parser.error(f"unknown modules: {', '.join(sorted(unknown))}; mutants/plan.toml lists them")
    entries = read_accepted(HERE / "equivalent.toml")
    warnings.simplefilter("ignore", SyntaxWarning)  # some faults cause one
    for library in LIBRARIES:
        __import__(library)
    signal.signal(signal.SIGTERM, _terminated)
    console = Console(highlight=False)
    report = Report(console, entries)
    with _copies(options.copies) as copies:
        for module in options.modules or plan["modules"]:
            source = (PROJECT / module).read_text(encoding="utf-8")
            trials = Trials(copies, module, plan["modules"][module]["tests"])
            console.print(f"{module}: one run of its tests takes {trials.rehearse():.1f} s")
            found = [fault for fault in faults(source) if not _excluded(fault, plan["excluded"])]
            report.begin(module, source, len(found))
            for fault, verdict in trials.run(found):
                report.add(fault, verdict)
    return report.finish()


def _excluded(fault: Fault, rows: list[dict[str, Any]]) -> bool:
    return any(
        re.fullmatch(row["kinds"], fault.kind) and ("inside" not in row or row["inside"] in fault.inside)
        for row in rows
    )


@contextmanager
def _copies(count: int) -> Iterator[list[Copy]]:
    """Copies of the project in a temporary folder; at the end the processes in them are terminated."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [Copy.of(PROJECT, Path(folder, str(number))) for number in range(count)]
        try:
            yield copies
        finally:
            for copy in copies:
                copy.stop()


def _terminated(*_: object) -> NoReturn:
    raise SystemExit(143)


class Report:
    """The results so far, by module."""

    def __init__(self, console: Console, entries: tuple[Equivalent, ...]) -> None:
        self.console = console
        self.entries = entries
        self.counts: dict[str, Counter[str]] = {}
        self.survivors: list[Change] = []
        self.used: set[Equivalent] = set()
        self.module = self.source = ""
        self.total = 0
        self.begun = time.monotonic()

    def begin(self, module: str, source: str, total: int) -> None:
        self.module, self.source, self.total = module, source, total
        self.counts[module] = Counter()

    def add(self, fault: Fault, verdict: Verdict) -> None:
        counts = self.counts[self.module]
        counts["mutants"] += 1
        change = Change.between(self.module, fault.where, self.source, fault.text)
        entry = accepting(self.entries, change)
        if verdict is Verdict.SURVIVED and entry is not None:
            counts["equivalent"] += 1
            self.used.add(entry)
        else:
            counts[verdict.value] += 1
            if verdict is Verdict.SURVIVED:
                self.survivors.append(change)
                self._say(f"survived ({fault.kind}): {change}")
        if counts["mutants"] % 50 == 0 or counts["mutants"] == self.total:
            spent = time.monotonic() - self.begun
            self.console.print(f"  {counts['mutants']} of {self.total}, after {spent:.0f} s")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def finish(self) -> int:
        table = Table("module", *COLUMNS)
        for module, counts in self.counts.items():
            table.add_row(module, *(str(counts[column]) for column in COLUMNS))
        sums = sum(self.counts.values(), Counter[str]())
        table.add_row("all", *(str(sums[column]) for column in COLUMNS), style="bold")
        self.console.print(table)
        stale = [entry for entry in self.entries if entry.module in self.counts and entry not in self.used]
        for change in self.survivors:
            self._say(f"survived: {change}")
        for entry in stale:
            self.console.print(
                f"this entry of mutants/equivalent.toml matches no survivor: {entry}",
                markup=False,
                soft_wrap=True,
            )
        return 1 if self.survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main())
