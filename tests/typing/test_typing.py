"""Public signatures, as two type checkers see them: what must pass does, and what must fail is reported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PACKAGES = ("kling_contracts", "kling_client", "kling_mock")

PASSES = sorted(HERE.glob("passes_*.py"))
FAILS = sorted(HERE.glob("fails_*.py"))

MARK = re.compile(r"  # error: ([a-z-]+)$")
MYPY_LINE = re.compile(r"(?P<file>[^:]+):(?P<line>\d+): error: .*  \[(?P<code>[a-z-]+)\]")

# What is reported: a file's name and a line, and what mypy calls the error.
Findings = Mapping[tuple[str, int], str]


def expected() -> Findings:
    """The marked lines of all files, those that must pass included: they have none."""
    found: dict[tuple[str, int], str] = {}
    for file in (*PASSES, *FAILS):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            mark = MARK.search(line)
            if mark:
                found[file.name, number] = mark[1]
    return found


def test_the_marks_are_found() -> None:
    """Counterexample: there are files of both kinds, many marks in the one, none in the other."""
    files = {file for file, _ in expected()}
    assert files == {file.name for file in FAILS}
    assert len(PASSES) == len(PACKAGES)
    assert len(expected()) > 80


def test_mypy_reports_the_marked_lines_and_no_others() -> None:
    """In strict mode, each with the code that the mark names.

    With the cache of `make types`, which has checked the same packages: without it, this takes 12 seconds.
    """
    arguments = ["--strict", "--no-error-summary", "--show-error-codes", "--no-pretty", "--no-color-output"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")),
            *(*arguments, "--hide-error-context"),
            *map(str, (*PASSES, *FAILS)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    lines = [line for line in done.stdout.splitlines() if ": note: " not in line]
    matches = [MYPY_LINE.fullmatch(line) for line in lines]
    assert all(matches), done.stdout + done.stderr
    found = {(Path(match["file"]).name, int(match["line"])): match["code"] for match in matches if match}
    assert found == expected()


def test_pyright_reports_the_marked_lines_and_no_others(tmp_path: Path) -> None:
    """Strict on the files that must pass. On copies: its configuration has to lie beside them."""
    for file in (*PASSES, *FAILS):
        shutil.copy(file, tmp_path)
    config = {"include": ["."], "typeCheckingMode": "standard", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pyright", "--outputjson"),
            *("--project", str(tmp_path), "--pythonpath", sys.executable),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(PASSES) + len(FAILS), done.stderr
    found = {
        (Path(each["file"]).name, each["range"]["start"]["line"] + 1): each["message"]
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    }
    wanted = expected().keys()
    assert {place: found[place] for place in found.keys() - wanted} == {}, "reported without a mark"
    assert wanted - found.keys() == set(), "marked and not reported"


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_that_it_is_typed(package: str) -> None:
    """PEP 561: the file is in the package, and the wheel takes the package as a whole."""
    assert resources.files(package).joinpath("py.typed").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert package in [Path(folder).name for folder in folders]
    assert "Typing :: Typed" in project["project"]["classifiers"]
