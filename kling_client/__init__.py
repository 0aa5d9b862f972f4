"""A client for Kling's Multi-Image to Image API: polls with deadlines, and never submits a paid task twice.

Names are imported on first use; `import kling_client` loads no other module.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_client.callbacks import parse_callback as parse_callback
    from kling_client.client import AsyncClient as AsyncClient
    from kling_client.client import Client as Client
    from kling_client.errors import ApiError as ApiError
    from kling_client.errors import AuthError as AuthError
    from kling_client.errors import ConfigError as ConfigError
    from kling_client.errors import Conflict as Conflict
    from kling_client.errors import DownloadError as DownloadError
    from kling_client.errors import InvalidRequest as InvalidRequest
    from kling_client.errors import InvalidSignature as InvalidSignature
    from kling_client.errors import KlingError as KlingError
    from kling_client.errors import NotFound as NotFound
    from kling_client.errors import RateLimited as RateLimited
    from kling_client.errors import ServerError as ServerError
    from kling_client.errors import SubmitUncertain as SubmitUncertain
    from kling_client.errors import TaskFailed as TaskFailed
    from kling_client.errors import TransportError as TransportError
    from kling_client.errors import UnexpectedReply as UnexpectedReply
    from kling_client.errors import UnreadableReceipt as UnreadableReceipt
    from kling_client.errors import WaitTimeout as WaitTimeout
    from kling_client.images import Image as Image
    from kling_client.images import ImageLike as ImageLike
    from kling_client.retry import Poll as Poll
    from kling_client.retry import Retry as Retry
    from kling_client.task import AsyncTask as AsyncTask
    from kling_client.task import Task as Task

_HOMES = {
    "ApiError": "errors",
    "AsyncClient": "client",
    "AsyncTask": "task",
    "AuthError": "errors",
    "Client": "client",
    "ConfigError": "errors",
    "Conflict": "errors",
    "DownloadError": "errors",
    "Image": "images",
    "ImageLike": "images",
    "InvalidRequest": "errors",
    "InvalidSignature": "errors",
    "KlingError": "errors",
    "NotFound": "errors",
    "Poll": "retry",
    "RateLimited": "errors",
    "Retry": "retry",
    "ServerError": "errors",
    "SubmitUncertain": "errors",
    "Task": "task",
    "TaskFailed": "errors",
    "TransportError": "errors",
    "UnexpectedReply": "errors",
    "UnreadableReceipt": "errors",
    "WaitTimeout": "errors",
    "parse_callback": "callbacks",
}

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncTask",
    "AuthError",
    "Client",
    "ConfigError",
    "Conflict",
    "DownloadError",
    "Image",
    "ImageLike",
    "InvalidRequest",
    "InvalidSignature",
    "KlingError",
    "NotFound",
    "Poll",
    "RateLimited",
    "Retry",
    "ServerError",
    "SubmitUncertain",
    "Task",
    "TaskFailed",
    "TransportError",
    "UnexpectedReply",
    "UnreadableReceipt",
    "WaitTimeout",
    "parse_callback",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
