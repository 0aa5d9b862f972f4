"""The commands with valid and invalid arguments, in this process: output, messages and exit status."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from kling_client.errors import AuthError
from kling_mock import Fake, __version__
from kling_mock.cli import main
from kling_mock.console import Console
from kling_mock.doors import server
from kling_mock.doors.listening import bind
from kling_mock.ready_file import ReadyFile


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        status = main(words)
    except SystemExit as exit_:
        status = int(str(exit_.code))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, error = run(capsys, "serve", "--port", str(port))
    assert status == 1
    assert f"port {port} on 127.0.0.1 is in use" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("serve", "--pace", "fast"), "--pace 'fast': unknown format; use instant, polls:N, seconds:A,B"),
        (("serve", "--pace", "polls:0"), "--pace 'polls:0': polls must be an integer of at least 1, not 0"),
        (("serve", "--seed", "x"), "--seed must be an integer, not 'x'"),
        (("serve", "--ignore", "prompt.length"), "--ignore: unknown rule 'prompt.length'; did you mean"),
        (("serve", "--validation-errors", "json"), "--validation-errors must be kling, task or comet, not"),
        (("serve", "--slots", "-1"), "--slots must be 0 or more, or none for no limit; got -1"),
        (("serve", "--callbacks", "all"), "--callbacks must be off, loopback or any, not 'all'"),
        (("serve", "--callback-retries", "soon"), "--callback-retries must be a list of numbers (seconds)"),
        (("serve", "--ready-file", "/absent/file"), "--ready-file: folder /absent does not exist"),
        (("serve", "--port", "x"), "invalid int value"),
        (("serve", "--prot", "1"), "kling-mock: unknown option '--prot'; did you mean '--port'"),
        (("serve", "--log", "jsn"), "kling-mock: argument --log: unknown value 'jsn'; did you mean 'json'?"),
        (("serve", "8000"), "unexpected argument '8000'"),
        (("demo", "--speed", "0"), "positive"),
        (("server",), "kling-mock: unknown command 'server'; did you mean 'serve'?"),
        (("demo", "--sped", "2"), "did you mean '--speed'?"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    """Invalid arguments exit with status 2 and a message that names the argument and the valid values."""
    status, _, error = run(capsys, *words)
    assert status == 2
    assert message in error


def test_the_help_groups_the_flags_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "serve", "--help")
    assert status == 0
    for text in (
        "accounts and limits:",
        "callbacks:",
        "--slots N",
        "--callbacks off|loopback|any",
        "examples:",
    ):
        assert text in out
    assert run(capsys, "--version") == (0, f"kling-mock {__version__}\n", "")


@pytest.mark.parametrize("command", [(), ("serve",), ("demo",), ("check",), ("export",), ("import",)])
def test_the_help_fits_a_terminal(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 80 columns, also the examples, which argparse does not wrap."""
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, *command, "--help")
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys)
    assert status == 2
    assert "serve" in out


def test_a_port_out_of_range(capsys: pytest.CaptureFixture[str]) -> None:
    message, link, end = run(capsys, "serve", "--port", "70000")[2].split("\n")
    assert message == "kling-mock: port: must be from 0 to 65535, not 70000"
    assert (link, end) == ("help: kling-mock help address", "")


def test_the_demo_saves_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """From two picture files to a PNG of the requested ratio; every status is printed."""
    status, out, _ = run(capsys, "demo", "--speed", "500", "--out", str(tmp_path))
    assert status == 0
    assert "cat.png, boat.png" in out
    assert out.index("submitted") < out.index("succeed") < out.index("saved")
    (saved,) = tmp_path.iterdir()
    assert saved.name in out
    with Image.open(saved) as picture:
        assert picture.size == (1248, 832)


def test_the_demo_with_given_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, side in (("good.png", 300), ("small.png", 200)):
        Image.new("RGB", (side, side)).save(tmp_path / name)
    good, small, none = (str(tmp_path / name) for name in ("good.png", "small.png", "none.png"))
    out = str(tmp_path / "out")
    assert run(capsys, "demo", good, good, "--speed", "500", "--out", out)[0] == 0
    status, _, error = run(capsys, "demo", good, small, "--speed", "500", "--out", out)
    assert status == 2
    assert "at least 300 px on each side; it is 200 x 200" in error
    assert error.endswith(" invalid-request\n")
    status, _, error = run(capsys, "demo", good, none, "--out", out)
    assert status == 1
    assert error.splitlines() == [
        f"kling-mock: {none}: No such file or directory",
        "help: kling-mock help file",
    ]


def test_the_demo_checks_its_folder_before_it_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert run(capsys, "demo", "--out", str(tmp_path / "file")) == (
        1,
        "",
        f"kling-mock: {tmp_path / 'file'}: Not a directory\nhelp: kling-mock help file\n",
    )
    assert run(capsys, "demo", "--speed", "0", "--out", str(tmp_path / "new"))[0] == 2
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr("os.access", lambda *_: False)  # the tests may run as root
    assert run(capsys, "demo", "--out", str(tmp_path))[2].startswith(
        f"kling-mock: {tmp_path}: Permission denied\n"
    )


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "kling-mock: interrupted\n"),
        (AuthError(401, "", "no"), 1, "kling-mock: HTTP 401: no; check the key, and that it belongs to"),
        (OSError(28, "the disk is full"), 1, "kling-mock: the disk is full\nhelp: kling-mock help file\n"),
    ],
)
def test_errors_and_interruptions_have_no_traceback(
    error: BaseException,
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("kling_mock.demo.run_demo", fail)
    found, out, err = run(capsys, "demo")
    assert (found, out) == (status, "")
    assert err.startswith(message)


def test_a_second_interruption_ends_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the server has stopped, while the numbers of tasks are counted."""

    def interrupted(_: Console) -> None:
        raise KeyboardInterrupt

    def stopped(_: object, listening: socket.socket, *__: object, **___: object) -> None:
        listening.close()

    monkeypatch.setattr("kling_mock.doors.server.serve_until_interrupted", stopped)
    monkeypatch.setattr(Console, "show_end", interrupted)
    assert run(capsys, "serve", "--port", "0") == (0, "", "")


def test_a_ready_file_that_cannot_be_written_is_logged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stopped(
        _: object, listening: socket.socket, announce: Callable[[], None], *__: object, **___: object
    ) -> None:
        announce()
        listening.close()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", ".part")

    monkeypatch.setattr("kling_mock.doors.server.serve_until_interrupted", stopped)
    monkeypatch.setattr(ReadyFile, "write", full)
    path = tmp_path / "ready.json"
    status, out, _ = run(capsys, "serve", "--port", "0", "--ready-file", str(path))
    assert status == 0
    message = f"--ready-file: {path}: not written: No space left on device\nhelp: kling-mock help "
    assert message in out


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no such signal")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_stops_the_server(monkeypatch: pytest.MonkeyPatch, *, ignored: bool) -> None:
    """SIGHUP has the effect of SIGTERM, so that the ready file is removed; under `nohup` it has none."""
    reached: list[str] = []

    def serve(_: object, __: object) -> None:
        signal.raise_signal(signal.SIGHUP)
        reached.append("still serving")

    monkeypatch.setattr(server._Lifecycle, "run", serve)
    before = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        server.serve_until_interrupted(Fake().asgi(), bind("127.0.0.1", 0), lambda: None)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert reached == (["still serving"] if ignored else [])
