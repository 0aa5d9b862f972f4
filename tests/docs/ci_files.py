"""Files of CI services in the pages: read as YAML, with the commands in them, but not run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from kling_contracts.vocabulary import BASE_URL_VARIABLE, MOCK_TOKEN_VARIABLE
from kling_mock.cli import _parser
from kling_mock.setting_checks import check_token

_LOOPBACK = "127.0.0.1"


def check_ci(text: str) -> None:
    """The mock accepts its options, and listens at the address that the tests and the wait for it use."""
    # "on" of a workflow is a boolean for YAML 1.1.
    file: dict[Any, Any] = yaml.safe_load(text)
    (job,) = file.get("jobs", file).values()
    host, commands = _workflow_commands(job) if "steps" in job else _job_commands(job)
    variables = job.get("env") or job["variables"]
    (command,) = (line for line in commands if line.startswith("kling-mock "))
    words = shlex.split(command.partition(" > ")[0])
    options = _parser().parse_args(words[1:])
    check_token("--control-token", options.control_token)
    for name, value in variables.items():
        if "URL" in name:
            assert (urlsplit(value).hostname, urlsplit(value).port) == (host, options.port)
    assert BASE_URL_VARIABLE in variables
    assert (options.host == _LOOPBACK) is (host == _LOOPBACK)
    assert options.control_token == variables.get(MOCK_TOKEN_VARIABLE)
    waits = [line for line in commands if "until" in line]
    expected = (
        f"test -f {options.ready_file};"
        if options.ready_file
        else f"http://{host}:{options.port}/_mock/health;"
    )
    assert len(waits) == 1
    assert expected in waits[0]


def _workflow_commands(job: dict[str, Any]) -> tuple[str, list[str]]:
    """The host of the mock and the commands of a job of GitHub Actions."""
    for step in job["steps"]:
        assert ("uses" in step) is not ("run" in step)
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
    return _LOOPBACK, list(_split("\n".join(step.get("run", "") for step in job["steps"])))


def _job_commands(job: dict[str, Any]) -> tuple[str, list[str]]:
    """The host of the mock and the commands of a job of GitLab CI, and of the mock as its service."""
    (service,) = job["services"]
    assert service["entrypoint"] == ["sh", "-c"]
    (command,) = service["command"]
    return service["alias"], list(_split("\n".join([command, *job["script"]])))


def _split(script: str) -> Iterator[str]:
    for line in script.splitlines():
        for command in line.split(" && "):
            yield command.removesuffix(" &").removeprefix("exec ")
