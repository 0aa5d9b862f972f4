"""Reads a recording and judges it without a network.

If the run was killed, the last line is missing or cut off; the rest is judged, and the report notes it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from kling_contracts.explained_error import ExplainedError
from kling_contracts.gateways import Gateway
from kling_contracts.verify.budget import images_of
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.known_deviations import Deviation
from kling_contracts.verify.model import Requirement, Suite
from kling_contracts.verify.plan import Options, Planned
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.recorder import FORMAT, VERSION
from kling_contracts.verify.report import Report, RunInfo, judged

_AGAIN: Final = "record it again with: kling-contracts verify ... --record FILE"


class BadRecording(ExplainedError, ValueError):
    """A file is not a recording, or is damaged; the message names the line and a remedy."""


@dataclass(frozen=True)
class _Line:
    path: Path
    number: int
    content: dict[str, Any]

    def wrong(self, what: str) -> BadRecording:
        return BadRecording(f"{self.path}, line {self.number}: {what}; {_AGAIN}")


def judge(  # noqa: PLR0913 -- the choices of the caller
    path: Path,
    suite: Suite,
    *,
    only: Sequence[str],
    known: Sequence[Deviation],
    gateways: Sequence[Gateway],
    strict: bool = False,
) -> Report:
    """Report on a recording with the checks of a suite. Raises BadRecording, OSError."""
    lines, cut_off = _read(path)
    header, *rest = lines or [_Line(path, 1, {})]
    gateway = _gateway(header, gateways)
    last = rest[-1] if rest and "end" in rest[-1].content else None
    head = header.content
    try:
        evidence = Evidence(
            gateway=gateway,
            run=str(head["run"]),
            seed=int(head["seed"]),
            signed=frozenset(map(str, head.get("signed", ()))),
        )
        options = Options(
            base_url=str(head["base_url"]),
            api_key="",
            gateway=gateway,
            only=tuple(only or head["only"]),
            known=known,
            seed=evidence.seed,
            strict=strict,
        )
        begun = RunInfo(limit=head["limit"], mock=bool(head["mock"]), started=float(head["started"]))
        missing = _requirements(head["missing"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise header.wrong(f"the header lacks a field or has a wrong type ({error!r})") from None
    for line in rest[:-1] if last else rest:
        _add(line, evidence)
    if last:
        run_info, missing = _ended(last, begun, evidence)
    else:
        run_info = _broken_off(begun, evidence, len(lines), cut_off=cut_off)
        missing = {step.name: missing.get(step.name, Requirement.REST) for step in suite.steps(gateway)}
    plan = tuple(
        Planned(step=step, missing=missing.get(step.name), spent_before=0) for step in suite.steps(gateway)
    )
    return judged(options, suite.checks(gateway), evidence, plan, run_info)


def _gateway(header: _Line, gateways: Sequence[Gateway]) -> Gateway:
    """The gateway, with the verified operation as its main one."""
    head = header.content
    if head.get("format") != FORMAT:
        raise BadRecording(f"{header.path}, line 1: not a recording of kling-contracts; {_AGAIN}")
    if head.get("version") != VERSION:
        raise BadRecording(
            f"{header.path}, line 1: format version {VERSION} expected, got {head.get('version')}; "
            f"judge it with kling-mock {head.get('contract')}, or {_AGAIN}"
        )
    gateway = next((each for each in gateways if each.name == head.get("gateway")), None)
    if gateway is None:
        names = ", ".join(each.name for each in gateways)
        raise header.wrong(f"unknown gateway {head.get('gateway')!r}; known are {names}")
    if "operation" not in head:  # a recording without the field is about the main one
        return gateway
    try:
        return gateway.focused(gateway.find_operation(str(head["operation"])))
    except LookupError as error:
        raise header.wrong(str(error)) from None


def _ended(last: _Line, begun: RunInfo, evidence: Evidence) -> tuple[RunInfo, dict[str, Requirement]]:
    """Run info and missing requirements from the last line."""
    end = cast("dict[str, Any]", last.content["end"])
    try:
        whole = (end["exchanges"], end["callbacks"]) == (len(evidence.exchanges), len(evidence.deliveries))
        run_info = replace(
            begun,
            images=int(end["images"]),
            seconds=float(end["seconds"]),
            interrupted=bool(end["interrupted"]),
        )
        missing = _requirements(end["missing"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise last.wrong(f"the summary lacks a field or has a wrong type ({error!r})") from None
    if not whole:
        raise last.wrong(
            f"lines are missing: it counts {end['exchanges']} exchanges and {end['callbacks']} callbacks; "
            f"the file has {len(evidence.exchanges)} and {len(evidence.deliveries)}"
        )
    return run_info, missing


def _broken_off(begun: RunInfo, evidence: Evidence, lines: int, *, cut_off: bool) -> RunInfo:
    """Run info of a recording without its last line."""
    half = f"; line {lines + 1} is cut off and was ignored" if cut_off else ""
    until = evidence.exchanges[-1].received_at if evidence.exchanges else begun.started
    return replace(
        begun,
        images=sum(images_of(each.body) for each in evidence.creates if not each.proves_refusal),
        seconds=until - begun.started,
        interrupted=True,
        note=f"the recording ends early, after line {lines}{half}",
    )


def _requirements(missing: Mapping[str, str]) -> dict[str, Requirement]:
    return {str(name): Requirement(requirement) for name, requirement in missing.items()}


def _read(path: Path) -> tuple[list[_Line], bool]:
    """The lines of a file, and whether a cut-off last line was ignored."""
    lines: list[_Line] = []
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                content = cast("object", json.loads(raw))
            except (ValueError, RecursionError):
                if number == 1:
                    return [], False
                if not raw.endswith(b"\n"):
                    return lines, True
                raise _Line(path, number, {}).wrong("not a JSON document") from None
            lines.append(
                _Line(path, number, cast("dict[str, Any]", content) if isinstance(content, dict) else {})
            )
    return lines, False


def _add(line: _Line, evidence: Evidence) -> None:
    try:
        match line.content:
            case {"exchange": seen}:
                exchange = _exchange(seen)
                if exchange.number > len(evidence.exchanges):
                    raise line.wrong(
                        f"earlier lines are missing: exchange {len(evidence.exchanges)} expected, "
                        f"got {exchange.number}"
                    )
                # Ctrl-C may cause a line to be written twice.
                if exchange.number == len(evidence.exchanges):
                    evidence.exchanges.append(exchange)
            case {"callback": seen}:
                delivery = _delivery(seen)
                if delivery.number == len(evidence.deliveries):
                    evidence.deliveries.append(delivery)
            case _:
                raise line.wrong("neither an exchange nor a callback")
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadRecording):
            raise
        raise line.wrong(f"a field is missing or has a wrong type ({error!r})") from None


def _exchange(seen: dict[str, Any]) -> Exchange:
    return Exchange(
        number=int(seen["number"]),
        probe=_probe(seen["probe"]),
        credential=str(seen["credential"]),
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
        damage=str(seen.get("damage", "")),
    )


def _probe(seen: Any) -> Probe:
    kind, about, tag = map(str, seen)
    return Probe(ProbeKind(kind), about, tag)


def _delivery(seen: dict[str, Any]) -> Delivery:
    return Delivery(
        number=int(seen["number"]),
        token=str(seen.get("token", "")),
        headers=_headers(seen.get("headers", ())),
        body=_content(seen.get("body", "")),
        received_at=float(seen["received_at"]),
        replied=int(seen["replied"]),
        query=str(seen.get("query", "")),
    )


def _headers(pairs: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in pairs)


def _content(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])
