"""Output of the command: one JSON object, lines for a pipe, colours and columns for a terminal."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from kling_client import console
from kling_client.cli import main
from kling_contracts.standard_streams import READER_GONE
from kling_mock import Fake
from tests.kling_client.command import AT_ONCE, KEY, KLING, create, interrupt, lines

pytestmark = [AT_ONCE, pytest.mark.usefixtures("workdir")]


KEYS = {
    "task_id", "external_task_id", "status", "images", "failure", "request_id", "timings", "files", "error",
    "resume",
}  # fmt: skip


# --- JSON -------------------------------------------------------------------------------------------------


def result(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Parse the only line of stdout, a JSON object that always has the same keys."""
    (line,) = capsys.readouterr().out.splitlines()
    shown: dict[str, Any] = json.loads(line)
    assert shown.keys() == KEYS
    assert shown["timings"].keys() == {"created_at", "updated_at", "waited_seconds"}
    return shown


def test_json_of_a_success(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(create("--json", "--out", "dir")) == 0
    shown = result(capsys)
    assert (shown["task_id"], shown["status"], shown["error"]) == (kling.task.id, "succeed", None)
    assert shown["files"] == [f"dir/{kling.task.id}-0.png"]
    assert shown["images"][0]["index"] == 0
    assert shown["images"][0]["url"].startswith("https://")
    assert shown["timings"]["waited_seconds"] >= 1


def test_json_of_every_other_end(
    kling: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kling.next.fails("Image pixel is invalid")
    assert main(create("--json")) == 1
    shown = result(capsys)
    assert (shown["failure"], shown["error"]["kind"]) == ("Image pixel is invalid", "TaskFailed")
    assert main(["generate", "a.png", "--n", "10", "--json"]) == 2
    shown = result(capsys)
    assert (shown["task_id"], len(shown["error"]["violations"])) == (None, 2)
    kling.next.holds()
    assert main(create("--json", "--deadline", "3")) == 3
    shown = result(capsys)
    assert (shown["status"], shown["error"]["kind"]) == ("processing", "WaitTimeout")
    assert shown["resume"] == f"kling-client wait {shown['task_id']} --out ."
    assert main(["get", "1", "--json"]) == 4
    assert result(capsys)["error"]["kind"] == "NotFound"
    monkeypatch.setattr("time.sleep", interrupt)
    assert main(create("--json")) == 130
    assert "kling-client wait" in result(capsys)["resume"]


# --- terminals --------------------------------------------------------------------------------------------


class Tty(io.StringIO):
    encoding = "utf-8"  # a StringIO has none

    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> tuple[Tty, Tty]:
    """Replace both streams by terminals. Not a fixture: pytest replaces the streams after set-up."""
    out, err = Tty(), Tty()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    return out, err


COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_terminal_gets_a_line_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    tty = use_terminal(monkeypatch)
    assert main(create()) == 0
    out, err = (each.getvalue() for each in tty)
    assert "waiting" in err
    assert "\x1b[" in err
    assert "after" not in err
    assert [fact[0] for fact in lines(out)] == ["task", "status", "file"], "stdout has the same facts"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    tty = use_terminal(monkeypatch)
    assert main(create()) == 0
    assert COLOUR.search(tty[1].getvalue())
    monkeypatch.setenv("NO_COLOR", "1")
    tty = use_terminal(monkeypatch)
    assert main(create()) == 0
    assert not COLOUR.search(tty[1].getvalue())


def test_a_terminal_that_cannot_move_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    tty = use_terminal(monkeypatch)
    assert main(create()) == 0
    assert "\x1b" not in tty[1].getvalue()
    assert "processing after" in tty[1].getvalue()


@pytest.mark.parametrize("force", ["FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"])
def test_a_pipe_gets_no_escapes_whatever_is_forced(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, force: str
) -> None:
    monkeypatch.setenv(force, "1")
    assert main(create()) == 0
    assert "\x1b" not in "".join(capsys.readouterr())


def test_a_narrow_terminal_breaks_between_words_and_commands_can_be_copied(
    kling: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_width", lambda _: 40)
    tty = use_terminal(monkeypatch)
    kling.next.holds()
    assert main(create("--deadline", "3", "--out", "my dir")) == 3
    report = tty[1].getvalue().partition("kling-client: ")[2]
    assert all(len(line) <= 40 for line in report.splitlines())
    command = shlex.split(report.partition("resume with:\n")[2].replace("\\\n", " "))
    assert command == ["kling-client", "wait", kling.task.id, "--out", "my dir"]


@pytest.mark.parametrize("width", [40, 80])
def test_a_list_on_a_terminal_has_columns_that_fit(
    kling: Fake, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("KLING_API_KEY", KEY)
    monkeypatch.setattr(console, "_width", lambda _: width)
    assert main(create("--no-wait", "--external-id", "x" * 100, *KLING)) == 0
    tty = use_terminal(monkeypatch)
    assert main(["list", *KLING]) == 0
    shown = tty[0].getvalue().strip()
    assert shown.split()[:2] == [kling.task.id, "submitted"]
    assert len(shown) <= width


@pytest.mark.parametrize("columns", ["40", "120"])
@pytest.mark.parametrize("command", [[], ["generate"], ["get"], ["wait"], ["list"]])
def test_help_fits_any_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, command: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(len(line) <= int(columns) for line in out.splitlines())


def test_the_help_documents_exit_statuses_and_environment_variables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for name in (
        "COMETAPI_KEY",
        "KLING_ACCESS_KEY",
        "KLING_SECRET_KEY",
        "KLING_BASE_URL",
        "environment only",
    ):
        assert name in out
    for status in (
        "0 done",
        "1 the task failed",
        "2 wrong usage",
        "3 the deadline",
        "4 refused",
        "130 inter",
    ):
        assert f"  {status}" in out


def test_text_that_an_encoding_lacks_is_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del capsys
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    assert main(["generate", "a.png", "b.png", "--prompt", "é 🙂", "--dry-run"]) == 0
    stream.seek(0)
    assert r"\xe9 \U0001f642" in stream.read()


def test_a_closed_stdout_causes_no_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Gone(io.StringIO):
        encoding = "utf-8"  # a StringIO has none

        def write(self, _: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            return descriptor

    descriptor = os.open(tmp_path / "stdout", os.O_CREAT | os.O_WRONLY)
    monkeypatch.setattr("sys.stdout", Gone())
    try:
        assert main(create("--dry-run")) == READER_GONE
    finally:
        os.close(descriptor)


# --- streams that cannot be written -----------------------------------------------------------------------


class FullDisk(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_standard_error_loses_no_fact(
    kling: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", FullDisk())
        assert main(create("--out", "dir")) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"task {kling.task.id}"
