"""The commands with a standard output that is full, closed, or not read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from errno import ENOSPC
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image

from kling_client.cli import main as client
from kling_contracts.cli import main as contracts
from kling_contracts.standard_streams import READER_GONE, open_closed_streams
from kling_mock import Fake
from kling_mock.cli import main as mock

Main = Callable[[Sequence[str]], int]
FULL = "standard output: No space left on device\nhelp: kling-mock help file\n"
HELP = ["help", "troubleshooting"]


@pytest.fixture(name="create")
def create_of_two_pictures(tmp_path: Path) -> list[str]:
    buffer = BytesIO()
    Image.new("1", (300, 300)).save(buffer, "png")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    return ["generate", str(tmp_path / "a.png"), str(tmp_path / "a.png"), "--no-wait"]


def unread_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_output(kling: Fake, create: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The message names standard output; a client names the task, which is paid for."""
    rows: list[tuple[Main, list[str], int, str]] = [
        (mock, HELP, 1, f"kling-mock: {FULL}"),
        (contracts, ["openapi"], 4, f"kling-contracts: {FULL}"),
        (client, create, 4, f"kling-client: {FULL}resume with:\n  kling-client wait "),
        *[
            (main, [option], status, f"{name}: {FULL}")
            for main, status, name in (
                (mock, 1, "kling-mock"),
                (contracts, 4, "kling-contracts"),
                (client, 4, "kling-client"),
            )
            for option in ("--help", "--version")
        ],
    ]
    for main, words, status, message in rows:
        with Path("/dev/full").open("w", encoding="utf-8") as full, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", full)
            assert main(words) == status
            full.write("discarded, such as the last flush of the interpreter")
        assert capsys.readouterr().err.startswith(message)
    assert kling.task.id


def test_an_output_that_is_not_read(
    kling: Fake, create: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As a program that SIGPIPE ends; a client names the task."""
    rows: list[tuple[Main, list[str], int]] = [
        (mock, HELP, READER_GONE),
        (contracts, ["openapi"], 0),
        (client, create, READER_GONE),
        *[
            (main, [option], status)
            for main, status in ((mock, READER_GONE), (contracts, 0), (client, READER_GONE))
            for option in ("--help", "--version")
        ],
    ]
    for main, words, status in rows:
        with os.fdopen(unread_pipe(), "w") as pipe, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", pipe)
            assert main(words) == status
    assert capsys.readouterr().err == f"resume with:\n  kling-client wait {kling.task.id} --out .\n"


def test_streams_that_are_opened_are_those_of_child_processes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the sockets of `serve --workers` get their descriptors."""
    opened: list[int] = []
    open_file = os.open

    def noted(path: str, flags: int) -> int:
        opened.append(open_file(path, flags))
        return opened[-1]

    def closed(_: int) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", closed)
        patch.setattr(os, "open", noted)
        open_closed_streams()
    inherited = [os.get_inheritable(each) for each in opened]
    for each in opened:
        os.close(each)
    assert inherited == [True] * 3


def test_a_closed_output(kling: Fake, create: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Python has None in its place."""
    rows: list[tuple[Main, list[str]]] = [(mock, HELP), (contracts, ["openapi"]), (client, create)]
    for main, words in rows:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", None)
            assert main(words) == 0
            sys.stdout.close()
    assert capsys.readouterr().err == ""
    assert kling.task.id


def test_wrong_usage_with_an_output_that_is_full_and_not_buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to it, so its state does not change the exit status."""

    class FullOutput(StringIO):
        def write(self, _: str) -> int:
            raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", FullOutput())
    with pytest.raises(SystemExit) as exited:
        mock(["serv"])
    assert exited.value.code == 2
