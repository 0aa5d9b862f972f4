"""Verify any server that speaks this API: a black box over HTTP, a report of findings.

A *campaign* of steps sends probes and collects evidence; *checks* judge the evidence afterwards. So one
create serves many checks, a plan can be printed before anything is sent, and a recording can be judged
again with no network. Names arrive when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_contracts.verify.plan import Options as Options
    from kling_contracts.verify.recording import judge_recording as judge_recording
    from kling_contracts.verify.report import Report as Report
    from kling_contracts.verify.report import exit_code as exit_code
    from kling_contracts.verify.runner import verify as verify

_HOMES = {
    "Options": "planning",
    "Report": "report",
    "exit_code": "exit_codes",
    "judge_recording": "recording",
    "verify": "runner",
}

__all__ = ["Options", "Report", "exit_code", "judge_recording", "verify"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
