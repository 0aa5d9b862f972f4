"""A mock of the service written with FastAPI and pydantic: it validates, keeps and returns tasks."""

from __future__ import annotations

import sys
import time
import uuid
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

from benchmarks.measure import CREATE


class Subject(BaseModel):
    """One subject picture."""

    subject_image: str


class Create(BaseModel):
    """The body of a create request."""

    subject_image_list: list[Subject] = Field(min_length=2, max_length=4)
    prompt: str = Field(default="", max_length=2500)
    n: int = Field(default=1, ge=1, le=9)
    aspect_ratio: Literal["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9"] = "16:9"


class Task(BaseModel):
    """A task, as it is returned."""

    task_id: str
    task_status: str
    task_info: dict[str, str] = {}
    created_at: int
    updated_at: int


class Envelope(BaseModel):
    """A response."""

    code: int
    message: str
    request_id: str
    data: Task


app = FastAPI()
tasks: dict[str, tuple[Create, Task]] = {}


def envelope(task: Task) -> Envelope:
    return Envelope(code=0, message="SUCCEED", request_id=str(uuid.uuid4()), data=task)


def check(authorization: str | None) -> None:
    if not (authorization or "").startswith("Bearer sk-"):
        raise HTTPException(401)


@app.post(CREATE)
async def create(body: Create, authorization: Annotated[str | None, Header()] = None) -> Envelope:
    check(authorization)
    now = int(time.time() * 1000)
    task = Task(task_id=str(len(tasks) + 1), task_status="submitted", created_at=now, updated_at=now)
    tasks[task.task_id] = body, task
    return envelope(task)


@app.get(f"{CREATE}/{{task_id}}")
async def poll(task_id: str, authorization: Annotated[str | None, Header()] = None) -> Envelope:
    check(authorization)
    found: Any = tasks.get(task_id)
    if found is None:
        raise HTTPException(404)
    return envelope(found[1])


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
