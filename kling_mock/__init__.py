"""A stateful offline mock of Kling's Multi-Image to Image API, with tasks that progress, succeed and fail.

>>> from kling_mock import Fake
>>> fake = Fake()

Connect a client with `fake.transport()`, `fake.intercept()`, `fake.asgi()` or `fake.serve()`. The names of
this package are imported on first use, so `import kling_mock` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kling_contracts.gateways import INTERCEPTED_HOSTS as INTERCEPTED_HOSTS
    from kling_mock.doors.httpx_interception import RequestRefused as RequestRefused
    from kling_mock.fake import Fake as Fake
    from kling_mock.http import Reply as Reply
    from kling_mock.http import Request as Request
    from kling_mock.images.metadata import read_picture as read_picture
    from kling_mock.name_guard import NameRefused as NameRefused
    from kling_mock.plan import Pace as Pace
    from kling_mock.remote.connection import RemoteError as RemoteError
    from kling_mock.remote.view import Remote as Remote
    from kling_mock.settings import Settings as Settings
    from kling_mock.testing.task_handle import TaskHandle as TaskHandle
    from kling_mock.timing.clock import Clock as Clock
    from kling_mock.timing.clock import ManualClock as ManualClock

_HOMES = {
    "Clock": "kling_mock.timing.clock",
    "Fake": "kling_mock.fake",
    "INTERCEPTED_HOSTS": "kling_contracts.gateways",
    "ManualClock": "kling_mock.timing.clock",
    "NameRefused": "kling_mock.name_guard",
    "Pace": "kling_mock.plan",
    "Remote": "kling_mock.remote.view",
    "RemoteError": "kling_mock.remote.connection",
    "Reply": "kling_mock.http",
    "Request": "kling_mock.http",
    "RequestRefused": "kling_mock.doors.httpx_interception",
    "Settings": "kling_mock.settings",
    "TaskHandle": "kling_mock.testing.task_handle",
    "read_picture": "kling_mock.images.metadata",
}

__all__ = [
    "INTERCEPTED_HOSTS",
    "Clock",
    "Fake",
    "ManualClock",
    "NameRefused",
    "Pace",
    "Remote",
    "RemoteError",
    "Reply",
    "Request",
    "RequestRefused",
    "Settings",
    "TaskHandle",
    "read_picture",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
