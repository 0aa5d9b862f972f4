"""Compose files of the pages: read as YAML, with the names and options that they refer to, but not run."""

from __future__ import annotations

import argparse
import shlex
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from kling_contracts.vocabulary import BASE_URL_VARIABLE
from kling_mock.cli import _parser
from kling_mock.setting_checks import check_token


def check_compose(text: str) -> None:
    """Services, configs and volumes that are named exist, and the mock accepts its options."""
    file: dict[str, Any] = yaml.safe_load(text)
    services: dict[str, dict[str, Any]] = file["services"]
    for service in services.values():
        assert ("image" in service) is not ("build" in service)
        assert set(service.get("depends_on", ())) <= set(services)
        assert {each["source"] for each in service.get("configs", ())} <= set(file.get("configs", ()))
        assert {each.partition(":")[0] for each in service.get("volumes", ())} <= set(file.get("volumes", ()))
    commands = {name: shlex.split(service.get("command", "")) for name, service in services.items()}
    for name, words in commands.items():
        if words[:1] != ["kling-mock"]:
            continue
        options = _parser().parse_args(words[1:])
        check_token("--control-token", options.control_token)
        _check_mock(services, name, options)
        if options.state is not None:
            state = urlsplit(options.state)
            assert commands[str(state.hostname)][0] == f"{state.scheme}-server"
        for each in file.get("configs", {}).values():
            assert f"server {name}:{options.port};" in each["content"]


def _check_mock(services: dict[str, dict[str, Any]], name: str, options: argparse.Namespace) -> None:
    """Other services and the host use its address, and its health check reads its ready file."""
    for service in services.values():
        url = service.get("environment", {}).get(BASE_URL_VARIABLE)
        assert url in (None, f"http://{name}:{options.port}")
    mock = services[name]
    assert all(each.endswith(f":{options.port}") for each in mock.get("ports", ()))
    if "healthcheck" in mock:
        assert mock["healthcheck"]["test"] == f"test -f {options.ready_file}"
