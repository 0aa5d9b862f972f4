"""For all tests. Only here, at the top, can pytest be told of plugins."""

import gc

import pytest

from tests import profiles

pytest_plugins = ["pytester"]
profiles.register()


# What is collected, thousands of tests, stays to the end. The collector of garbage need not walk it, neither
# while it grows nor whenever a test, or a run of pytest inside of one, wants to know what was left open.


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()
