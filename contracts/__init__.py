"""The contract of Kling's Multi-Image to Image API as data, and what can be derived from it.

Importing the package loads nothing; names arrive when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

# What kling_mock and kling_client look for, to be sure that they did not import somebody else's `contracts`.
__distribution__ = "kling-mock"

if TYPE_CHECKING:
    from contracts.gateways import COMETAPI as COMETAPI
    from contracts.gateways import GATEWAYS as GATEWAYS
    from contracts.gateways import Gateway as Gateway
    from contracts.lifecycle import judge as judge
    from contracts.messages import Envelope as Envelope
    from contracts.messages import MalformedMessage as MalformedMessage
    from contracts.messages import ResultImage as ResultImage
    from contracts.messages import ResultMedia as ResultMedia
    from contracts.messages import TaskMessage as TaskMessage
    from contracts.operations import MULTI_IMAGE as MULTI_IMAGE
    from contracts.operations import MULTI_IMAGE2IMAGE as MULTI_IMAGE2IMAGE
    from contracts.operations import Operation as Operation
    from contracts.operations import validate as validate
    from contracts.rules import Effect as Effect
    from contracts.rules import Rule as Rule
    from contracts.rules import Violation as Violation
    from contracts.vocabulary import Source as Source
    from contracts.vocabulary import TaskStatus as TaskStatus

_HOMES = {
    "COMETAPI": "gateways",
    "GATEWAYS": "gateways",
    "Gateway": "gateways",
    "judge": "lifecycle",
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
    "judge",
    "validate",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
