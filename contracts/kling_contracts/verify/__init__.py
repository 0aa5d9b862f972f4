"""Verify any server of this API over HTTP, as a black box, and report the checks that fail.

*Steps* send requests and collect evidence; *checks* judge the evidence afterwards. So one create serves many
checks, a plan can be printed before anything is sent, and a recording can be judged again without a network.
Names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_contracts.registry import judge_recording as judge_recording
    from kling_contracts.registry import verify as verify
    from kling_contracts.verify.plan import Options as Options
    from kling_contracts.verify.report import Report as Report
    from kling_contracts.verify.report import exit_code as exit_code

_HOMES = {
    "Options": "kling_contracts.verify.plan",
    "Report": "kling_contracts.verify.report",
    "exit_code": "kling_contracts.verify.report",
    "judge_recording": "kling_contracts.registry",
    "verify": "kling_contracts.registry",
}

__all__ = ["Options", "Report", "exit_code", "judge_recording", "verify"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
