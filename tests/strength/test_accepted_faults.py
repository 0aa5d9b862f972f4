"""The list of faults that change nothing: entries survive moved lines, and say why."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mutants.accepted import Change, Equivalent, accepting, read_accepted

ROOT = Path(__file__).parents[2]
SOURCE = "a = 1\n\n\ndef f(n):\n    return n < 3  # three\n"
FAULTY = SOURCE.replace("n < 3", "n <=  3")
ENTRY = Equivalent("m.py", "f", "return n < 3 # three", ("return n <= 3 # three",), "a reason")


def change(source: str = SOURCE, text: str = FAULTY, where: str = "f") -> Change:
    return Change.between("m.py", where, source, text)


def test_an_entry_survives_moved_lines_and_other_blanks() -> None:
    assert ENTRY.accepts(change())
    assert ENTRY.accepts(change("import os\n\n" + SOURCE, "import os\n\n" + FAULTY))


@pytest.mark.parametrize(
    "other",
    [
        change(where="g"),
        change(text=SOURCE.replace("n < 3", "n > 3")),
        change(SOURCE.replace("three", "3"), FAULTY.replace("three", "3")),
    ],
)
def test_another_place_fault_or_line_is_not_accepted(other: Change) -> None:
    assert accepting([ENTRY], other) is None


def test_every_entry_is_about_a_line_that_is_there() -> None:
    """A cheap look between two runs of `make mutants`, which tells the rest."""
    modules = tomllib.loads((ROOT / "mutants" / "plan.toml").read_text(encoding="utf-8"))["modules"]
    entries = read_accepted(ROOT / "mutants" / "equivalent.toml")
    assert len(entries) > 10
    for entry in entries:
        assert entry.module in modules
        lines = (ROOT / entry.module).read_text(encoding="utf-8").splitlines()
        assert entry.before in {" ".join(line.split()) for line in lines}, str(entry)
        assert len(entry.reason.split()) > 3


def test_the_plan_names_modules_and_tests_that_are_there() -> None:
    plan = tomllib.loads((ROOT / "mutants" / "plan.toml").read_text(encoding="utf-8"))
    for module, row in plan["modules"].items():
        assert (ROOT / module).exists()
        assert [name for name in row["tests"] if not (ROOT / "tests" / name).exists()] == []
    assert all(row["reason"] for row in plan["excluded"])


@pytest.mark.parametrize(
    "text",
    [
        '[[equivalent]]\nmodule = "m.py"',
        '[[equivalent]]\nmodule="m"\nwhere=""\nbefore="a"\nafter="b"\nreason=""',
        '[[equivalent]]\nmodule="m"\nwhere=""\nbefore="a"\nafter="b"\nreason="c"\nline=3',
    ],
)
def test_an_entry_without_a_reason_or_a_part_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "equivalent.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="entry 1 needs module, where, before, after and a reason"):
        read_accepted(path)
