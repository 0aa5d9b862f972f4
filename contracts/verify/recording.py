"""A run on disk: JSON lines that can be judged again with no network.

The first line is a header (format, version, gateway, seed, run, contract version, date, base URL, options),
then come exchanges and callbacks in order, and the last line says how the run ended. All of it is scrubbed.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

from contracts.gateways import GATEWAYS
from contracts.verify.catalogue import steps_of
from contracts.verify.check import Need
from contracts.verify.evidence import Evidence
from contracts.verify.exchange import Delivery, Exchange, Probe
from contracts.verify.known import Deviation
from contracts.verify.planning import Options, Planned
from contracts.verify.report import Report, judged

FORMAT: Final = "kling-contracts recording"
VERSION: Final = 1
_AGAIN: Final = "record it again with: kling-contracts verify ... --record FILE"


class BadRecording(ValueError):
    """A file that is no recording, or no whole one. The text names the line and the way out."""


@dataclass(frozen=True)
class _Line:
    path: Path
    number: int
    content: dict[str, Any]

    def wrong(self, what: str) -> BadRecording:
        return BadRecording(f"{self.path}, line {self.number}: {what}; {_AGAIN}")


def contract_version() -> str:
    """The version of this distribution."""
    return version("kling-mock")


def write_recording(report: Report, path: Path) -> None:
    """Write the evidence of a run, whole or not at all."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        for line in _lines(report):
            file.write(json.dumps(line) + "\n")
    os.replace(beside, path)  # noqa: PTH105 -- the same, and named after what it does


def _lines(report: Report) -> Iterator[dict[str, object]]:
    options, evidence = report.options, report.evidence
    yield {
        "format": FORMAT,
        "version": VERSION,
        "contract": contract_version(),
        "gateway": evidence.gateway.name,
        "base_url": options.base_url,
        "date": datetime.fromtimestamp(report.started, UTC).isoformat(),
        "seed": evidence.seed,
        "run": evidence.run,
        "only": list(options.only),
    }
    for exchange in evidence.exchanges:
        yield {"exchange": _written(exchange)}
    for delivery in evidence.deliveries:
        yield {"callback": _written(delivery)}
    yield {
        "end": {
            "exchanges": len(evidence.exchanges),
            "callbacks": len(evidence.deliveries),
            "images": report.images,
            "limit": report.limit,
            "mock": report.mock,
            "started": report.started,
            "seconds": report.seconds,
            "interrupted": report.interrupted,
            "missing": {each.step.name: each.missing for each in report.plan if each.missing},
        }
    }


def _written(seen: Exchange | Delivery) -> dict[str, object]:
    """The fields that say something; bytes as text where they are UTF-8, else as base64."""
    values = {each.name: getattr(seen, each.name) for each in fields(seen)}
    return {name: _value(value) for name, value in values.items() if value not in ("", b"", ())}


def _value(value: object) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def judge_recording(path: Path, *, only: Sequence[str] = (), known: Sequence[Deviation] = ()) -> Report:
    """The report on a recording. Raises BadRecording, OSError.

    `only` replaces the choice that the run was made with.
    """
    header, *rest = list(_read(path)) or [_Line(path, 1, {})]
    head = header.content
    if head.get("format") != FORMAT:
        raise BadRecording(f"{path}, line 1: this is no recording of kling-contracts; {_AGAIN}")
    if head.get("version") != VERSION:
        raise BadRecording(
            f"{path}, line 1: its format is version {head.get('version')}, and this kling-contracts "
            f"reads version {VERSION}; judge it with kling-mock {head.get('contract')}, or {_AGAIN}"
        )
    gateway = next((each for each in GATEWAYS if each.name == head.get("gateway")), None)
    if gateway is None:
        raise header.wrong(f"no gateway is called {head.get('gateway')!r}")
    end = rest.pop() if rest else header
    ending = end.content.get("end")
    if not isinstance(ending, dict):
        raise end.wrong("the recording breaks off: the line that ends it is missing")
    about = cast("dict[str, Any]", ending)
    try:
        evidence = Evidence(gateway=gateway, run=str(head["run"]), seed=int(head["seed"]))
        options = Options(
            base_url=str(head["base_url"]),
            api_key="",
            gateway=gateway,
            only=tuple(only or head["only"]),
            known=known,
            seed=evidence.seed,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise header.wrong(f"the header lacks something ({error!r})") from None
    for line in rest:
        _add(line, evidence)
    try:
        whole = (about["exchanges"], about["callbacks"]) == (
            len(evidence.exchanges),
            len(evidence.deliveries),
        )
        missing = {str(name): Need(need) for name, need in about["missing"].items()}
        plan = tuple(
            Planned(step=step, missing=missing.get(step.name), spent_before=0) for step in steps_of(gateway)
        )
        told = {
            name: about[name] for name in ("images", "limit", "mock", "started", "seconds", "interrupted")
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise end.wrong(f"the end lacks something ({error!r})") from None
    if not whole:
        raise end.wrong("lines are missing: it counts other exchanges or callbacks than there are")
    return judged(options, evidence, plan, **told)


def _read(path: Path) -> Iterator[_Line]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                content = cast("object", json.loads(raw))
            except (ValueError, RecursionError):
                if number == 1:
                    raise BadRecording(
                        f"{path}, line 1: this is no recording of kling-contracts; {_AGAIN}"
                    ) from None
                raise _Line(path, number, {}).wrong("it is cut off or damaged") from None
            yield _Line(path, number, cast("dict[str, Any]", content) if isinstance(content, dict) else {})


def _add(line: _Line, evidence: Evidence) -> None:
    try:
        match line.content:
            case {"exchange": seen}:
                evidence.exchanges.append(_exchange(seen))
            case {"callback": seen}:
                evidence.deliveries.append(_delivery(seen))
            case _:
                raise line.wrong("it is neither an exchange nor a callback")
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadRecording):
            raise
        raise line.wrong(f"something in it is missing or has the wrong type ({error!r})") from None


def _exchange(seen: dict[str, Any]) -> Exchange:
    return Exchange(
        number=int(seen["number"]),
        probe=Probe(*map(str, seen["probe"])),
        who=str(seen["who"]),
        method=str(seen["method"]),
        target=str(seen["target"]),
        headers=_headers(seen.get("headers", ())),
        body=_content(seen.get("body", "")),
        sent_at=float(seen["sent_at"]),
        received_at=float(seen["received_at"]),
        status=int(seen["status"]),
        answer_headers=_headers(seen.get("answer_headers", ())),
        answer=_content(seen.get("answer", "")),
        failure=str(seen.get("failure", "")),
        size=int(seen["size"]),
        digest=str(seen.get("digest", "")),
    )


def _delivery(seen: dict[str, Any]) -> Delivery:
    return Delivery(
        number=int(seen["number"]),
        token=str(seen.get("token", "")),
        headers=_headers(seen.get("headers", ())),
        body=_content(seen.get("body", "")),
        received_at=float(seen["received_at"]),
        replied=int(seen["replied"]),
    )


def _headers(pairs: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in pairs)


def _content(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])
