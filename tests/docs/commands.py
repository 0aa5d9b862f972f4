"""Commands of the pages: of this project in the process of the test, of other languages in a new one."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import metadata, version
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest

_REDIS = re.compile(r"redis://localhost:6379/0\?namespace=(\w+)")
# Half the CPU of a short program.
_JVM_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


def run_tool(words: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    """The standard output of a program, which must succeed."""
    run = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "JDK_JAVA_OPTIONS": _JVM_OPTIONS, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def commands_in(text: str) -> Iterator[list[str]]:
    """The words of each command of a script; quoted text may have several lines."""
    begun = ""
    for line in text.replace("\\\n", " ").splitlines():
        begun += line
        try:
            words = shlex.split(begun)  # with comments, which zsh does not accept in a terminal
        except ValueError:  # the quotation continues
            begun += "\n"
            continue
        yield words
        begun = ""
    assert not begun, f"No closing quotation: {begun}"


def hide_django(patch: pytest.MonkeyPatch) -> None:
    """Let the tests of a page import Django anew, as its settings exist once for each import."""
    patch.setenv("DJANGO_SETTINGS_MODULE", "settings")
    for name in [name for name in sys.modules if name.partition(".")[0] == "django"]:
        patch.delitem(sys.modules, name)


def require_chromium() -> None:
    """Skip the page, or fail it where the variable says that a browser must be there."""
    if shutil.which("chromium") is None:
        give_up = pytest.fail if os.environ.get("KLING_MOCK_REQUIRE_BROWSER") else pytest.skip
        give_up("needs a browser: chromium is not installed")


def with_redis(text: str) -> str:
    """The text with the address of the Redis server of the tests. Skips the page where there is none."""
    from tests.kling_mock.stores.redis_server import redis_server

    return _REDIS.sub(lambda found: redis_server().url(f"page-{found[1]}"), text)


def output_of(
    main: Callable[[list[str]], int],
    arguments: list[str],
    variables: dict[str, str],
    statuses: tuple[int, ...] = (0,),
) -> str:
    """The standard output of a command that ends with one of these statuses, run in this process."""
    printed, complaints = TextIOWrapper(BytesIO(), encoding="utf-8"), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(complaints):
        for name, value in variables.items():
            patch.setenv(name, value)
        status = main(arguments)
    printed.flush()
    output = printed.buffer.getvalue().decode()
    assert status in statuses, output + complaints.getvalue()
    return output


def output_of_curl(words: list[str], url: str) -> str:
    """The output of a curl command with the options -d, -H and -i, sent to a URL."""
    data = words[words.index("-d") + 1].encode() if "-d" in words else None
    headers = dict(words[at + 1].split(": ") for at, word in enumerate(words) if word == "-H")
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers))
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        body: str = answer.read().decode()
    head = f"HTTP/1.1 {answer.status} {answer.reason}\n" + "".join(
        f"{name.lower()}: {value}\n" for name, value in answer.headers.items()
    )
    return head + "\n" + body if "-i" in words else body


def check_requirements(requirement: str, *others: str) -> None:
    """The first requirement is this distribution, with extras that exist; the others are installed."""
    assert all(map(version, others))
    found = re.fullmatch(r"kling-mock(?:\[(.+)\])?", requirement)
    assert found is not None
    extras = set(found[1].split(",")) if found[1] else set[str]()
    assert extras <= set(metadata("kling-mock").get_all("Provides-Extra") or ())
