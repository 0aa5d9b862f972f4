"""A faithful offline fake of Kling's Multi-Image to Image API, modelled on the level of the task.

>>> from kling_mock import Fake
>>> fake = Fake()

`fake.transport()`, `fake.intercept()`, `fake.asgi()` and `fake.serve()` are its doors. Importing the
package loads nothing; names arrive when they are first used. Not even `contracts` is looked for before:
pytest loads our plugin into every run, and who has a package of that name and no use for us keeps theirs.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kling_mock.clock import Clock as Clock
    from kling_mock.clock import ManualClock as ManualClock
    from kling_mock.fake import Fake as Fake
    from kling_mock.handles import TaskHandle as TaskHandle
    from kling_mock.plan import Pace as Pace
    from kling_mock.replies import Reply as Reply
    from kling_mock.replies import Request as Request
    from kling_mock.settings import Settings as Settings
    from kling_mock.testimony import read_picture as read_picture

_HOMES = {
    "Clock": "clock",
    "Fake": "fake",
    "ManualClock": "clock",
    "Pace": "plan",
    "Reply": "replies",
    "Request": "replies",
    "Settings": "settings",
    "TaskHandle": "handles",
    "read_picture": "testimony",
}

__all__ = [
    "Clock",
    "Fake",
    "ManualClock",
    "Pace",
    "Reply",
    "Request",
    "Settings",
    "TaskHandle",
    "read_picture",
]


def check_contracts() -> None:
    """Refuse a `contracts` that is not ours: a user's own package of that name may come first on the path.

    Called before a name of ours is used. Raises ImportError.
    """
    contracts = import_module("contracts")
    if getattr(contracts, "__distribution__", None) != "kling-mock":
        where = getattr(contracts, "__file__", None) or list(contracts.__path__)
        raise ImportError(
            f"kling_mock needs its own package 'contracts', but {where} comes first on sys.path. "
            "Rename that package, or keep its parent folder off sys.path "
            "(pytest: --import-mode=importlib, and no 'pythonpath' that holds it)."
        )


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_contracts()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
