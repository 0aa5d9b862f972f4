"""Under gevent and eventlet a server reports that it cannot run; the interception works."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import httpx
import pytest

from kling_contracts.gateways import COMETAPI
from kling_mock import Fake
from kling_mock.shared_server import SharedServer


@pytest.fixture(params=[("gevent.monkey", "is_module_patched"), ("eventlet.patcher", "is_monkey_patched")])
def patched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module by which a library reports its patches; it claims all of them."""
    name, function = request.param
    module = ModuleType(name)
    setattr(module, function, lambda _: True)
    monkeypatch.setitem(sys.modules, name, module)
    return str(name.partition(".")[0])


def test_a_server_reports_that_it_cannot_run(patched: str) -> None:
    with pytest.raises(RuntimeError, match=f"{patched} has replaced them.*kling-mock serve"):
        Fake().serve()
    with pytest.raises(RuntimeError, match=patched):
        SharedServer()


@pytest.mark.usefixtures("patched")
def test_an_interception_works() -> None:
    with Fake().intercept():
        assert httpx.get(f"{COMETAPI.base_url}/nothing", verify=False).status_code == 401


def test_loaded_and_not_patched_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("gevent.monkey")
    module.is_module_patched = lambda _: False
    monkeypatch.setitem(sys.modules, "gevent.monkey", module)
    with Fake().serve() as server:
        assert httpx.get(f"{server.url}/_mock/health", trust_env=False).status_code == 200
