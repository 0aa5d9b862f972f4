"""Correct servers that differ from the fake: the verifier reports no finding on either gateway."""

from __future__ import annotations

import base64
import gzip
import json
import tomllib
import uuid
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kling_contracts.gateways import GATEWAYS, Gateway
from tests.contracts.verify.faulty_servers.base import Behind, Fault, FaultyServer
from tests.contracts.verify.faulty_servers.messages import (
    Callback,
    Object,
    Request,
    Response,
    as_object,
    images_of,
)
from tests.profiles import EVERY_FAULT

if TYPE_CHECKING:
    from tests.contracts.verify.conftest import Campaign

VARIANTS = sorted((Path(__file__).parent / "benign").glob("*.toml"))
KNOWN = {
    "description",
    "pace",
    "latency",
    "headers",
    "gzip",
    "indent",
    "order",
    "extra",
    "success",
    "error",
    "task_info",
    "task_result",
    "task_status_msg",
    "index",
    "deduction",
    "task_ids",
    "request_ids",
    "callbacks",
}


class Otherwise(FaultyServer):
    """Changes responses and callbacks as a file of `benign/` describes."""

    def __init__(self, variant: Mapping[str, Any], behind: Behind) -> None:
        super().__init__(behind)
        self.variant = variant
        self._own: dict[str, str] = {}
        self._numbers = count(1)

    def before(self, request: Request) -> None:
        if request.task_id in self._own:
            request.path = f"{self.gateway.create_path}/{self._own[request.task_id]}"

    def after(self, request: Request, response: Response) -> None:
        response.headers |= self.variant.get("headers", {}) if request.is_api else {}
        if not request.is_api or not response.peek:
            return
        for task in response.tasks:
            self._task(task)
        self._envelope(response)
        content = response.body
        if self.variant.get("order") == "reversed":
            content = reverse(content)
        response.content = json.dumps(content, indent=self.variant.get("indent")).encode()
        if self.variant.get("gzip"):
            response.content = gzip.compress(response.content)
            response.headers["content-encoding"] = "gzip"

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        how = self.variant.get("callbacks", {})
        if callback.peek["task_status"] in how.get("skip", ()):
            return []
        self._task(callback.task)
        for name in how.get("leave_out", ()):
            callback.task.pop(name, None)
        return [callback, callback] if how.get("twice") else [callback]

    def _envelope(self, response: Response) -> None:
        body = response.body
        body |= self.variant.get("extra", {}).get("envelope", {})
        texts = {True: self.variant.get("success"), False: self.variant.get("error")}
        text = texts[response.good]
        for holder in (body, as_object(body.get("error"))):
            if text and "message" in holder:
                holder["message"] = text
        if "request_id" in body and self.variant.get("request_ids"):
            body["request_id"] = f"20260101000000{next(self._numbers):09}SIHCnxzJ"

    def _task(self, task: Object) -> None:
        self._id(task)
        extra = self.variant.get("extra", {})
        task |= extra.get("task", {})
        for image in images_of(task):
            image.update(extra.get("image", {}))
            if self.variant.get("index") == "absent":
                image.pop("index")
        self._info(task)
        if not images_of(task):
            self._result(task)
        if "task_status_msg" in self.variant:
            task.setdefault("task_status_msg", self.variant["task_status_msg"])
        if self.variant.get("deduction") == "absent":
            task.pop("final_unit_deduction", None)

    def _info(self, task: Object) -> None:
        match self.variant.get("task_info"):
            case "absent":
                task.pop("task_info", None)
            case "null" if not task.get("task_info"):
                task["task_info"] = None
            case "holds null" if not task.get("task_info"):
                task["task_info"] = {"external_task_id": None}
            case _:
                pass

    def _result(self, task: Object) -> None:
        match self.variant.get("task_result"):
            case "absent":
                task.pop("task_result", None)
            case "null":
                task["task_result"] = None
            case "no images":
                task["task_result"] = {"images": []}
            case _:
                pass

    def _id(self, task: Object) -> None:
        forms: dict[str, Callable[[str], str]] = {
            "uuid": lambda own: str(uuid.uuid5(uuid.NAMESPACE_URL, own)),
            "base64url": lambda own: base64.urlsafe_b64encode(own.encode())[:22].decode().rjust(22, "C"),
            "prefixed": lambda own: f"task_{own}",
        }
        form = self.variant.get("task_ids")
        if form is not None:
            own = str(task["task_id"])
            task["task_id"] = forms[form](own)
            self._own[str(task["task_id"])] = own


def reverse(value: Any) -> Any:
    """The same JSON with the keys of each object in reverse order."""
    if isinstance(value, dict):
        return {key: reverse(value[key]) for key in reversed(value)}
    return [reverse(item) for item in value] if isinstance(value, list) else value


def variant_of(path: Path) -> dict[str, Any]:
    variant = tomllib.loads(path.read_text(encoding="utf-8"))
    assert variant.keys() <= KNOWN, "an unknown key has no effect"
    assert len(variant) > 1
    return variant


RUNS = [
    pytest.param(path, gateway, id=f"{path.stem}-{gateway.name}")
    for at, path in enumerate(VARIANTS)
    for turn, gateway in enumerate(GATEWAYS)
    if EVERY_FAULT or at % len(GATEWAYS) == turn
]


@pytest.mark.parametrize(("path", "gateway"), RUNS)
def test_no_finding(path: Path, gateway: Gateway, light_campaign: Campaign) -> None:
    """Differences that the contract allows are not findings."""
    variant = variant_of(path)
    fault = Fault(
        name=path.stem,
        catches="",
        description=variant["description"],
        make=lambda behind: Otherwise(variant, behind),
    )
    timing = {name: variant[name] for name in ("pace", "latency") if name in variant}
    outcome = light_campaign(gateway, fault, **timing)
    assert outcome.findings == ""
    # The light campaign suffices: no variant concerns the largest images.
    assert {check_id for check_id in outcome.undecided if not check_id.endswith(".max_bytes")} == set()
