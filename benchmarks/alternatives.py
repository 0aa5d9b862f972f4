"""What a user would pick instead: other mocks, and servers written by hand. Part of `make bench`.

In process, each alternative answers a pair of requests, create and poll; with sockets, `wrk` sends them over
32 connections. All take turns in one run. The work differs: most alternatives return a constant or keep what
they received, and validate nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import httpx2

from benchmarks.in_process import constant, constant2, plain_pytest_httpx, plain_respx, talk
from benchmarks.measure import BODY, CREATE, KEY, PAIRS, ROUNDS, Row, Run, cpu, query_path
from benchmarks.processes import BARE, FAKE, Process, free_port
from kling_mock import Fake

# Where `make bench` installs moto and, if there is npm, the programs of npm.
MOTO = Path(sys.prefix) / "moto"
NPM = Path(sys.prefix) / "npm" / "node_modules" / ".bin"
CONNECTIONS = 32
SECONDS = 1
# The size of the body of a create.
BYTES = 650
# The path of the OpenAI video jobs of aimock.
VIDEOS = "/v1/videos"


class Figure(NamedTuple):
    """One alternative: CPU in us of a create and of a poll, or of both; ratios to the reference."""

    name: str
    spent: tuple[float, ...]
    ratios: tuple[float, ...]


# -- in process


def in_process() -> list[Figure]:
    """A create and a poll with each mock, beside httpx.MockTransport with a constant response."""
    with ExitStack() as stack:

        def client(library: Any, transport: Any = None) -> Any:
            return stack.enter_context(library.Client(transport=transport, headers=KEY))

        def opened(mock: Callable[[], AbstractContextManager[Any]], asking: Any) -> Run:
            def run() -> None:
                with mock():
                    talk(asking)

            return run

        floors = {
            "httpx MockTransport, a constant": client(httpx, httpx.MockTransport(constant)),
            "httpx2 MockTransport, a constant": client(httpx2, httpx2.MockTransport(constant2)),
            "kling-mock, transport() of httpx": client(httpx, Fake().transport()),
            "kling-mock, transport() of httpx2": client(httpx2, Fake().transport()),
        }
        runs = {name: opened(nullcontext, each) for name, each in floors.items()}
        plain, plain2 = client(httpx), client(httpx2)
        runs |= {
            "kling-mock, intercept() of httpx": opened(lambda: Fake().intercept(), plain),
            "kling-mock, intercept() of httpx2": opened(lambda: Fake().intercept(), plain2),
            "pytest-httpx, a constant": opened(plain_pytest_httpx, plain),
            "respx, a constant": opened(plain_respx, plain),
        }
        moto = _moto(stack)
        if moto is not None:
            runs["moto: S3 put and get with boto3"] = moto
        for run in runs.values():
            run()
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, run in runs.items():
                taken[name].append(cpu(run) / PAIRS * 1e6)
    floor = taken["httpx MockTransport, a constant"]
    return [
        Figure(
            name,
            (statistics.median(times),),
            (statistics.median(mine / its for mine, its in zip(times, floor, strict=True)),),
        )
        for name, times in taken.items()
    ]


def _moto(stack: ExitStack) -> Run | None:
    """Pairs of requests to the mock of S3; None if moto is not installed."""
    sys.path.append(str(MOTO))
    try:
        boto3: Any = import_module("boto3")
        moto: Any = import_module("moto")
    except ImportError:
        return None
    stack.enter_context(moto.mock_aws())
    keys = {"aws_access_key_id": "mock", "aws_secret_access_key": "mock", "region_name": "us-east-1"}
    s3 = boto3.client("s3", **keys)
    s3.create_bucket(Bucket="tasks")
    body = json.dumps(BODY).encode()

    def run() -> None:
        for _ in range(PAIRS):
            s3.put_object(Bucket="tasks", Key="one", Body=body)
            s3.get_object(Bucket="tasks", Key="one")["Body"].read()

    return run


# -- servers


class Server(NamedTuple):
    """A server to measure: the process, the path of its creates and that of a poll."""

    name: str
    process: Process
    create: str
    poll: str


def servers() -> list[Figure]:
    """The CPU of each server for creates and polls; an empty list without `wrk` or Linux."""
    if shutil.which("wrk") is None or not Path("/proc/self/schedstat").exists():
        return []
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        found = list(_started(folder, stack))
        creates, videos, polls = _scripts(folder)
        taken: dict[str, list[tuple[float, float]]] = {each.name: [] for each in found}
        for _ in range(3):
            for each in found:
                script = videos if each.create == VIDEOS else creates
                taken[each.name].append((_spent(each, each.create, script), _spent(each, each.poll, polls)))
    floors = taken["bare ASGI on uvicorn"]
    figures: list[Figure] = []
    for name, rows in taken.items():
        ratios = [
            statistics.median(mine[at] / floor[at] for mine, floor in zip(rows, floors, strict=True))
            for at in (0, 1)
        ]
        spent = [statistics.median(row[at] for row in rows) for at in (0, 1)]
        figures.append(Figure(name, tuple(spent), tuple(ratios)))
    return figures


def missing() -> list[str]:
    """The alternatives that are not measured, with the reason."""
    left_out = [
        f"{name} (needs npm)"
        for name, command in (("aimock", "llmock"), ("mountebank", "mb"))
        if not (NPM / command).exists()
    ]
    if not MOTO.exists():
        left_out.append("moto (not installed)")
    if shutil.which("wrk") is None:
        left_out.append("all servers (needs wrk; Debian: apt-get install wrk)")
    return left_out


def _started(folder: Path, stack: ExitStack) -> Iterator[Server]:
    def start(*words: str, path: str = CREATE, port: int | None = None) -> tuple[Process, httpx.Response]:
        process = Process(*words, path=path, port=port)
        stack.callback(process.stop)
        with httpx.Client(headers=KEY, transport=httpx.HTTPTransport(verify=False)) as client:
            return process, client.post(process.url + path, json=BODY)

    bare, _ = start(*BARE)
    yield Server("bare ASGI on uvicorn", bare, CREATE, f"{CREATE}/1")
    mine, created = start(*FAKE)
    yield Server("kling-mock", mine, CREATE, query_path(created.json()).partition("?")[0])
    fastapi, created = start("-m", "benchmarks.fastapi_app", "PORT")
    yield Server("FastAPI + pydantic", fastapi, CREATE, query_path(created.json()).partition("?")[0])
    if (NPM / "llmock").exists():
        video = {"video": {"id": "one", "status": "completed", "url": "https://example.com/one.mp4"}}
        fixture = folder / "aimock.json"
        fixture.write_text(json.dumps({"fixtures": [{"match": {"endpoint": "video"}, "response": video}]}))
        words = (str(NPM / "llmock"), "-p", "PORT", "-f", str(fixture), "--log-level", "silent")
        aimock, _ = start(*words, path=VIDEOS)
        yield Server("aimock: video jobs", aimock, VIDEOS, f"{VIDEOS}/one")
    if (NPM / "mb").exists():
        port = free_port()
        config = folder / "mountebank.json"
        config.write_text(json.dumps({"imposters": [_imposter(port)]}))
        admin = ("--port", str(free_port()), "--pidfile", str(folder / "mb.pid"))
        quiet = ("--nologfile", "--loglevel", "error", "--allowInjection", "--configfile", str(config))
        mountebank, created = start(str(NPM / "mb"), *admin, *quiet, port=port)
        yield Server(
            "mountebank: injected", mountebank, CREATE, f"{CREATE}/{created.json()['data']['task_id']}"
        )


def _imposter(port: int) -> dict[str, Any]:
    """An imposter of mountebank that keeps each task, and returns it to polls."""
    reply = (
        "return {statusCode: 200, headers: {'Content-Type': 'application/json', Connection: 'keep-alive'}, "
        "body: {code: 0, message: 'SUCCEED', data: config.state.tasks[id]}}; }"
    )
    create = (
        "(config) => { const state = config.state; state.tasks = state.tasks || {}; "
        "const id = String(state.last = (state.last || 0) + 1); state.tasks[id] = "
        "{task_id: id, task_status: 'submitted', asked: JSON.parse(config.request.body)}; "
    )
    poll = "(config) => { const id = config.request.path.split('/').pop(); "
    stubs = [
        {"predicates": [{"equals": {"method": method}}], "responses": [{"inject": code + reply}]}
        for method, code in (("POST", create), ("GET", poll))
    ]
    return {"port": port, "protocol": "http", "stubs": stubs}


def _scripts(folder: Path) -> tuple[Path, Path, Path]:
    """The scripts of wrk for creates, for those of aimock, and for polls."""
    headers = "".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n" for name, value in KEY.items()
    )
    polls = folder / "poll.lua"
    polls.write_text(headers)
    scripts: list[Path] = []
    # aimock requires a model; for the others it would be an unknown field.
    for name, extra in (("create", {}), ("video", {"model": "sora-2"})):
        body: dict[str, Any] = {**BODY, **extra}
        prompt = str(BODY["prompt"])
        body["prompt"] = prompt.ljust(len(prompt) + BYTES - len(json.dumps(body)), ".")
        scripts.append(folder / f"{name}.lua")
        scripts[-1].write_text(
            f'{headers}wrk.method = "POST"\nwrk.body = {json.dumps(json.dumps(body))}\n'
            'wrk.headers["content-type"] = "application/json"\n'
        )
    return scripts[0], scripts[1], polls


def _spent(server: Server, path: str, script: Path) -> float:
    """The CPU time of a server for one request, in us."""
    began = server.process.cpu()
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{SECONDS}s",
        "-s",
        str(script),
        server.process.url + path,
    ]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in", shown)
    if found is None or "Non-2xx" in shown:
        raise RuntimeError(f"{server.name} refused requests: {shown}")
    return (server.process.cpu() - began) / int(found[1]) * 1e6


# -- rows


def rows(figures: list[Figure]) -> Iterator[Row]:
    """The rows of the table: those of kling-mock with its budgets."""
    for figure in figures:
        parts = (("create", 1.30), ("poll", 1.10)) if len(figure.spent) > 1 else (("", None),)
        for (part, budget), spent, ratio in zip(parts, figure.spent, figure.ratios, strict=True):
            what = f"wrk, {figure.name}: {part}" if part else f"pair, {figure.name}"
            beside = "bare ASGI" if part else "MockTransport"
            yield Row(
                what, beside, budget if figure.name == "kling-mock" else None, ratio, "", f"{spent:.0f} us"
            )
