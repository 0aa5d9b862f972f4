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

from kling_contracts.gateways import GATEWAYS, KLING, Gateway
from tests.contracts.verify.faulty_servers.base import Behind, Fault, FaultyServer
from tests.contracts.verify.faulty_servers.messages import (
    Callback,
    Object,
    Request,
    Response,
    as_object,
    images_of,
)
from tests.contracts.verify.faulty_servers.tasks import whole
from tests.profiles import FULL
from tests.rows import some_rows

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
    "unrouted",
    "gateways",
    "created",
    "errors",
    "malformed",
    "lag",
}


# Keys that describe a variant and change nothing.
NOTES = {"description", "gateways"}
# Keys whose effect depends on the HTTP library of the run.
HTTP = {"headers", "gzip"}


class Otherwise(FaultyServer):
    """Changes responses and callbacks as a file of `benign/` describes."""

    def __init__(self, variant: Mapping[str, Any], behind: Behind) -> None:
        super().__init__(behind)
        self.variant = variant
        self._own: dict[str, str] = {}
        self._numbers = count(1)
        self._states: dict[str, list[Object]] = {}

    def before(self, request: Request) -> None:
        if request.task_id in self._own:
            request.path = f"{self.gateway.create_path}/{self._own[request.task_id]}"

    def after(self, request: Request, response: Response) -> None:
        response.headers |= self.variant.get("headers", {}) if request.is_api else {}
        if request.is_api and response.status in (404, 405):
            self._unrouted(response)
        if not request.is_api or not response.peek:
            return
        self._errors(request, response)
        if "lag" in self.variant:
            for task in response.tasks:
                self._lag(task)
        for task in response.tasks:
            self._task(task)
        self._envelope(response, created=request.creates and response.good)
        content = response.body
        if self.variant.get("order") == "reversed":
            content = reverse(content)
        response.content = json.dumps(content, indent=self.variant.get("indent")).encode()
        if self.variant.get("gzip"):
            response.content = gzip.compress(response.content)
            response.headers["content-encoding"] = "gzip"

    def _errors(self, request: Request, response: Response) -> None:
        body = response.peek
        malformed = request.creates and not request.peek and response.status == 400
        if malformed and self.variant.get("malformed") == "captured":
            response.status = 500
            error = {"message": str(body["message"]), "type": "comet_api_error", "param": ""}
            response.json = {"error": error | {"code": "invalid_request"}}
        elif self.variant.get("errors") == "wrapped" and isinstance(body.get("code"), int) and body["code"]:
            message = body["message"]
            response.json = {"message": message, "data": {"data": dict(body), "message": message}}

    def _lag(self, task: Object) -> None:
        """Show the state of a second ago, as far as queries have shown it."""
        name = str(task["task_id"])
        latest = dict(task)
        earlier = self._states.setdefault(name, [])
        if not earlier:
            begin = latest | {
                "task_status": "submitted",
                "updated_at": latest["created_at"],
                "task_result": {},
            }
            begin.pop("final_unit_deduction", None)
            begin.pop("task_status_msg", None)
            earlier.append(begin)
        if latest["task_status"] != earlier[-1]["task_status"]:
            earlier.append(latest)
        then = (self.now() - self.variant["lag"]) * 1000
        shown = [each for each in earlier if whole(each["updated_at"]) <= then] or earlier[:1]
        task.clear()
        task.update(shown[-1])

    def _unrouted(self, response: Response) -> None:
        match self.variant.get("unrouted"):
            case "html":
                response.headers["content-type"] = "text/html"
                response.content = b"<html><title>404 Not Found</title></html>"
            case "null code":
                response.json = {"code": None, "message": "404"}
            case _:
                pass

    def call_back(self, callback: Callback) -> Iterable[Callback]:
        how = self.variant.get("callbacks", {})
        if callback.peek["task_status"] in how.get("skip", ()):
            return []
        self._task(callback.task)
        for name in how.get("leave_out", ()):
            callback.task.pop(name, None)
        return [callback, callback] if how.get("twice") else [callback]

    def _envelope(self, response: Response, *, created: bool) -> None:
        body = response.body
        body |= self.variant.get("extra", {}).get("envelope", {})
        texts = {True: self.variant.get("success"), False: self.variant.get("error")}
        text = texts[response.good]
        for holder in (body, as_object(body.get("error"))):
            if text and "message" in holder:
                holder["message"] = text
        if self.variant.get("created") == "captured" and created:
            body.pop("request_id", None)
            body["message"] = "success"
        if self.variant.get("request_ids") == "task" and response.task:
            body["request_id"] = response.task["task_id"]
        if "request_id" in body and self.variant.get("request_ids") == "stamped":
            body["request_id"] = f"20260101000000{next(self._numbers):09}SIHCnxzJ"

    def _task(self, task: Object) -> None:
        self._id(task)
        extra = self.variant.get("extra", {})
        task |= extra.get("task", {})
        for image in images_of(task):
            image.update(extra.get("image", {}))
            if self.variant.get("index") == "absent":
                image.pop("index", None)
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
            "19 digits": lambda own: f"2{own}",
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


Variant = Mapping[str, Any]


def packed(variants: Iterable[tuple[str, Variant]]) -> list[list[tuple[str, Variant]]]:
    """Groups of variants that one server can show at once, as they set different keys."""
    packs: list[list[tuple[str, Variant]]] = []
    for name, variant in variants:
        keys = variant.keys() - NOTES
        fitting = (pack for pack in packs if not any(keys & other.keys() for _, other in pack))
        pack = next(fitting, None)
        if pack is None:
            packs.append(pack := [])
        pack.append((name, variant))
    return packs


def _runs(gateway: Gateway) -> list[tuple[list[tuple[str, Variant]], Gateway]]:
    """`make faulty-servers` has one server for each variant, `make test` one for each group of variants."""
    variants = [(path.stem, variant_of(path)) for path in VARIANTS]
    of_gateway = [pair for pair in variants if gateway.name in pair[1].get("gateways", [gateway.name])]
    packs: list[list[tuple[str, Variant]]] = [[pair] for pair in of_gateway] if FULL else packed(of_gateway)
    return [(pack, gateway) for pack in packs]


RUNS = [run for gateway in GATEWAYS for run in _runs(gateway)]


@some_rows(
    ("variants", "gateway"),
    RUNS,
    usual=[run for run in RUNS if run[1] is KLING][::2],
    ids=[f"{gateway.name}-{pack[0][0]}" for pack, gateway in RUNS],
)
def test_no_finding(variants: list[tuple[str, Variant]], gateway: Gateway, light_campaign: Campaign) -> None:
    """Differences that the contract allows are not findings."""
    together = {key: value for _, variant in variants for key, value in variant.items()}
    fault = Fault(
        name=", ".join(name for name, _ in variants),
        catches="",
        description=together["description"],
        make=lambda behind: Otherwise(together, behind),
    )
    timing = {name: together[name] for name in ("pace", "latency") if name in together}
    outcome = light_campaign(gateway, fault, httpx=not HTTP.isdisjoint(together), **timing)
    assert outcome.findings == "", fault.name
    # The light campaign suffices: no variant concerns the largest images.
    undecided = {check_id for check_id in outcome.undecided if not check_id.endswith(".max_bytes")}
    assert undecided == set(), fault.name


def test_every_variant_is_in_one_group() -> None:
    """No group holds two variants that set the same key."""
    variants = [(path.stem, variant_of(path)) for path in VARIANTS]
    packs = packed(variants)
    assert sorted(name for pack in packs for name, _ in pack) == [name for name, _ in variants]
    assert len(packs) < len(variants) / 4
    for pack in packs:
        keys = [key for _, variant in pack for key in variant.keys() - NOTES]
        assert len(keys) == len(set(keys))
