"""The contract of Kling's Multi-Image to Image API as data, and documents, tests and checks derived from it.

The package imports its modules lazily: a name's module is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_contracts.gateways import COMETAPI as COMETAPI
    from kling_contracts.gateways import GATEWAYS as GATEWAYS
    from kling_contracts.gateways import Gateway as Gateway
    from kling_contracts.lifecycle import check_lifecycle as check_lifecycle
    from kling_contracts.messages import Envelope as Envelope
    from kling_contracts.messages import MalformedMessage as MalformedMessage
    from kling_contracts.messages import ResultImage as ResultImage
    from kling_contracts.messages import ResultMedia as ResultMedia
    from kling_contracts.messages import TaskMessage as TaskMessage
    from kling_contracts.operations import MULTI_IMAGE as MULTI_IMAGE
    from kling_contracts.operations import MULTI_IMAGE2IMAGE as MULTI_IMAGE2IMAGE
    from kling_contracts.operations import Operation as Operation
    from kling_contracts.operations import validate as validate
    from kling_contracts.rules import Effect as Effect
    from kling_contracts.rules import Rule as Rule
    from kling_contracts.rules import Violation as Violation
    from kling_contracts.vocabulary import Source as Source
    from kling_contracts.vocabulary import TaskStatus as TaskStatus

_HOMES = {
    "COMETAPI": "gateways",
    "GATEWAYS": "gateways",
    "Gateway": "gateways",
    "check_lifecycle": "lifecycle",
    "Envelope": "messages",
    "MalformedMessage": "messages",
    "ResultImage": "messages",
    "ResultMedia": "messages",
    "TaskMessage": "messages",
    "MULTI_IMAGE": "operations",
    "MULTI_IMAGE2IMAGE": "operations",
    "Operation": "operations",
    "validate": "operations",
    "Effect": "rules",
    "Rule": "rules",
    "Violation": "rules",
    "Source": "vocabulary",
    "TaskStatus": "vocabulary",
}

__all__ = [
    "COMETAPI",
    "GATEWAYS",
    "MULTI_IMAGE",
    "MULTI_IMAGE2IMAGE",
    "Effect",
    "Envelope",
    "Gateway",
    "MalformedMessage",
    "Operation",
    "ResultImage",
    "ResultMedia",
    "Rule",
    "Source",
    "TaskMessage",
    "TaskStatus",
    "Violation",
    "check_lifecycle",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
