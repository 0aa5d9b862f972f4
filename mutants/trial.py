"""Trial of a fault: a process runs the tests on a copy of the project, with a time limit.

The process is forked after pytest and the libraries are loaded, which saves most of the time. Only the copies
are changed, so an interrupted run leaves the project intact.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from mutants.kinds import Fault

PARTS = ("contracts", "kling_mock", "kling_client", "tests", "pyproject.toml", "README.md")
# Plugins are listed explicitly, since discovering them takes as long as many tests.
AUTOLOAD = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
OPTIONS = (
    *("-p", "_hypothesis_pytestplugin", "-p", "kling_mock.pytest_plugin"),
    *("-x", "-q", "--tb=short", "-p", "no:cacheprovider"),
    "--hypothesis-profile=ci",
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # libraries are loaded before pytest starts
)
LOOK: float = 0.01


class Verdict(StrEnum):
    KILLED = "killed"
    SURVIVED = "survived"
    TIMED_OUT = "timed out"


@dataclass
class Copy:
    """A copy of the project, and the trial that runs in it, if any."""

    root: Path
    process: int = 0
    until: float = 0.0
    fault: Fault | None = None
    original: bytes = b""
    left: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, project: Path, root: Path) -> Copy:
        ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for part in PARTS:
            if (project / part).is_dir():
                shutil.copytree(project / part, root / part, ignore=ignored)
            else:
                shutil.copy(project / part, root / part)
        return cls(root)

    def start(self, tests: Sequence[str], limit: float) -> None:
        """Run the test files in sequence, each in a new process, for at most `limit` seconds altogether."""
        self.until = time.monotonic() + limit
        self.left = list(tests)
        self._next()

    def _next(self) -> None:
        test = self.left.pop(0)
        self.process = os.fork()
        if not self.process:
            _run(self.root, test)

    def ended(self) -> int | None:
        """The exit status of the first failing file; 0 if all pass; None while the trial runs."""
        done, status = os.waitpid(self.process, os.WNOHANG)
        if not done:
            return None
        self.process = 0
        if status or not self.left:
            return os.waitstatus_to_exitcode(status)
        self._next()
        return None

    def stop(self) -> None:
        """Terminate the process and its descendants."""
        if self.process:
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            self.process = 0

    @property
    def output(self) -> str:
        return (self.root / "output").read_text(encoding="utf-8", errors="replace")


def _run(root: Path, test: str) -> NoReturn:
    """In the new process: run pytest in the copy."""
    status = 70
    try:
        os.setsid()
        with (root / "output").open("wb") as output, Path(os.devnull).open("rb") as nothing:
            for stream, number in ((nothing, 0), (output, 1), (output, 2)):
                os.dup2(stream.fileno(), number)
        os.chdir(root)
        os.environ[AUTOLOAD] = "1"
        os.environ.pop("HYPOTHESIS_PROFILE", None)
        sys.path[:1] = [str(root), str(root / "contracts")]
        import pytest

        import kling_contracts

        if Path(kling_contracts.__file__).parents[2] != root.resolve():
            raise RuntimeError(f"the tests would import {kling_contracts.__file__}, which is not in the copy")  # noqa: TRY301 -- seen in the output
        status = int(pytest.main([*OPTIONS, f"tests/{test}"]))
    except BaseException:  # noqa: BLE001 -- nothing may get back into the loop that forked
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@dataclass
class Trials:
    """The trials of the faults of one module, in parallel on all copies."""

    copies: list[Copy]
    module: str
    tests: Sequence[str]
    limit: float = field(default=120.0)

    def rehearse(self) -> float:
        """Run the tests without a fault on every copy; the duration in seconds. RuntimeError if they fail."""
        sys.dont_write_bytecode = False
        took = 0.0
        for copy in self.copies:
            begun = time.monotonic()
            copy.start(self.tests, self.limit)
            while (status := copy.ended()) is None:
                time.sleep(LOOK)
            if status:
                raise RuntimeError(f"the tests of {self.module} fail without any fault:\n{copy.output}")
            took = time.monotonic() - begun
        sys.dont_write_bytecode = True
        # Load may slow a run down a few times; a longer run is an endless loop.
        self.limit = 10 + 5 * took
        return took

    def run(self, faults: Iterable[Fault]) -> Iterator[tuple[Fault, Verdict]]:
        """Try each fault; yields the verdicts in order of completion."""
        pending = iter(faults)
        free, busy = list(self.copies), list[Copy]()
        while True:
            while free and (fault := next(pending, None)) is not None:
                copy = free.pop()
                self._start(copy, fault)
                busy.append(copy)
            if not busy:
                return
            for copy in list(busy):
                verdict = _verdict(copy)
                if verdict is not None and copy.fault is not None:
                    busy.remove(copy)
                    free.append(copy)
                    (copy.root / self.module).write_bytes(copy.original)
                    yield copy.fault, verdict
            time.sleep(LOOK)

    def _start(self, copy: Copy, fault: Fault) -> None:
        path = copy.root / self.module
        copy.original, copy.fault = path.read_bytes(), fault
        path.write_text(fault.text, encoding="utf-8")
        # Python detects stale byte code by the second and the size, which is too coarse here.
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            stale.unlink()
        copy.start(self.tests, self.limit)


def _verdict(copy: Copy) -> Verdict | None:
    status = copy.ended()
    if status is None:
        if time.monotonic() < copy.until:
            return None
        copy.stop()
        return Verdict.TIMED_OUT
    return Verdict.KILLED if status else Verdict.SURVIVED
