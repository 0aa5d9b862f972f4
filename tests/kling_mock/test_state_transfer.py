"""The commands `export` and `import`, with servers and state files."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kling_mock import Fake, ManualClock
from kling_mock.cli import main
from kling_mock.stores import StateNotKept
from kling_mock.stores.lines import parse
from kling_mock.stores.state_file import StateFile, StateFileRefused
from tests.kling_mock.fakes_with_past import LINES, fake_with_past, past

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(params=["memory", "file"])
def fake(request: pytest.FixtureRequest, folder: Path) -> Iterator[Fake]:
    """A fake with a past, in memory and in a file."""
    with fake_with_past(None if request.param == "memory" else folder / "own.db") as fake:
        yield fake


def run(*words: object) -> int:
    return main([str(word) for word in words])


def test_state_moves_through_a_server_and_a_file(
    fake: Fake, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, target = folder / "x.jsonl", folder / "target.db"
    with fake.serve() as server:
        assert run("export", lines, "--url", server.url) == 0
        assert run("import", lines, "--url", server.url) == 2
        assert run("import", lines, "--url", server.url, "--replace", "--json") == 0
    out, errors = capsys.readouterr()
    first, second = out.splitlines()
    assert first == f"2 tasks and 2 calls exported to {lines}"
    assert json.loads(second) == {"file": str(lines), "items": second_items(lines), "tasks": 2, "calls": 2}
    assert "status 409: there are tasks or scripts already; replace them (--replace" in errors
    assert run("import", lines, "--state", target) == 0
    assert run("import", lines, "--state", target) == 2
    assert "there are tasks or scripts already" in capsys.readouterr().err
    assert run("export", folder / "y.jsonl", "--state", target) == 0
    assert parse((folder / "y.jsonl").read_bytes()) == parse(lines.read_bytes())
    with Fake(state=target, clock=ManualClock(), seed=4, unused_scripts="ignore") as again:
        assert past(again) == past(fake)


def test_a_hyphen_is_standard_output_and_input(
    folder: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_with_past(folder / "a.db"):
        pass
    assert run("export", "-", "--state", folder / "a.db") == 0
    out, errors = capsysbinary.readouterr()
    assert errors == b"2 tasks and 2 calls exported to -\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out)))
    assert run("import", "-", "--state", folder / "b.db") == 0
    assert capsysbinary.readouterr() == (b"2 tasks and 2 calls imported from -\n", b"")


def second_items(path: Path) -> int:
    return len(path.read_bytes().splitlines()) - 2


def errors_of_commands() -> dict[str, tuple[Callable[[Path], list[object]], int, str]]:
    return {
        "a token that cannot be sent": (
            lambda folder: ["export", folder / "x", "--control-token", "a-token\n"],
            2,
            "kling-mock: --control-token must be at least 8 visible ASCII characters, or none",
        ),
        "a cut file": (
            lambda at: ["import", _written(at / "x", LINES[:-9]), "--state", at / "a.db"],
            2,
            "x: it is incomplete",
        ),
        "no file to import": (lambda at: ["import", at / "x", "--state", at / "a.db"], 1, "No such file"),
        "no state file": (
            lambda at: ["export", at / "x", "--state", at / "a.db"],
            2,
            "a.db: it does not exist",
        ),
        "no server": (
            lambda at: ["export", at / "x", "--url", "http://127.0.0.1:9"],
            1,
            "start the server, or use --state FILE",
        ),
        "no URL": (
            lambda at: ["export", at / "x", "--url", "127.0.0.1:8000"],
            2,
            "--url must be an absolute http(s) URL, not '127.0.0.1:8000'",
        ),
    }


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("words", "status", "message"), errors_of_commands().values(), ids=errors_of_commands()
)
def test_a_command_that_fails_changes_nothing(
    words: Callable[[Path], list[object]],
    status: int,
    message: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*words(folder)) == status
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 2
    assert not (folder / "a.db").exists()


def test_an_import_on_a_full_disk_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise StateNotKept("the disk is full; free some space")

    Fake(state=folder / "a.db").close()
    monkeypatch.setattr(StateFile, "replace", full)
    assert run("import", _written(folder / "x", LINES), "--state", folder / "a.db") == 2
    assert capsys.readouterr().err.splitlines() == [
        "kling-mock: the disk is full; free some space",
        "help: kling-mock help state",
    ]


def test_another_server_is_not_exported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = httpx.Client

    def answered(**options: Any) -> httpx.Client:
        return client(transport=httpx.MockTransport(lambda _: httpx.Response(404, text="<html>")), **options)

    monkeypatch.setattr(httpx, "Client", answered)
    assert run("export", folder / "x") == 2
    assert not (folder / "x").exists()


def test_a_state_file_in_use_is_not_exported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Fake(state=folder / "a.db"):
        assert run("export", folder / "x", "--state", folder / "a.db") == 2
        with pytest.raises(StateFileRefused):
            Fake(state=folder / "a.db")
    assert "this process uses it already" in capsys.readouterr().err


class Terminal(io.StringIO):
    """Standard error that is a terminal, or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_only_on_a_terminal(
    is_terminal: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fake(state=folder / "a.db").close()
    errors = Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", errors)
    monkeypatch.setenv("TERM", "xterm")
    assert run("export", folder / "x", "--state", folder / "a.db") == 0
    assert run("import", folder / "x", "--state", folder / "a.db", "--replace") == 0
    shown = [word for word in ("reading", "checking") if word in errors.getvalue()]
    assert shown == (["reading", "checking"] if is_terminal else [])
    assert bool(errors.getvalue()) is is_terminal
