"""Compose files of the pages: read as YAML, with the names and options that they refer to, but not run."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from kling_mock.cli import _parser


def check_compose(text: str) -> None:
    """Services, configs and volumes that are named exist, and the mock accepts its options."""
    file: dict[str, Any] = yaml.safe_load(text)
    services: dict[str, dict[str, Any]] = file["services"]
    for service in services.values():
        assert ("image" in service) is not ("build" in service)
        assert set(service.get("depends_on", ())) <= set(services)
        assert {each["source"] for each in service.get("configs", ())} <= set(file.get("configs", ()))
        assert {each.partition(":")[0] for each in service.get("volumes", ())} <= set(file["volumes"])
    commands = {name: shlex.split(service.get("command", "")) for name, service in services.items()}
    for name, words in commands.items():
        if words[:1] != ["kling-mock"]:
            continue
        options = _parser().parse_args(words[1:])
        state = urlsplit(options.state)
        assert commands[str(state.hostname)][0] == f"{state.scheme}-server"
        contents = [each["content"] for each in file["configs"].values()]
        assert any(f"server {name}:{options.port};" in each for each in contents)
