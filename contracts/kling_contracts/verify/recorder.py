"""Writes a recording while the run goes on: JSON lines, each flushed as soon as it is written.

The first line is a header (format, version, contract version, gateway, operation, base URL, date, seed, run
id, options). Exchanges and callbacks follow in order of arrival. The last line summarises the run; it is
missing if the process was killed, and the rest can still be judged. A recording contains no key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, TextIO

from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Delivery, Exchange
from kling_contracts.verify.plan import Options, Planned
from kling_contracts.verify.report import Report, RunInfo

FORMAT: Final = "kling-contracts recording"
VERSION: Final = 1


def contract_version() -> str:
    """The version of this distribution."""
    return version("kling-mock")


def write_recording(report: Report, path: Path) -> None:
    """Write the recording of a finished run. Raises OSError."""
    recorder = Recorder(path)
    recorder.begin(report.options, report.evidence, report.run_info, report.plan)
    recorder.end(report.run_info, report.plan)
    if recorder.problem:
        raise OSError(recorder.problem)


class Recorder:
    """Writes one run to a file. `problem` is the error that stopped it, empty if there was none."""

    def __init__(self, path: Path) -> None:
        self.problem = ""
        self._path = path
        self._file: TextIO | None = None
        self._exchanges = 0
        self._deliveries = 0

    def begin(
        self, options: Options, evidence: Evidence, run_info: RunInfo, plan: tuple[Planned, ...]
    ) -> None:
        """Replace the file by a recording with the header and the evidence so far."""
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            self._give_up(error)
        self._line({
            "format": FORMAT,
            "version": VERSION,
            "contract": contract_version(),
            "gateway": evidence.gateway.name,
            "operation": evidence.operation.name,
            "base_url": options.base_url,
            "date": datetime.fromtimestamp(run_info.started, UTC).isoformat(),
            "started": run_info.started,
            "seed": evidence.seed,
            "run": evidence.run,
            "signed": sorted(evidence.signed),
            "only": list(options.only),
            "limit": run_info.limit,
            "mock": run_info.mock,
            "missing": _missing(plan),
        })  # fmt: skip
        self.go_on(evidence)

    def go_on(self, evidence: Evidence) -> None:
        """Write the evidence added since the last call. The caller prevents concurrent additions."""
        if self._file is None:
            return
        for exchange in evidence.exchanges[self._exchanges :]:
            self._line({"exchange": _written(exchange)})
            self._exchanges += 1
        for delivery in evidence.deliveries[self._deliveries :]:
            self._line({"callback": _written(delivery)})
            self._deliveries += 1

    def end(self, run_info: RunInfo, plan: tuple[Planned, ...]) -> None:
        """Write the last line and close the file."""
        self._line({
            "end": {
                "exchanges": self._exchanges,
                "callbacks": self._deliveries,
                "images": run_info.images,
                "seconds": run_info.seconds,
                "interrupted": run_info.interrupted,
                "missing": _missing(plan),
            }
        })  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the file; later calls write nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                self._give_up(error)

    def _line(self, content: Mapping[str, object]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(content) + "\n")
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Stop recording. The run goes on, because it may have cost money already."""
        self.problem = self.problem or error.strerror or str(error)
        self.close()


def _missing(plan: tuple[Planned, ...]) -> dict[str, str]:
    return {each.step.name: each.missing for each in plan if each.missing}


def _written(seen: Exchange | Delivery) -> dict[str, object]:
    """The fields that are not empty; bytes as text if they are UTF-8, else as base64."""
    values = {each.name: getattr(seen, each.name) for each in fields(seen)}
    return {name: _value(value) for name, value in values.items() if value not in ("", b"", ())}


def _value(value: object) -> object:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
