"""Cost of turning a request into a command: a usual create, one with inline pictures, and a query."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from benchmarks.measure import BODY, CREATE, REQUEST, Row, Run, compare
from kling_contracts.gateways import COMETAPI
from kling_contracts.image_files import png
from kling_mock import Request
from kling_mock.header_facts import header_facts
from kling_mock.routing import parse_request, read_create
from kling_mock.settings import Settings

BUDGET = 6
TIMES = 2000
# A prompt of 300 characters.
USUAL = json.dumps(BODY | {"prompt": (f"{BODY['prompt']}; " * 4)[:300]}).encode()


def reading() -> Iterator[Row]:
    settings = Settings()
    route = COMETAPI.create_paths[CREATE]

    def loads(body: bytes, times: int) -> Run:
        return lambda: [json.loads(body) for _ in range(times)]

    def parses(request: Request, times: int) -> Run:
        return lambda: [
            parse_request(request, header_facts(request.headers), settings, 0.0) for _ in range(times)
        ]

    def row(what: str, run: Run, body: bytes = USUAL, times: int = TIMES, budget: float | None = None) -> Row:
        ratio, spent = compare(run, loads(body, times), times)
        return Row(what, "json.loads", budget, spent, "us", f"{ratio:.2f} x json.loads of {len(body):,} B")

    usual = Request("POST", CREATE, headers=REQUEST.headers, body=USUAL)

    def read() -> None:
        for _ in range(TIMES):
            read_create(usual, settings, COMETAPI, route, "sk-mock")

    yield row("a create with four URLs, read and validated", read, budget=BUDGET)
    yield row("the same, with key and route", parses(usual, TIMES))
    picture = base64.b64encode(png(300, 300, size=20_000)).decode()
    inline = json.dumps({**BODY, "subject_image_list": [{"subject_image": picture}] * 4}).encode()
    request = Request("POST", CREATE, headers=REQUEST.headers, body=inline)
    yield row("a create with four inline pictures of 20 kB", parses(request, 100), inline, 100)
    query = Request("GET", f"{CREATE}/871234567890123456", headers=REQUEST.headers)
    yield row("a query, with key and route", parses(query, TIMES))
