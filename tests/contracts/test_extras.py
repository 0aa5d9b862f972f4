"""A missing package is reported with the command that installs it."""

from __future__ import annotations

import importlib
import sys

import pytest

from kling_contracts.extras import missing_package
from kling_mock import Fake


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("kling_contracts.strategies", "hypothesis", "contracts"),
        ("kling_contracts.client_suite", "hypothesis", "contracts"),
        ("kling_mock.faker", "faker", "faker"),
    ],
)
def test_a_module_of_an_extra(module: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        for name in list(sys.modules):
            if f"{name}.".startswith(f"{module}."):
                without.delitem(sys.modules, name)
            elif f"{name}.".startswith(f"{package}."):
                without.setitem(sys.modules, name, None)
        without.setitem(sys.modules, package, None)
        with pytest.raises(ModuleNotFoundError) as caught:
            importlib.import_module(module)
    assert str(caught.value) == f"{package} is not installed: pip install 'kling-mock[{extra}]'"


@pytest.mark.parametrize(
    ("package", "module", "wanted"),
    [("respx", "respx_router", "'kling-mock[respx]'"), ("requests", "requests", "requests")],
)
def test_a_transport_of_a_library(
    package: str, module: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"kling_mock.doors.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    fake: object = Fake()
    connect = getattr(fake, "requests_adapter" if package == "requests" else "respx_route")
    with pytest.raises(ModuleNotFoundError, match=f"^{package} is not installed: pip install ") as caught:
        connect(*([None] if package == "respx" else []))
    assert str(caught.value).endswith(wanted)


def test_a_module_of_ours_that_is_missing_is_a_bug() -> None:
    error = ModuleNotFoundError("No module named 'kling_mock.absent'", name="kling_mock.absent")
    assert missing_package(error, "respx") is error
