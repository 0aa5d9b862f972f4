"""The command `kling-client`: requests, output, exit statuses and error messages."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from kling_client.cli import main
from kling_contracts.image_files import png
from kling_contracts.operations import validate
from kling_mock import Fake
from tests.kling_client.command import AT_ONCE, KEY, KLING, create, interrupt, lines

pytestmark = [AT_ONCE, pytest.mark.usefixtures("workdir")]


# --- generate ---------------------------------------------------------------------------------------------


def test_generate_waits_and_saves(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """Facts on stdout, one per line; progress on stderr."""
    assert main(create("--aspect-ratio", "3:2", "--n", "2", "--out", "dir")) == 0
    out, err = capsys.readouterr()
    names = [f"dir/{kling.task.id}-{index}.png" for index in range(2)]
    assert lines(out) == [["task", kling.task.id], ["status", "succeed"], *(["file", name] for name in names)]
    assert [line.split(" after ")[0] for line in err.splitlines()] == ["processing", "succeed"]
    assert all(Path(name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert (kling.task.request.aspect_ratio, kling.task.request.prompt) == ("3:2", "the two at sea")


def test_every_option_arrives(kling: Fake) -> None:
    options = "--scene a.png --style https://h/s.png --model kling-v2 --n 1 --callback-url https://h/cb"
    assert main(create(*options.split(), "--external-id", "mine", "--no-wait", "--timeout", "9")) == 0
    request = kling.task.request
    assert [each.field for each in request.pictures][2:] == ["scence_image", "style_image"]
    assert (request.callback_url, request.external_task_id, request.n) == ("https://h/cb", "mine", 1)


def test_the_id_is_shown_before_the_first_wait(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def sleep(_: float) -> None:
        seen.append(capsys.readouterr().out)

    monkeypatch.setattr("time.sleep", sleep)
    assert main(create("--deadline", "5")) == 0
    assert re.fullmatch(r"task \d+\n", seen[0])


def test_no_wait_shows_the_id_and_asks_nothing(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(create("--no-wait")) == 0
    assert capsys.readouterr().out == f"task {kling.task.id}\nstatus submitted\n"
    assert len(kling.calls) == 1


def test_a_failed_task_is_status_1_with_the_reason(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    kling.next.fails("Image pixel is invalid")
    assert main(create()) == 1
    out, err = capsys.readouterr()
    assert lines(out)[1:] == [["status", "failed"]]
    assert f"kling-client: task {kling.task.id} failed: Image pixel is invalid" in err
    assert "resume" not in err


@pytest.mark.parametrize("more", [[], ["--out", "my dir"]])
def test_a_timeout_is_status_3_and_its_resume_command_works(
    kling: Fake, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    kling.next.holds()
    assert main(create("--deadline", "5", *more)) == 3
    out, err = capsys.readouterr()
    assert lines(out)[-1] == ["status", "processing"]
    assert f"task {kling.task.id} has not finished after 5.0 s (status: processing)" in err
    command = shlex.split(err.splitlines()[-1])
    assert command[:3] == ["kling-client", "wait", kling.task.id]
    kling.task.release()
    assert main(command[1:]) == 0
    assert lines(capsys.readouterr().out)[-1][0] == "file"
    assert len(kling.tasks) == 1


def test_an_invalid_request_is_status_2_with_all_violations(
    kling: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "a.png", "--n", "10", "--aspect-ratio", "5:4"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(":")[0].strip() for line in err.splitlines()] == [
        "kling-client", "subject_image_list", "n", "aspect_ratio", "help"
    ]  # fmt: skip
    assert not kling.calls


def test_arguments_are_checked_before_the_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key, each message is about the argument."""
    monkeypatch.delenv("COMETAPI_KEY")
    for words, message in {
        ("generate", "a.png"): "the request is invalid; nothing was sent",
        ("generate", "a.png", "--dry-run"): "the request is invalid; nothing was sent",
        ("generate", "a.png", "b.png", "--out", "a.png"): "--out: must be a folder; a.png is a file",
        ("wait", "1", "--out", "a.png"): "--out: must be a folder; a.png is a file",
        ("get", "1", "--base-url", "host"): "base URL: must be an absolute http(s) URL",
        ("get", "1", "--timeout", "0"): "timeout: must be a finite number > 0",
        ("list",): "CometAPI has no route that lists tasks",
        ("get", "1"): "no API key for CometAPI",
    }.items():
        assert main(list(words)) == 2
        assert capsys.readouterr().err.startswith(f"kling-client: {message}"), words


def test_a_request_is_encoded_and_checked_once(kling: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    check = Mock(wraps=validate)
    monkeypatch.setattr("kling_client.request.validate", check)
    assert main(create("--no-wait")) == 0
    assert check.call_count == len(kling.tasks) == 1


def test_all_files_that_cannot_be_read_are_named(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "a.png", "no.png", "--scene", "nowhere.png", "--style", "nul\0.png"]) == 2
    err = capsys.readouterr().err
    assert all(name in err for name in ("no.png: cannot be read: No such file", "nowhere.png", "nul"))
    assert not kling.calls


def test_an_invalid_image_is_named_by_its_file(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """File and position, because the field alone does not identify the argument."""
    Path("small.png").write_bytes(png(100, 100))
    Path("text.txt").write_text("hello")
    assert main(["generate", "a.png", "small.png", "--scene", "text.txt"]) == 2
    first, second = capsys.readouterr().err.splitlines()[1:-1]
    assert first.startswith("  small.png (subject image 2): ")
    assert second.startswith("  text.txt (scence_image): ")
    assert not kling.calls


def test_a_folder_instead_of_an_image_is_named(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    assert main(["generate", "a.png", "folder"]) == 2
    assert "folder: cannot be read: Is a directory" in capsys.readouterr().err
    assert not kling.calls


def test_an_image_far_too_large_is_named_once(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("film.mp4").open("wb") as file:
        file.truncate(97 * 2**20)
    assert main(["generate", "a.png", "film.mp4"]) == 2
    assert capsys.readouterr().err.startswith(
        "kling-client: film.mp4: must fit into a request of at most 96 MB"
    )
    assert not kling.calls


@pytest.mark.parametrize("command", [["generate", "a.png", "b.png"], ["wait", "1"]])
def test_an_unusable_output_folder_is_reported_before_anything_is_paid_for(
    kling: Fake, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--out", "a.png"]) == 2
    assert "--out: must be a folder; a.png is a file" in capsys.readouterr().err
    assert main([*command, "--out", "a.png/below"]) == 2
    assert "--out: cannot create the folder a.png/below: Not a directory" in capsys.readouterr().err
    assert not kling.calls


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (create("--deadline", "-1"), "argument --deadline: must be a number of seconds >= 0; got '-1'"),
        (create("--deadline", "nan"), "argument --deadline: must be a number of seconds >= 0; got 'nan'"),
        (create("--timeout", "x"), "argument --timeout: must be a number of seconds >= 0; got 'x'"),
        (create("--n", "two"), "argument --n: must be an integer; got 'two'"),
        (["list", "--limit", "0"], "argument --limit: must be at least 1; got 0"),
        (create("--gateway", "klin"), "argument --gateway: unknown value 'klin'; did you mean 'kling'?"),
        (create("--api-key", "sk-1"), "unknown option '--api-key'; see kling-client generate --help"),
        (create("--promt=x"), "unknown option '--promt'; did you mean '--prompt'?"),
        (["get", "1", "2"], "unexpected argument '2'"),
        (["genrate", "a.png"], "unknown command 'genrate'; did you mean 'generate'?"),
        (["--limit", "1"], "unknown command '1'; known: generate, get, wait, list"),
    ],
)
def test_wrong_arguments_are_status_2_before_anything_is_sent(
    kling: Fake, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: kling-client ")
    assert f"\nkling-client: {message}" in err
    assert not kling.calls


def test_an_unknown_option_shows_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["get", "1", "--jsn"])
    assert capsys.readouterr().err.startswith("usage: kling-client get [options] ID\n")


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"kling-client {version('kling-mock')}\n"


def test_a_timeout_of_zero_and_a_missing_key_are_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(create("--timeout", "0")) == 2
    monkeypatch.delenv("COMETAPI_KEY")
    assert main(create()) == 2
    assert "set the environment variable COMETAPI_KEY" in capsys.readouterr().err


def test_without_a_command_there_is_help_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: kling-client" in capsys.readouterr().err


def test_a_refusal_of_the_service_is_status_4(kling: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "1"]) == 4
    assert main(["wait", "1"]) == 4
    kling.next.refuses(1102)
    assert main(create()) == 4
    out, err = capsys.readouterr()
    assert out == "task 1\n"
    assert "code task_not_exist: task_not_exist; check the task id" in err
    assert "code 1102" in err
    assert "resume" not in err


def test_no_connection_is_status_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise httpx.ReadTimeout("late")

    monkeypatch.setattr(httpx.Client, "send", refuse)
    assert main(create()) == 4
    assert "may have been accepted and billed" in capsys.readouterr().err


def test_a_file_that_exists_is_status_4_and_the_resume_command_replaces_it(
    kling: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(create("--out", "dir")) == 0
    assert main(["wait", kling.task.id, "--out", "dir"]) == 4
    command = shlex.split(capsys.readouterr().err.splitlines()[-1])
    assert command[-1] == "--overwrite"
    assert main(command[1:]) == 0


# --- Ctrl-C -----------------------------------------------------------------------------------------------


def test_ctrl_c_during_a_wait_is_status_130_with_the_resume_command(
    kling: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", interrupt)
    assert main(create("--overwrite")) == 130
    err = capsys.readouterr().err
    assert "interrupted; the task continues" in err
    assert err.splitlines()[-1].strip() == f"kling-client wait {kling.task.id} --out . --overwrite"


def test_ctrl_c_during_a_create_warns_that_a_task_may_exist(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx.Client, "send", interrupt)
    assert main(create()) == 130
    assert "a task may have been created and billed" in capsys.readouterr().err


# --- dry run ----------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_request_and_sends_nothing(
    kling: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(create("--style", "https://h/s.png", "--dry-run", "--out", "new")) == 0
    out, err = capsys.readouterr()
    head, _, body = out.partition("\n\n")
    assert head.splitlines()[0] == "POST https://api.cometapi.com/kling/v1/images/generations"
    assert "Authorization: Bearer [key]" in head.splitlines()
    shown = json.loads(body)
    assert re.fullmatch(r"<image \d+ B sha256:[0-9a-f]{16}>", shown["subject_image_list"][0]["subject_image"])
    assert (shown["style_image"], shown["prompt"]) == ("https://h/s.png", "the two at sea")
    assert KEY not in out + err
    assert not kling.calls
    assert not Path("new").exists()
    assert main(create("--dry-run", "--json")) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"method", "url", "headers", "body"}


def test_a_dry_run_refuses_what_would_be_refused(kling: Fake) -> None:
    assert main(["generate", "a.png", "--dry-run"]) == 2
    assert not kling.calls


def test_a_dry_run_shows_no_token(
    kling: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KLING_ACCESS_KEY", "ak-1234567")
    monkeypatch.setenv("KLING_SECRET_KEY", "x" * 32)
    assert main(["generate", "a.png", "--scene", "b.png", "--dry-run", *KLING]) == 0
    out = capsys.readouterr().out
    assert "Bearer [key]" in out
    assert "eyJ" not in out
    assert '"scene_image": "<image ' in out
    assert not kling.calls


# --- the module


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kling_client", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: kling-client")
