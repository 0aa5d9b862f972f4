"""Every block of the README is true: code is run, commands are given, figures of speech excepted."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from kling_mock import Fake
from kling_mock.served import ServedFake

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLES = ROOT / "kling_mock" / "samples"


def blocks(language: str) -> list[str]:
    """The fenced blocks in a language, in order."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for fence, text in fences if fence == language]


def block(language: str, containing: str) -> str:
    (found,) = (text for text in blocks(language) if containing in text)
    return found


def test_the_fixture_example_passes(tmp_path: Path) -> None:
    """The tests of use 1 pass as they stand, in a fresh project."""
    (tmp_path / "test_poster.py").write_text(block("python", "def test_poster"), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "4 passed" in run.stdout


def test_the_curl_example_gives_the_shown_answer(kling_server: ServedFake) -> None:
    """The command of use 2, sent to a server, answers with exactly the keys and constants shown."""
    words = shlex.split(block("sh", "curl"))
    url = next(word for word in words if word.startswith("http"))
    assert url.startswith("http://127.0.0.1:8000/")
    headers = dict(words[at + 1].split(": ") for at, word in enumerate(words) if word == "-H")
    assert headers["Authorization"] == "Bearer sk-mock"
    request = urllib.request.Request(
        kling_server.url + url.removeprefix("http://127.0.0.1:8000"),
        data=words[words.index("-d") + 1].encode(),
        headers=headers | {"Authorization": f"Bearer {kling_server.api_key}"},
    )
    with urllib.request.urlopen(request) as answer:
        given = json.load(answer)
    shown = json.loads(block("json", "SUCCEED"))
    assert list(given) == list(shown)
    assert list(given["data"]) == list(shown["data"])
    assert (given["code"], given["message"]) == (shown["code"], shown["message"])
    assert (given["data"]["task_status"], given["data"]["task_info"]) == ("submitted", {})


@pytest.mark.kling(pace="instant")
def test_the_client_example_runs(
    kling: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines of use 3 save a picture; the two variables they need are those that are shown."""
    for name in ("cat.png", "boat.png"):
        shutil.copy(SAMPLES / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(block("python", "with Client()"), "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith(kling.task.id)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{kling.task.id}-0.png"]
    exported = dict(word.split("=") for word in shlex.split(block("sh", "export"))[1:])
    assert exported == {"KLING_BASE_URL": "http://127.0.0.1:8000", "COMETAPI_KEY": "sk-mock"}


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_every_block_is_accounted_for() -> None:
    """A new block needs a test: these are the ones that are run above or are output."""
    assert [len(blocks(language)) for language in ("python", "sh", "json", "")] == [2, 2, 1, 3]
