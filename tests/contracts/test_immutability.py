"""Declarations are immutable, so that no test can change the contract for others."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, is_dataclass
from importlib import import_module

import pytest

MODULES = (
    "vocabulary",
    "rules",
    "fields",
    "image_fields",
    "composite_fields",
    "constraints",
    "operations.base",
    "gateways.base",
    "gateways.refusals",
    "lifecycle",
    "messages",
)


@pytest.mark.parametrize("name", MODULES)
def test_declarations_cannot_be_changed(name: str) -> None:
    """Every dataclass of the module is frozen."""
    module = import_module(f"kling_contracts.{name}")
    own = [
        kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__
    ]
    loose = [kind.__name__ for kind in own if is_dataclass(kind) and not _frozen(kind)]
    assert loose == []


def _frozen(kind: type) -> bool:
    return bool(kind.__dataclass_params__.frozen)  # type: ignore[attr-defined]  # the only record of it


def test_the_counterexample_is_mutable() -> None:
    """Counterexample: a dataclass that is not frozen."""

    @dataclass
    class Loose:
        value: int

    assert not _frozen(Loose)
