"""The checks of `kling-mock doctor`, and the report of their findings as text or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from kling_contracts.redaction import escape_controls
from kling_mock import __version__
from kling_mock.doctor import packages, surroundings
from kling_mock.doctor.findings import Finding, Machine, Status
from kling_mock.suggestions import counted

MachineCheck = Callable[[Machine], Iterator[Finding]]

CHECKS: Final[tuple[MachineCheck, ...]] = (
    packages.check_python,
    packages.check_packages,
    packages.check_dependencies,
    packages.check_libraries,
    packages.check_plugin,
    surroundings.check_proxies,
    surroundings.check_keys,
    surroundings.check_other_keys,
    surroundings.check_port,
    surroundings.check_fonts,
    surroundings.check_folder,
    surroundings.check_clock,
)

_COLOURS: Final[dict[Status, str]] = {"ok": "\x1b[32m", "note": "\x1b[33m", "problem": "\x1b[31m"}


def run_checks(machine: Machine) -> list[Finding]:
    """The findings of all checks, in their order."""
    return [each for check in CHECKS for each in run_check(check, machine)]


def run_check(check: MachineCheck, machine: Machine) -> list[Finding]:
    """The findings of a check. An exception is one as well, without its message, which may have secrets."""
    try:
        return list(check(machine))
    except Exception as error:  # noqa: BLE001 -- one broken check must not hide the others
        name = check.__name__.removeprefix("check_")
        text = f"an internal error occurred: {type(error).__name__}"
        return [Finding(name, "problem", text, "report it with the rest of this output")]


def report_text(findings: list[Finding], *, colours: bool) -> str:
    """The report as lines: status, check, text, and the hint on a line of its own."""
    width = max(len(each.check) for each in findings)
    lines: list[str] = []
    for each in findings:
        status = f"{each.status:7}"
        if colours:
            status = f"{_COLOURS[each.status]}{status}\x1b[0m"
        lines.append(f"{status}  {each.check:{width}}  {escape_controls(each.text)}")
        if each.hint:
            lines.append(f"{'':7}  {'':{width}}  -> {escape_controls(each.hint)}")
    problems = sum(each.status == "problem" for each in findings)
    notes = sum(each.status == "note" for each in findings)
    lines.append(f"{counted(problems, 'problem')}, {counted(notes, 'note')}")
    return "\n".join(lines) + "\n"


def report_json(findings: list[Finding]) -> dict[str, object]:
    """The report as plain data."""
    return {
        "version": __version__,
        "problems": sum(each.status == "problem" for each in findings),
        "findings": [
            {"check": each.check, "status": each.status, "text": each.text, "hint": each.hint}
            for each in findings
        ],
    }
