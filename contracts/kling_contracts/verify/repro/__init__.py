"""Scripts that reproduce a failure: curl lines for a shell, and a few lines of Python with httpx.

They copy no value that belongs to the run: task ids are those of newly created tasks, external ids are new,
and keys are environment variables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kling_contracts.operations import Operation
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, Failure, Shown, Step
from kling_contracts.verify.parts import main_text
from kling_contracts.verify.repro import curl, httpx_script
from kling_contracts.verify.repro.replay import replay_of
from kling_contracts.verify.text import lengthen, printable


@dataclass(frozen=True)
class Reproduction:
    """`curl` and `httpx` are complete scripts. `lengths` describes the text field at fault, else is empty."""

    curl: str
    httpx: str
    lengths: str


def reproduce(
    check: Check, failure: Failure, evidence: Evidence, base_url: str, steps: Iterable[Step] = ()
) -> Reproduction:
    """The scripts that reproduce a failure. `steps` are those of the run."""
    replay = replay_of(check, failure, evidence, steps)
    base_url = base_url.rstrip("/")
    return Reproduction(
        printable("\n".join(curl.lines(replay, base_url))),
        printable("\n".join(httpx_script.lines(replay, base_url))),
        lengths(failure.shown[0], evidence.operation) if len(failure.shown) == 1 else "",
    )


def lengths(shown: Shown, operation: Operation) -> str:
    """The length of the field at fault, or of the prompt, in code points, UTF-16 units and UTF-8 bytes."""
    if not isinstance(shown, Exchange):
        return ""
    asked = shown.asked_object
    text = main_text(operation)
    for name in (shown.probe.about.partition(".")[0], *([text.name] if text else ())):
        value = asked.get(name)
        if isinstance(value, str):
            given = lengthen(value)
            units, size = (len(given.encode(it, "surrogatepass")) for it in ("utf-16-le", "utf-8"))
            return f"{name}: {len(given)} code points, {units // 2} UTF-16 units, {size} bytes of UTF-8"
    return ""
