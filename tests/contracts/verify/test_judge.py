"""The command `judge`: recordings, complete, cut off or damaged, and exit statuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest

from kling_contracts.cli import main
from kling_contracts.registry import SUITE, judge_recording
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.plan import Options
from kling_contracts.verify.recorder import Recorder
from kling_contracts.verify.report import Report
from kling_contracts.verify.runner import Progress, run
from kling_mock import Fake

KEY = "sk-one-secret-0001"


def record(path: Path, *only: str, progress: Progress | None = None) -> Report:
    """Verify a fake in process, and record it at `path`."""
    fake = Fake(keys=[KEY], pace="instant")
    return run(
        Options(base_url="http://127.0.0.1:9", api_key=KEY, only=only),
        SUITE,
        transport=fake.transport(),
        run_id="r1",
        recorder=Recorder(path),
        progress=progress,
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    path = tmp_path_factory.mktemp("recording") / "run.jsonl"
    return record(path, "refuses.prompt.*", "malformed_bodies.*"), path


def test_a_recording_gives_the_same_verdicts(recorded: tuple[Report, Path]) -> None:
    report, path = recorded
    judged = judge_recording(path)
    assert judged.results == report.results
    assert judged.evidence == report.evidence
    assert (judged.run_info.images, judged.run_info.mock, judged.plan != ()) == (
        report.run_info.images,
        report.run_info.mock,
        True,
    )


@pytest.mark.parametrize(
    ("mutate", "expected"),
    [
        (lambda lines: [*lines[:4], lines[4][:30], *lines[5:]], "line 5: not a JSON document"),
        (lambda lines: [*lines[:3], *lines[4:]], "earlier lines are missing: exchange 2 expected, got 3"),
        (lambda lines: ["hello"], "line 1: not a recording"),
        (lambda lines: ["{}"], "line 1: not a recording"),
        (lambda lines: [], "line 1: not a recording"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 2'), *lines[1:]], "expected, got 2"),
        (lambda lines: [*lines[:-2], lines[-1]], "lines are missing"),
        (lambda lines: [lines[0], '{"end": {}}'], "the summary lacks a field"),
        (
            lambda lines: ['{"format": "kling-contracts recording", "version": 1, "gateway": "kling"}'],
            "header",
        ),
        (lambda lines: [lines[0], '{"exchange": {}}', lines[-1]], "line 2: a field is missing"),
        (lambda lines: [lines[0], '{"other": {}}', lines[-1]], "line 2: neither an exchange"),
    ],
)
def test_a_damaged_recording_is_refused(
    mutate: object,
    expected: str,
    recorded: tuple[Report, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert callable(mutate)
    damaged = tmp_path / "damaged"
    lines: list[str] = mutate(recorded[1].read_text(encoding="utf-8").splitlines())
    damaged.write_text("\n".join(lines), encoding="utf-8")
    assert main(["judge", str(damaged)]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (lambda text: text[: text.rindex("\n", 0, -1) + 1], "ends early, after line {whole}"),
        (lambda text: text[: text.rindex("\n", 0, -1) + 9], "; line {next} is cut off and was ignored"),
        (lambda text: text[: text.index("\n") + 1], "ends early, after line 1"),
    ],
)
def test_an_incomplete_recording_of_a_killed_run_is_judged(
    cut: Callable[[str], str],
    expected: str,
    recorded: tuple[Report, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = cut(recorded[1].read_text(encoding="utf-8"))
    whole = left.count("\n")
    path = tmp_path / "killed"
    path.write_text(left, encoding="utf-8")
    assert main(["judge", str(path)]) == 4
    shown = capsys.readouterr().out
    assert shown.startswith("interrupted: ")
    assert expected.format(whole=whole, next=whole + 1) in shown


class Killed(Progress):
    """Judges a recording while it is written, and stores the number of exchanges that it lacks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: list[int] = []

    def seen(self, evidence: Evidence) -> None:
        if self._path.exists():
            judged = judge_recording(self._path)
            self.lines.append(len(judged.evidence.exchanges) - len(evidence.exchanges))


def test_a_recording_is_whole_at_any_time(tmp_path: Path) -> None:
    """Except for the exchange that is being reported."""
    progress = Killed(tmp_path / "live")
    record(tmp_path / "live", "routing.unknown_ids", progress=progress)
    assert set(progress.lines) == {-1, 0}
    assert len(progress.lines) > 5


def test_deviations_may_be_about_any_operation(
    recorded: tuple[Report, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file serves the runs of several operations."""
    known = tmp_path / "known.toml"
    known.write_text('[[deviation]]\ncheck = "refuses.resolution.enum"\nreason = "r"\nexpires = 2099-01-01\n')
    assert main(["judge", str(recorded[1]), "--known", str(known)]) == 0
    assert "refuses.resolution.enum" in capsys.readouterr().out


def test_a_recording_is_not_replaced_by_a_report_on_it(
    recorded: tuple[Report, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = recorded[1].read_bytes()
    assert main(["judge", str(recorded[1]), "--report", f"html={recorded[1]}"]) == 2
    assert "must not replace the recording" in capsys.readouterr().err
    assert recorded[1].read_bytes() == before


def test_a_deviation_with_an_unknown_check_is_refused(
    recorded: tuple[Report, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "known.toml"
    known.write_text('[[deviation]]\ncheck = "responses.jsn"\nreason = "r"\nexpires = 2099-01-01\n')
    assert main(["judge", str(recorded[1]), "--known", str(known)]) == 2
    assert "unknown check 'responses.jsn'; did you mean 'responses.json'" in capsys.readouterr().err


@pytest.fixture
def failed(recorded: tuple[Report, Path], tmp_path: Path) -> Path:
    """The recording with successful answers to the invalid requests."""
    changed = tmp_path / "run.jsonl"
    text = recorded[1].read_text(encoding="utf-8")
    changed.write_text(
        text.replace('"status": 400', '"status": 200').replace(":1201,", ":0,"), encoding="utf-8"
    )
    return changed


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("status", [0, 1])
def test_a_closed_pipe_does_not_change_the_exit_status(
    flags: list[str],
    status: int,
    request: pytest.FixtureRequest,
    closed_pipe: TextIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`| head -1` under `pipefail` gives the status of the verdict."""
    path = request.getfixturevalue("failed") if status else request.getfixturevalue("recorded")[1]
    monkeypatch.setattr(sys, "stdout", closed_pipe)
    assert main(["judge", str(path), *flags]) == status


def test_the_process_has_the_status_and_no_http(failed: Path, closed_pipe: TextIO) -> None:
    """The same in a process, whose last flush must not fail; it loads neither httpx nor rich."""
    code = f"""import sys
from kling_contracts.cli import main
status = main(["judge", {str(failed)!r}, "--json"])
print([name for name in ("httpx", "rich") if name in sys.modules], file=sys.stderr)
sys.exit(status)"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=closed_pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"[]\n")


def test_an_internal_error_is_not_a_failed_check(
    recorded: tuple[Report, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1 would report a failed check."""

    def mistaken(*_: object, **__: object) -> None:
        raise LookupError("ours")

    monkeypatch.setattr("kling_contracts.registry.judge_recording", mistaken)
    assert main(["judge", str(recorded[1])]) == 4
    shown = capsys.readouterr().err
    assert shown.startswith(
        "kling-contracts: an internal error occurred; it is not a finding about the server\n"
        "help: kling-mock help internal-error\nTraceback"
    )
    assert "LookupError: ours" in shown


def test_an_interrupted_command_is_no_traceback(
    recorded: tuple[Report, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kling_contracts.registry.judge_recording", interrupted)
    assert main(["judge", str(recorded[1])]) == 4
    message = capsys.readouterr().err.partition("\n")[0]
    assert message == "kling-contracts: interrupted; a report was not written"
