"""Properties of parsing responses: every response to a query or create that the contract allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, cast

from hypothesis import strategies as st

from kling_contracts.captures import MessageKind, captures
from kling_contracts.client_suite.attempts import Attempt
from kling_contracts.client_suite.bodies import smallest_body
from kling_contracts.client_suite.harness import Harness, Inconclusive, Property, fault
from kling_contracts.client_suite.replies import answer, created, shown, task
from kling_contracts.client_suite.server import Delivery, Reply
from kling_contracts.messages import Envelope, TaskMessage
from kling_contracts.openapi.examples import REQUEST_ID, TASK_ID
from kling_contracts.vocabulary import COMET_QUERY, KLING_LIVE, KLING_PAGE, SEED, Source, TaskStatus

_READS_CREATED_HINT: Final = "read `data.task_id` only; other fields may be missing, null or new"

Wire = dict[str, object]

# Values of fields that no published response has; a client must ignore them.
_VALUES: Final[tuple[object, ...]] = (None, True, 0, 7, "x", [1, {"a": None}], dict[str, object]())
_UNKNOWN: Final = st.dictionaries(
    st.sampled_from(("watermark_url", "seed", "final_balance_deduction", "queue", "zz_new")),
    st.sampled_from(_VALUES),
    min_size=1,
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A legal response that differs from the usual one for the same task."""

    message: TaskMessage
    reply: Reply
    note: str = ""


# A list is tried completely; of a strategy, some values are drawn.
Variants = list[Variant] | st.SearchStrategy[Variant]


def reading() -> Iterator[Property]:
    """The properties of responses to queries."""
    checks: dict[str, tuple[str, Source, Callable[[Harness], None]]] = {
        "plain": ("each of the four statuses is reported correctly", KLING_PAGE, _reads_plain),
        "unknown-status": ("an unknown status is not an end or an error", KLING_PAGE, _reads_unknown_status),
    }
    variants: dict[str, tuple[str, Source, Variants]] = {
        "unknown-field": ("unknown fields at any level are ignored", KLING_PAGE, _unknown_fields()),
        "missing-optional": ("optional fields may be missing", KLING_LIVE, _missing()),
        "null": ("nullable fields may be null", COMET_QUERY, _null()),
        "missing-index": ("images may lack `index`, as in some captures", KLING_LIVE, _missing_index()),
        "captured": ("every captured response is parsed", KLING_LIVE, _captured()),
        "transport": (
            "chunks, closed connections, escapes and the case of header names have no effect",
            SEED,
            _transport(),
        ),
    }
    for name, (sentence, source, replies) in variants.items():
        checks[name] = (sentence, source, partial(_reads, replies))
    for name, (sentence, source, check) in checks.items():
        yield Property(
            id=f"client.reads[{name}]",
            hint="read known fields with defaults, and ignore unknown fields",
            sentence=sentence,
            source=source,
            check=check,
        )


def _wire(message: TaskMessage) -> Wire:
    return Envelope.success(message.to_wire(), REQUEST_ID).to_wire()


def _messages() -> list[TaskMessage]:
    return [task(status, pictures="https://cdn.example") for status in TaskStatus]


def _unknown_fields() -> Variants:
    def build(message: TaskMessage, extra: Mapping[str, object], place: str) -> Variant:
        wire = _wire(message)
        data = cast("Wire", wire["data"])
        homes: dict[str, list[Wire]] = {
            "envelope": [wire],
            "task": [data],
            "task_info": [cast("Wire", data["task_info"])],
            "task_result": [cast("Wire", data["task_result"])],
            "image": cast("list[Wire]", cast("Wire", data["task_result"]).get("images", [])),
        }
        for home in homes[place]:
            home.update(extra)
        return Variant(message, answer(wire), f"{place}: {', '.join(sorted(extra))}")

    places = st.sampled_from(("task", "envelope", "task_info", "task_result", "image"))
    return st.builds(build, st.sampled_from(_messages()), _UNKNOWN, places)


def _missing() -> Variants:
    def build(message: TaskMessage, names: set[str]) -> Variant:
        wire = _wire(message)
        data = cast("Wire", wire["data"])
        if message.task_status == TaskStatus.SUCCEED:
            names = names - {"task_result"}
        wire = {name: value for name, value in wire.items() if name not in names}
        wire["data"] = {name: value for name, value in data.items() if name not in names}
        return Variant(message, answer(wire), f"without {', '.join(sorted(names))}")

    optional = ("request_id", "task_info", "task_result", "final_unit_deduction")
    return st.builds(build, st.sampled_from(_messages()), st.sets(st.sampled_from(optional), min_size=1))


def _null() -> Variants:
    def build(message: TaskMessage, names: set[str]) -> Variant:
        wire = _wire(message)
        data = cast("Wire", wire["data"])
        ended = message.task_status
        for name in names:
            if name == "external_task_id":
                data["task_info"] = {name: None}
            elif (name, ended) not in {
                ("task_result", TaskStatus.SUCCEED),
                ("task_status_msg", TaskStatus.FAILED),
            }:
                data[name] = None
        return Variant(message, answer(wire), f"null: {', '.join(sorted(names))}")

    nullable = ("task_result", "task_status_msg", "external_task_id", "final_unit_deduction")
    return st.builds(build, st.sampled_from(_messages()), st.sets(st.sampled_from(nullable), min_size=1))


def _missing_index() -> Variants:
    message = task(TaskStatus.SUCCEED, pictures="https://cdn.example")
    wire = _wire(message)
    for image in cast("list[Wire]", cast("Wire", cast("Wire", wire["data"])["task_result"])["images"]):
        del image["index"]
    return [Variant(message, answer(wire), "images without index")]


def _captured() -> Variants:
    """Captured responses, with values for the parts that their source masks."""
    found: list[Variant] = []
    for capture in captures():
        if capture.kind is not MessageKind.STATE or "data" not in capture.body:
            continue
        body = cast("Wire", json.loads(json.dumps(capture.body)))
        data = cast("Wire", body["data"])
        data.setdefault("task_id", TASK_ID)
        result = data.get("task_result")
        images = cast("Wire", result).get("images") if isinstance(result, dict) else None
        for position, image in enumerate(cast("list[Wire]", images or [])):
            image.setdefault("url", f"https://cdn.example/{position}.png")
        try:
            message = TaskMessage.from_wire(data)
        except ValueError:
            continue  # too much is masked
        if message.images or message.task_status != TaskStatus.SUCCEED:
            found.append(Variant(message, answer(body), capture.name))
    return found


def _transport() -> Variants:
    message = replace(task(TaskStatus.SUCCEED, pictures="https://cdn.example"), external_task_id="é漢😀")
    wire = _wire(message)
    raw = json.dumps(wire, ensure_ascii=False, indent=1).encode()
    escaped = json.dumps(wire).encode()
    kinds = ("application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8")
    replies = [
        Reply(body=body, delivery=delivery, headers=((name, kind),))
        for body in (raw, escaped)
        for delivery in (Delivery.WHOLE, Delivery.CHUNKED, Delivery.CLOSING)
        for name, kind in zip(("Content-Type", "content-type", "CONTENT-TYPE"), kinds, strict=True)
    ]
    return [Variant(message, reply, f"{reply.delivery.value}, {reply.headers[0]}") for reply in replies]


def _reads_plain(harness: Harness) -> None:
    for message in _messages():
        judge_outcome(_look(harness, message, shown(message)), message)


def _reads_unknown_status(harness: Harness) -> None:
    for word in ("queued", "moderating", "succeeded", "SUCCESS", "cancelled"):
        judge_outcome(_look(harness, task(word), shown(task(word))), task(word), word)


def _look(harness: Harness, message: TaskMessage, reply: Reply) -> Attempt:
    harness.answer_with(queries=[reply])
    return harness.query(message.task_id)


def _reads(variants: Variants, harness: Harness) -> None:
    """The client reports the same for a variant as for the usual response."""
    usual: dict[str, Attempt] = {}

    def judge(variant: Variant) -> None:
        message = variant.message
        known = repr(message)
        if known not in usual:
            usual[known] = _look(harness, message, shown(message))
        attempt = _look(harness, message, variant.reply)
        wanted, got = _gist(usual[known], message), _gist(attempt, message)
        if wanted is None:
            raise Inconclusive("the usual response is not parsed: see client.reads[plain]")
        if wanted != got:
            fault(f"the same as for the usual response, {usual[known]}", attempt, tag=variant.note)

    if isinstance(variants, list):
        for variant in variants:
            judge(variant)
    else:
        harness.for_all(variants, judge)


def _gist(attempt: Attempt, message: TaskMessage) -> object:
    """The comparable part of the client's report; None if it did not parse the response."""
    if attempt.outcome is not None:
        return attempt.status, tuple(attempt.outcome.images), attempt.outcome.message or None
    reported = message.task_status == TaskStatus.FAILED and attempt.shows(message.task_status_msg or "")
    return type(attempt.error) if reported else None


def judge_outcome(attempt: Attempt, message: TaskMessage, note: str = "") -> None:
    """Check that the client reports the state of the response; an exception may report a failed task."""
    status = message.task_status
    if attempt.error is not None and not (
        status == TaskStatus.FAILED and attempt.shows(message.task_status_msg or "")
    ):
        fault(f"a task with status {str(status)!r}", attempt, tag=note)
    if attempt.outcome is None:
        return
    if not isinstance(status, TaskStatus):
        if attempt.status in set(TaskStatus) - {TaskStatus.SUBMITTED, TaskStatus.PROCESSING}:
            fault(f"a task that has not ended, at status {str(status)!r}", attempt, tag=note)
        return
    if attempt.status != status:
        fault(f"status {str(status)!r}", attempt, tag=note)
    urls = [image.url for image in message.images]
    if list(attempt.outcome.images) != urls:
        fault(f"the images {urls}", attempt, tag=note)
    if status is TaskStatus.FAILED and not attempt.shows(message.task_status_msg or ""):
        fault(f"the reason of the failure ({message.task_status_msg!r})", attempt, tag=note)


def receipts() -> Iterator[Property]:
    """The properties of responses to creates."""
    yield Property(
        id="client.reads_created[plain]",
        hint=_READS_CREATED_HINT,
        sentence="the id in the response to a create is returned to the caller",
        source=SEED,
        check=_gives_the_id,
    )
    for name, (sentence, bodies) in _created().items():
        yield Property(
            id=f"client.reads_created[{name}]",
            hint=_READS_CREATED_HINT,
            sentence=f"in the response to a create, {sentence}",
            source=SEED,
            check=partial(_reads_created, bodies),
        )


def _created() -> dict[str, tuple[str, list[Wire]]]:
    message = task(TaskStatus.SUBMITTED)
    usual = Envelope.success(message.to_wire(with_result=False), REQUEST_ID).to_wire()
    data = cast("Wire", usual["data"])
    bare = {name: value for name, value in data.items() if name != "task_info"}
    bodies: list[Wire] = [usual | {"zz_new": 1}, usual | {"data": data | {"zz_new": {"a": [None]}}}]
    absent: list[Wire] = [
        {name: value for name, value in usual.items() if name != "request_id"},
        usual | {"data": bare},
    ]
    null: list[Wire] = [
        usual | {"data": data | {"task_info": {"external_task_id": None}, "task_status_msg": None}},
        usual | {"data": data | {"task_result": None}},
    ]
    return {
        "unknown-field": ("unknown fields are ignored", bodies),
        "missing-optional": ("optional fields may be missing", absent),
        "null": ("nullable fields may be null", null),
    }


def _gives_the_id(harness: Harness) -> None:
    attempt = _create(harness, created(task(TaskStatus.SUBMITTED)))
    if attempt.value != TASK_ID:
        fault(f"the id {TASK_ID!r}", attempt)


def _create(harness: Harness, reply: Reply) -> Attempt:
    harness.answer_with(creates=[reply])
    return harness.submit(smallest_body(harness))


def _reads_created(bodies: list[Wire], harness: Harness) -> None:
    usual = _create(harness, created(task(TaskStatus.SUBMITTED)))
    if usual.error is not None:
        raise Inconclusive("the usual response is not parsed: see client.reads_created[plain]")
    for body in bodies:
        attempt = _create(harness, answer(body))
        if attempt.error is not None or attempt.value != usual.value:
            fault(f"the same as for the usual response, {usual}", attempt, tag=json.dumps(body))
