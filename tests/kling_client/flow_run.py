"""Runs a flow without I/O: scripted outcomes, recorded steps, and a clock that advances by sleeping."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kling_client.config import Config
from kling_client.credentials import PlainKey
from kling_client.flows import query, submit, watch
from kling_client.request import Draft
from kling_client.retry import Poll, Retry
from kling_client.snapshot import TaskSnapshot
from kling_client.steps import Call, Failure, Flow, Head, Outcome, Read, Send, Show, Sleep, Stage
from kling_contracts.gateways import COMETAPI
from tests.kling_client.conftest import KEY, TASK_ID, FakeTime, task

# The outcome of a call: a failure, or a head and the chunks of a body, the last of which may be a failure.
Answer = Failure | tuple[Head, list["bytes | Failure"]]
Result = tuple[Any, "Run"]


class Run:
    """Runs a flow and records its steps."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.calls: list[Call] = []
        self.times: list[float] = []
        self.shown: list[TaskSnapshot] = []

    def play(self, flow: Flow[Any], answers: Iterable[Answer], spend: float = 0.0) -> Any:
        """Run a flow with scripted answers. Each takes `spend` seconds; the last one repeats."""
        script = list(answers)
        body: list[bytes | Failure] = []
        outcome: Outcome = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as stop:
                return stop.value
            outcome = None
            if isinstance(step, Send):
                self.calls.append(step.call)
                self.times.append(self.time.now)
                self.time.now += min(spend, step.call.timeout)
                answer = script.pop(0) if len(script) > 1 else script[0]
                outcome, body = (answer, []) if isinstance(answer, Failure) else (answer[0], list(answer[1]))
            elif isinstance(step, Read):
                outcome = body.pop(0) if body else b""
            elif isinstance(step, Sleep):
                self.time.sleep(step.seconds)
            elif isinstance(step, Show):
                assert isinstance(step.value, TaskSnapshot)
                self.shown.append(step.value)


def config(run: Run, **changes: Any) -> Config:
    values: dict[str, Any] = {
        "gateway": COMETAPI,
        "credentials": PlainKey(KEY),
        "base_url": "https://h",
        "timeout": 30.0,
        "retry": Retry(),
        "poll": Poll(),
        "max_image_bytes": 10**6,
        "clock": run.time.clock,
    }
    return Config(**values | changes)


def answer(status: int = 200, body: object = None, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head(status, named), [content]


def seen(status: str = "processing", **fields: Any) -> Answer:
    return answer(
        200, {"code": 0, "message": "SUCCEED", "request_id": "c065", "data": task(status, **fields)}
    )


UNSENT = Failure(Stage.UNSENT, "ConnectError: refused", OSError("refused"))
LATE = Failure(Stage.SENT, "ReadTimeout: timed out", TimeoutError())
IMPOSSIBLE = Failure(Stage.IMPOSSIBLE, "InvalidURL")
CUT: Answer = (Head(200, {"content-length": "500"}), [b'{"code": 0'])
BROKEN: Answer = (Head(200, {}), [b'{"code"', Failure(Stage.SENT, "ReadError")])
BUSY = answer(429, {"code": 1303, "message": "parallel task over resource pack limit"})
EMPTY_ACCOUNT = answer(429, {"code": 1102, "message": "Account balance not enough"})
DOWN = answer(503, {"code": 5001, "message": "maintenance"})
DOWN_FOR_A_WHILE = answer(503, {"code": 5001, "message": "maintenance"}, retry_after="3")
BAD_GATEWAY = answer(502, b"<html>Bad Gateway</html>")
DOWN_AFTER_ALL = answer(500, {"code": 5000, "message": "oops"}, retry_after="3")
GATEWAY_TIMEOUT = answer(504, b"")
SERVER_ERROR = answer(500, {"code": 5000, "message": "oops"})
NO_MODEL = answer(503, {"error": {"message": "no channel", "code": "model_not_found"}})
BAD_REQUEST = answer(400, {"code": 1201, "message": "n value '10' is invalid"})
BAD_KEY = answer(401, {"error": {"message": "invalid token", "code": ""}})
UNKNOWN = answer(400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})
HTML = answer(200, b"<html>")
EMPTY = answer(204, b"")
REDIRECT = answer(307, b"", location="https://elsewhere/")
ZIPPED: Answer = (Head(200, {"content-encoding": "gzip"}), [b"never read"])
HIDDEN_REFUSAL = answer(200, {"code": 1201, "message": "bad"})
HIDDEN_FAULT = answer(200, {"code": 5000, "message": "oops"})


def create(*answers: Answer, **changes: Any) -> Result:
    run = Run()
    flow = submit(config(run, **changes), Draft(b"{}", "mine"), TaskSnapshot(id=""))
    return run.play(flow, answers), run


def ask(*answers: Answer, **changes: Any) -> Result:
    run = Run()
    return run.play(query(config(run, **changes), TaskSnapshot(id=TASK_ID)), answers), run


def wait(
    *answers: Answer,
    deadline: float = 600.0,
    spend: float = 0.0,
    known: TaskSnapshot | None = None,
    **changes: Any,
) -> Run:
    run = Run()
    flow = watch(
        config(run, **changes),
        known or TaskSnapshot(id=TASK_ID),
        deadline,
        lambda state: (state.status, state.updated_at),
    )
    run.play(flow, answers, spend)
    return run
