"""Create, query, watch and list tasks, as flows: which calls are made, which again, and when it is over.

the call          no connection   cut or late       429     503 + Retry-After   other 5xx         4xx
GET               again           again             again   again               again             raise
POST (is billed)  again           SubmitUncertain   again   again               SubmitUncertain   raise
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from kling_client.config import Config
from kling_client.errors import (
    ApiError,
    AuthError,
    ConfigError,
    KlingError,
    ServerError,
    SubmitUncertain,
    TransportError,
    UnexpectedReply,
    UnreadableReceipt,
    WaitTimeout,
)
from kling_client.replies import Redact, Reply, is_transient, read_task, read_tasks
from kling_client.request import Draft
from kling_client.retry import Timer, read_retry_after
from kling_client.snapshot import Snapshot, TaskSnapshot
from kling_client.steps import Call, Failure, Flow, Head, Stage, read, send, show, sleep
from kling_contracts.vocabulary import MEGABYTE, PAGE_FIRST, PAGE_LAST, PAGE_SIZE_MAXIMUM, PAGE_SIZE_MINIMUM

T = TypeVar("T")
Task = TypeVar("Task", bound=TaskSnapshot)
Reader = Callable[[Reply, Redact], T]

JSON_LIMIT: Final = 8 * MEGABYTE
USER_AGENT: Final = "kling-client"
EXPIRED_TOKEN: Final = 1004

log = logging.getLogger("kling_client")


def submit(config: Config, draft: Draft, blank: Task) -> Flow[Task]:
    """Create a task and return `blank` filled in. Sent again only where the service provably did nothing."""
    call = _call(config, "POST", config.create_url, draft.content)
    snapshot = yield from _persist(config, call, read_task, draft.external_task_id)
    task = blank.seen(snapshot)
    log.info("task %r created (request id %r)", task.id, task.request_id)
    return task


def query(config: Config, task: Task) -> Flow[Task]:
    """The task as it is now."""
    snapshot = yield from _persist(config, _call(config, "GET", config.task_url(task.id)), read_task)
    return _same(config, task, snapshot)


def listing(config: Config, blank: TaskSnapshot, page_size: int) -> Flow[None]:
    """Show every task of the account as `blank` filled in, newest first; a page is asked for when needed.

    Raises ConfigError, before anything is asked, where nothing can be listed.
    """
    if not config.gateway.lists:
        raise ConfigError(f"{config.gateway.title} lists no tasks: keep the ids, they are the receipts")
    least, most = PAGE_SIZE_MINIMUM.value, PAGE_SIZE_MAXIMUM.value
    if not least <= page_size <= most:
        raise ConfigError(f"page_size must be from {least} to {most}, not {page_size}")
    return _pages(config, blank, page_size)


def _pages(config: Config, blank: TaskSnapshot, page_size: int) -> Flow[None]:
    known: set[str] = set()
    for number in range(PAGE_FIRST.value, PAGE_LAST.value + 1):
        call = _call(config, "GET", config.page_url(number, page_size))
        page = yield from _persist(config, call, read_tasks)
        for snapshot in page:
            # Tasks created meanwhile push the others on to pages that are still to come.
            if snapshot.message.task_id not in known:
                known.add(snapshot.message.task_id)
                yield from show(blank.seen(snapshot))
        if len(page) < page_size:
            return


def watch(config: Config, task: Task, deadline: float, aspect: Callable[[Task], object]) -> Flow[None]:
    """Show the task at once, at each change of `aspect`, and at its end; then stop.

    A poll that fails is repeated like one that found nothing new, and only the deadline ends it.
    """
    timer = Timer(config.clock, deadline)
    if task.terminal:
        yield from show(task)
        return
    pauses = config.poll.pauses()
    shown: object = None
    while True:
        call = _call(config, "GET", config.task_url(task.id), timeout=timer.clip(config.timeout))
        found = yield from _ask(config, call, read_task)
        trouble = found if isinstance(found, _Trouble) else None
        if isinstance(found, _Trouble):
            found.raise_unless_worth_waiting(config)
            log.debug("poll of task %r failed: %s", task.id, found.error)
        else:
            task = _same(config, task, found.value)
            if aspect(task) != shown:
                shown = aspect(task)
                yield from show(task)
            if task.terminal:
                return
        remaining = timer.remaining
        # A server that asks for more patience than is left is not asked again before its time.
        refused = trouble is not None and trouble.retry_after > remaining
        if not remaining or refused:
            raise WaitTimeout(task, timer.spent) from (None if trouble is None else trouble.error)
        wanted = max(next(pauses), min(found.retry_after, config.retry.max_retry_after))
        pause = min(wanted, remaining)
        yield from sleep(pause)
        timer.slept += pause


@dataclass(frozen=True, slots=True)
class _Seen(Generic[T]):
    """An answer of success was read. `retry_after` is when the service suggests to ask again."""

    value: T
    retry_after: float


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A call failed. `again` tells whether the same call may be sent once more."""

    error: KlingError
    again: bool
    retry_after: float = 0.0

    @property
    def expired(self) -> bool:
        """Whether the service says that the token has expired: then it has done nothing else."""
        error = self.error
        return isinstance(error, AuthError) and (error.status, error.code) == (401, EXPIRED_TOKEN)

    def raise_unless_worth_waiting(self, config: Config) -> None:
        if not self.again or self.retry_after > config.retry.max_retry_after:
            raise self.error


def _persist(config: Config, call: Call, reader: Reader[T], external_task_id: str | None = None) -> Flow[T]:
    """What the answer to a call says, which is made as often as the table above and `Retry` allow."""
    pauses: Iterator[float] = config.retry.pauses()
    while True:
        found = yield from _ask(config, call, reader, external_task_id)
        if isinstance(found, _Seen):
            return found.value
        found.raise_unless_worth_waiting(config)
        pause = next(pauses, None)
        if pause is None:
            raise found.error
        log.info("%s will be sent again: %s", call.method, found.error)
        yield from sleep(max(pause, found.retry_after))


def _ask(
    config: Config, call: Call, reader: Reader[T], external_task_id: str | None = None
) -> Flow[_Seen[T] | _Trouble]:
    """One call, judged. It is made once more, and at once, if its token has expired and there is another."""
    bearer = config.credentials.bearer()
    reply = yield from _exchange(config, _signed(call, bearer))
    found = _judge(config, call, reply, reader, external_task_id)
    renewed = config.credentials.renewed(bearer) if isinstance(found, _Trouble) and found.expired else None
    if renewed is None:
        return found
    log.info("%s will be sent again with a new token", call.method)
    reply = yield from _exchange(config, _signed(call, renewed))
    return _judge(config, call, reply, reader, external_task_id)


def _signed(call: Call, bearer: str) -> Call:
    return replace(call, headers={"Authorization": f"Bearer {bearer}", **call.headers})


def _exchange(config: Config, call: Call) -> Flow[Reply | Failure]:
    """One call and its whole answer, capped in size and in time."""
    head = yield from send(call)
    if isinstance(head, Failure):
        return head
    if head.encoding:
        # Nothing is decompressed that was not asked for: a few kilobytes can become gigabytes.
        return Reply(head, fault=f"compressed with {head.encoding[:40]!r}, which was not asked for")
    late = config.clock() + call.timeout
    body = bytearray()
    while chunk := (yield from read()):
        if isinstance(chunk, Failure):
            return chunk
        body += chunk
        if len(body) > JSON_LIMIT:
            return Reply(head, fault=f"longer than {JSON_LIMIT} bytes")
        if config.clock() > late:
            return Failure(Stage.SENT, f"the answer was not complete after {call.timeout:g} s")
    return _cut(head, len(body)) or Reply(head, bytes(body))


def _cut(head: Head, received: int) -> Failure | None:
    if head.length is None or head.length <= received or head.status in (204, 304):
        return None
    return Failure(Stage.SENT, f"the answer was cut: {received} of {head.length} bytes")


def _judge(
    config: Config, call: Call, outcome: Reply | Failure, reader: Reader[T], external_task_id: str | None
) -> _Seen[T] | _Trouble:
    if isinstance(outcome, Failure):
        return _judge_failure(config, call, outcome, external_task_id)
    billed = call.method == "POST"
    status = outcome.head.status
    hint = read_retry_after(outcome.head.headers)
    try:
        return _Seen(reader(outcome, config.redact), hint or 0.0)
    except UnexpectedReply as error:
        if billed and 200 <= status < 300:
            return _Trouble(_caused(UnreadableReceipt(error, external_task_id), error), again=False)
        return _Trouble(error, again=False)
    except ApiError as error:
        if not billed or not isinstance(error, ServerError):
            return _Trouble(error, is_transient(error), hint or 0.0)
        if status < 300:  # a refusal in an envelope of success is the service's own, definite word
            return _Trouble(error, again=False)
        if status == 503 and hint is not None:
            return _Trouble(error, again=True, retry_after=hint)
        return _Trouble(_caused(SubmitUncertain(str(error), external_task_id), error), again=False)


def _judge_failure(config: Config, call: Call, failure: Failure, external_task_id: str | None) -> _Trouble:
    reason = config.redact(failure.reason)
    if call.method == "POST" and failure.stage is Stage.SENT:
        return _Trouble(_caused(SubmitUncertain(reason, external_task_id), failure.error), again=False)
    error = TransportError(f"{call.method} {call.url}: {reason} ({failure.stage.value})")
    return _Trouble(_caused(error, failure.error), again=failure.stage is not Stage.IMPOSSIBLE)


def _caused(error: KlingError, cause: Exception | None) -> KlingError:
    error.__cause__ = cause
    return error


def _same(config: Config, task: Task, snapshot: Snapshot) -> Task:
    """The task as seen now. Raises UnexpectedReply if the answer is about another one."""
    message = snapshot.message
    by_external_id = config.gateway.finds_external_ids and task.id == message.external_task_id
    if task.id != message.task_id and not by_external_id:
        raise UnexpectedReply(200, "", f"the answer is about task {message.task_id[:60]!r}, not {task.id!r}")
    return task.seen(snapshot)


def _call(
    config: Config, method: str, url: str, content: bytes | None = None, timeout: float | None = None
) -> Call:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
    }
    if content is not None:
        headers["Content-Type"] = "application/json"
    return Call(
        method=method,
        url=url,
        headers=headers,
        timeout=config.timeout if timeout is None else timeout,
        private=True,
        content=content,
    )
