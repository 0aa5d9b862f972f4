"""A small correct client over `http.client`, in methods that the faulty clients override one by one."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from kling_contracts import validate
from kling_contracts.client_suite import ClientAdapter, Outcome, Service

Body = dict[str, object]
Data = Mapping[str, Any]
# The exceptions of `http.client` without a complete response.
BROKEN = (http.client.HTTPException, OSError)


class Refused(Exception):
    """The service returned an error; the message contains its response."""


class PlainClient(ClientAdapter):
    """The client, which is its own adapter."""

    scheme = "Bearer"
    pause = 5.0

    def submit(self, service: Service, request: Body) -> str:
        self.check(service, request)
        data = self.create(service, self.encode(request))
        return str(data["task_id"])

    def query(self, service: Service, task_id: str) -> Outcome:
        return self.read(self.ask(service, task_id))

    def wait(self, service: Service, task_id: str, deadline: float) -> Outcome:
        end = time.monotonic() + deadline
        while True:
            outcome = self.look(service, task_id)
            if self.ended(outcome):
                return self.conclude(service, task_id, outcome)
            if time.monotonic() >= end:
                raise TimeoutError(f"task {task_id} is still running")
            time.sleep(min(self.pause, max(end - time.monotonic(), 0.01)))

    def fetch(self, service: Service, url: str) -> bytes:
        return self.exchange(url, "GET", headers={}, timeout=service.timeout)[1]

    def check(self, service: Service, request: Body) -> None:
        violations = validate(request, service.gateway.main)
        if violations:
            raise ValueError("; ".join(map(str, violations)))

    def encode(self, request: Body) -> Body:
        return request

    def create(self, service: Service, request: Body) -> Data:
        return self.call(service, "POST", service.create_url, json.dumps(request).encode())

    def ask(self, service: Service, task_id: str) -> Data:
        return self.call(service, "GET", service.task_url(task_id))

    def look(self, service: Service, task_id: str) -> Outcome:
        """One query of a wait."""
        return self.read(self.ask(service, task_id))

    def read(self, data: Data) -> Outcome:
        result = data.get("task_result") or {}
        images = [image["url"] for image in result.get("images") or []]
        return Outcome(data["task_status"], images, data.get("task_status_msg"))

    def ended(self, outcome: Outcome) -> bool:
        return outcome.status in ("succeed", "failed")

    def conclude(self, service: Service, task_id: str, outcome: Outcome) -> Outcome:
        """The result of a wait, made from the terminal state."""
        return outcome

    def headers(self, service: Service) -> dict[str, str]:
        key = f"{self.scheme} {service.api_key}".strip()
        return {"Authorization": key, "Content-Type": "application/json"}

    def call(self, service: Service, method: str, url: str, content: bytes | None = None) -> Data:
        status, body = self.exchange(
            url, method, headers=self.headers(service), timeout=service.timeout, content=content
        )
        return self.judge(status, body)

    def judge(self, status: int, body: bytes) -> Data:
        if status != 200:
            raise Refused(f"HTTP {status}: {body.decode()}")
        answer = json.loads(body)
        if answer["code"] != 0:
            raise Refused(f"code {answer['code']}: {answer['message']}")
        return cast("Data", answer["data"])

    def exchange(
        self,
        url: str,
        method: str,
        *,
        headers: Mapping[str, str],
        timeout: float,
        content: bytes | None = None,
    ) -> tuple[int, bytes]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        try:
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, content, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
