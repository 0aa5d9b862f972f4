"""The cost of requests with a state in Redis: `python -m benchmarks.redis_state [TASKS ...]`.

Prints for each number of tasks, accounts and scripts the microseconds that Redis computes for one script (two
for each request), and those of this process for one request. Starts a redis-server itself.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from kling_mock import Fake, Request
from kling_mock.plan import NEVER, Plan
from kling_mock.records import NewTask, TaskRecord
from kling_mock.stores import Change
from kling_mock.stores.redis.store import RedisStore
from kling_mock.task_request import TaskRequest
from tests.kling_mock.stores.redis_server import redis_server

PATH = "/kling/v1/images/generations"
LIST = "/v1/images/multi-image2image"
BODY = {"subject_image_list": [{"subject_image": f"https://pictures.test/{name}.png"} for name in "ab"]}
KEY = (("authorization", "Bearer sk-mock-a"),)
REPEATED = 300
RETENTION = 30 * 86_400.0


def fill(store: RedisStore, tasks: int, accounts: int) -> None:
    """Create finished tasks, and some that are not."""
    now = store.clock.now()
    records: list[NewTask] = []
    for number in range(1, tasks + 1):
        account = "sk-mock-a" if number % 2 else f"sk-mock-{number % accounts}"
        request = TaskRequest(("n", "external_task_id"), (1, f"id {number}"), ())
        record = TaskRecord(f"t{number}", account, number, "multi-image2image", request, now, "", 16)
        ends = NEVER if number % 100 == 0 else now
        records.append(NewTask(record, Plan(now, ends, counted=False, failure=None)))
    for at in range(0, tasks, 200):
        store.commit(Change((), tuple(records[at : at + 200])))


def create() -> Request:
    return Request("POST", PATH, headers=KEY, body=json.dumps(BODY).encode())


def measure(fake: Fake, make: Callable[[], Request]) -> tuple[float, float]:
    """Microseconds of Redis for a script, and of this process for a request."""
    client = fake._store._client  # type: ignore[attr-defined] # noqa: SLF001 -- figures of the server
    fake.handle(make())
    client.config_resetstat()
    began = time.process_time()
    for _ in range(REPEATED):
        reply = fake.handle(make())
        if reply.status != 200:
            raise AssertionError(reply.body)
    seconds = time.process_time() - began
    return client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"], seconds / REPEATED * 1e6


def show(tasks: int, accounts: int, scripts: int) -> None:
    store = RedisStore(redis_server().url(), retention=RETENTION, journal_bytes=2**22)
    fill(store, tasks, accounts)
    fake = Fake(store=store, slots=10**6, balance=10**9, pace="polls:1000", unused_scripts="ignore")
    for number in range(scripts):
        fake.when(prompt=f"dog {number}").fails("no luck")
    task = json.loads(fake.handle(create()).body)["data"]["task_id"]
    page = min(max(tasks // 2 // 30 - 1, 1), 1_000)
    requests: dict[str, Callable[[], Request]] = {
        "create": create,
        "query": lambda: Request("GET", f"{PATH}/{task}", headers=KEY),
        "last page": lambda: Request("GET", LIST, f"pageNum={page}&pageSize=30", KEY),
    }
    figures: list[str] = []
    for name, make in requests.items():
        of_redis, own = measure(fake, make)
        figures.append(f"{name} {of_redis:5.0f} {own:5.0f}")
    sys.stdout.write(f"{tasks:8} tasks {accounts:6} accounts {scripts:5} scripts:  {'   '.join(figures)}\n")
    sys.stdout.flush()
    store.clear()


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or ("1000", "10000", "100000")):
        show(number, 1, 1)
    show(10_000, 10_000, 1)
    show(1_000, 1, 1_000)
