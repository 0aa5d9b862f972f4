"""The life of a task, as its answers tell it: order of states, stamps, results, and that it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, cast

from contracts.checks.following import AGAIN, POLL, ended, is_unwatched, patience_with
from contracts.checks.task_shape import shape_problem
from contracts.gateways import Gateway
from contracts.lifecycle import Misconduct, judge
from contracts.messages import TaskMessage
from contracts.verify.check import Check, Hearing, Shown
from contracts.verify.evidence import Evidence, Sighting, Trace
from contracts.verify.exchange import Exchange
from contracts.vocabulary import ASSUMED, COMET_QUERY, KLING_LIVE, KLING_PAGE, SEED, Source, TaskStatus

_SKEW: Final = 600.0
# A state that was seen for longer, in seconds, did not change within one tick of a clock.
_MOMENT: Final = 0.1

# The judge's rules: what they say, where from, what they catch.
RULES: Final[Mapping[str, tuple[str, Source, tuple[str, ...]]]] = {
    "status.word": ("every status is one of the four words", SEED, ("succeeded", "SUCCEED", "pending")),
    "time.unit": ("created_at and updated_at are integers of milliseconds", SEED, ("seconds", "texts")),
    "time.order": ("updated_at is not before created_at", SEED, ("swapped stamps",)),
    "time.created": ("created_at never changes", SEED, ("created_at is the time of the answer",)),
    "time.decreasing": ("updated_at never goes back", SEED, ("stamps from several clocks",)),
    "time.unchanged": ("updated_at stays while the status stays", KLING_LIVE, ("the time of the answer",)),
    "images.presence": (
        "there are images exactly when the task has succeeded",
        KLING_PAGE,
        ("images early",),
    ),
    "images.count": ("there are as many images as were asked for", KLING_PAGE, ("always one", "one too few")),
    "images.index": ("indices count from 0", KLING_PAGE, ("from 1", "all 0")),
    "images.distinct": ("every image has a URL of its own", KLING_PAGE, ("one URL for all",)),
    "images.absolute": ("result URLs are absolute", KLING_PAGE, ("a path alone",)),
    "failed.message": ("a failed task says why", KLING_LIVE, ("no task_status_msg",)),
    "succeed.message": ("a task that has succeeded has no failure text", KLING_LIVE, ("texts left over",)),
    "state.absorbing": ("a task that has ended stays as it ended", SEED, ("states wrap round",)),
    "state.order": ("a status never goes back", SEED, ("processing, then submitted",)),
    "state.stable": ("the answer about an ended task never changes", SEED, ("new URLs at each query",)),
}


def checks(gateway: Gateway) -> tuple[Check, ...]:
    judged = (
        Check(
            id=f"life_cycle.{rule}",
            sentence=sentence,
            source=source,
            judge=_judge_rule(rule),
            catches=catches,
        )
        for rule, (sentence, source, catches) in RULES.items()
    )
    return (
        Check(
            id="life_cycle.created",
            sentence="a create is answered with a task that is submitted, created and updated at one instant",
            source=SEED,
            judge=_judge_created,
            catches=("processing at once", "stamps that differ"),
        ),
        Check(
            id="life_cycle.shape",
            sentence="the parts of a task have the types of the contract",
            source=SEED,
            judge=_judge_shape,
            catches=("task_id as a number", "images as an object", "index as a text"),
        ),
        Check(
            id="life_cycle.clock",
            sentence="a task is created at the time at which it was asked for",
            source=ASSUMED,
            judge=_judge_clock,
            catches=("another time zone", "a constant stamp"),
        ),
        Check(
            id="life_cycle.ids_unique",
            sentence="every task has an id of its own",
            source=SEED,
            judge=_judge_ids,
            catches=("ids used twice", "the external id as task id"),
        ),
        Check(
            id="life_cycle.at_once",
            sentence="a task can be queried as soon as it is created",
            source=COMET_QUERY,
            judge=_judge_at_once,
            catches=("unknown for a while",),
        ),
        Check(
            id="life_cycle.found",
            sentence="a task that was found once is found again, in every state",
            source=KLING_LIVE,
            judge=_judge_found,
            catches=("failed tasks are answered as errors", "ended tasks are forgotten"),
        ),
        Check(
            id="life_cycle.own_task",
            sentence="a query shows the task that it asked for",
            source=SEED,
            judge=_judge_own,
            catches=("the latest task is shown to everybody",),
        ),
        *judged,
        Check(
            id="life_cycle.time.moves",
            sentence="updated_at moves when the status changes",
            source=KLING_LIVE,
            judge=_judge_moves,
            catches=("always created_at", "the stamp of the state before"),
        ),
        Check(
            id="life_cycle.images.own",
            sentence="no two tasks share a result URL",
            source=KLING_PAGE,
            judge=_judge_urls,
            catches=("one picture for everybody", "files named after something else than the task"),
        ),
        Check(
            id="life_cycle.ends",
            sentence="every task ends",
            source=SEED,
            judge=_judge_ends,
            catches=("processing for ever",),
        ),
    )


def _judge_rule(rule: str) -> Callable[[Evidence, Hearing], None]:
    def judge_rule(evidence: Evidence, hearing: Hearing) -> None:
        for trace in evidence.traces():
            if not _premise(rule, trace):
                continue
            broken = next((each for each in _misconduct(trace) if each.rule == rule), None)
            hearing.expect(
                broken is None,
                broken.sentence if broken else "",
                expected=RULES[rule][0],
                actual=broken.sentence if broken else "",
                shown=_around(trace, broken) if broken else (),
            )

    return judge_rule


def _premise(rule: str, trace: Trace) -> bool:
    """Whether a trace can show a rule broken: one needs images, another a failure, a third two looks."""
    statuses = [each.task.task_status for each in trace.reads]
    if rule == "images.count" and trace.created.probe.kind == "refuse":
        return False  # what should have been refused asks for no number of images
    if rule.startswith("images.") and rule != "images.presence":
        return any(each.task.images for each in trace.reads)
    if rule == "time.decreasing" and any(each.rule == "time.order" for each in _misconduct(trace)):
        return False  # stamps before the beginning are one finding
    if rule.startswith("failed."):
        return TaskStatus.FAILED in statuses
    if rule.startswith("succeed."):
        return TaskStatus.SUCCEED in statuses
    if rule in ("state.absorbing", "state.stable"):
        return trace.end is not None and trace.end is not trace.reads[-1]
    return bool(statuses)


def _misconduct(trace: Trace) -> Sequence[Misconduct]:
    return judge([each.task for each in _judged(trace)], n=trace.images)


def _judged(trace: Trace) -> Sequence[Sighting]:
    """What a trace is judged by: without the answer to its create, if that was wrong by itself."""
    return trace.sightings if _is_new(trace.created) else trace.reads


def _is_new(created: Exchange) -> bool:
    task = cast("TaskMessage", created.task)
    return task.task_status == TaskStatus.SUBMITTED and task.created_at == task.updated_at


def is_steady(trace: Trace) -> bool:
    """Whether nothing of its order or its stamps is wrong: else that is the finding, and nothing compares."""
    return not any(each.rule.startswith(("state.", "time.")) for each in _misconduct(trace))


def _around(trace: Trace, broken: Misconduct) -> tuple[Shown, ...]:
    """The create, the look before, and the look at which it was seen."""
    at = (0, max(broken.at - 1, 0), broken.at)
    return tuple(dict.fromkeys(_judged(trace)[position].shown for position in at))


def _judge_created(evidence: Evidence, hearing: Hearing) -> None:
    for trace in evidence.traces():
        hearing.expect(
            _is_new(trace.created),
            "a create was answered with a task that is no new one",
            expected="submitted, created_at = updated_at",
            actual=trace.created.shown,
            shown=(trace.created,),
        )


def _judge_clock(evidence: Evidence, hearing: Hearing) -> None:
    for trace in evidence.traces():
        created = cast("TaskMessage", trace.created.task).created_at
        if created is None or not 10**12 <= created < 10**13:
            continue  # the unit is wrong, which is another finding
        off = created / 1000 - trace.created.received_at
        hearing.expect(
            abs(off) <= _SKEW,
            f"a task was created {off:+.0f} seconds from now",
            expected=f"within {_SKEW:.0f} seconds",
            actual=trace.created.shown,
            shown=(trace.created,),
        )


def _judge_ids(evidence: Evidence, hearing: Hearing) -> None:
    first: dict[str, Exchange] = {}
    for exchange in evidence.creates:
        task = exchange.task
        if task is None or not exchange.accepted:
            continue
        earlier = first.setdefault(task.task_id, exchange)
        mine = exchange.asked_object.get("external_task_id")
        if mine and earlier is not exchange and earlier.asked_object.get("external_task_id") == mine:
            continue  # a duplicate was answered with the task that is there, which is another finding
        hearing.expect(
            earlier is exchange and task.task_id != mine,
            "two tasks have one id" if earlier is not exchange else "a task id is the external id",
            expected="an id of its own",
            actual=task.task_id,
            shown=(earlier,) if earlier is exchange else (earlier, exchange),
        )


def _queries(evidence: Evidence) -> Iterator[Exchange]:
    for kind in (POLL, AGAIN, "look", "first look", "query"):
        yield from evidence.of(kind)


def _judge_at_once(evidence: Evidence, hearing: Hearing) -> None:
    seen: set[str] = set()
    for exchange in evidence.of(POLL):
        if exchange.probe.about in seen or exchange.status >= 500:
            continue
        seen.add(exchange.probe.about)
        hearing.expect(
            exchange.status == 200,
            "a task was not found right after it was created",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_found(evidence: Evidence, hearing: Hearing) -> None:
    found = {trace.id: trace for trace in evidence.traces() if trace.reads}
    for exchange in _queries(evidence):
        trace = found.get(exchange.probe.about)
        if exchange.status >= 500 or trace is None or exchange.number <= trace.reads[0].shown.number:
            continue
        hearing.expect(
            exchange.status == 200,
            "a query for a task that had been found was refused",
            expected="200 and the task",
            actual=exchange.shown,
            shown=(trace.created, trace.reads[0].shown, exchange),
        )


def _judge_moves(evidence: Evidence, hearing: Hearing) -> None:
    """Only where the state before was seen for a while: the change came after that, so its stamp is later."""
    for trace in evidence.traces():
        if any(each.rule.startswith(("state.", "time.unit")) for each in _misconduct(trace)):
            continue  # that is the finding
        since = trace.sightings[0]
        for before, after in pairwise(trace.sightings):
            if before.task.task_status != since.task.task_status:
                since = before
            if after.task.task_status == before.task.task_status:
                continue
            stood = cast("Exchange", before.shown).sent_at - since.at
            old, new = before.task.updated_at or 0, after.task.updated_at or 0
            # Some keep whole seconds.
            if stood > (_MOMENT if old % 1000 or new % 1000 else _MOMENT + 1):
                was, became = before.task.task_status, after.task.task_status
                hearing.expect(
                    new != old,
                    f"a task was {was} for {stood:.1f} s, then {became}, and updated_at stayed",
                    expected="the time of the change",
                    actual=str(new),
                    shown=(trace.created, before.shown, after.shown),
                )


def _judge_urls(evidence: Evidence, hearing: Hearing) -> None:
    owners: dict[str, Trace] = {}
    for trace in evidence.traces():
        for url in {image.url for image in trace.end.task.images} if trace.end else ():
            owner = owners.setdefault(url, trace)
            if owner.end is not None and trace.end is not None:
                hearing.expect(
                    owner is trace,
                    "two tasks have one result URL",
                    expected="a URL for each image",
                    actual=url,
                    shown=(owner.created, owner.end.shown, trace.created, trace.end.shown),
                )


def _judge_own(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in _queries(evidence):
        if exchange.task is not None:
            hearing.expect(
                exchange.task.task_id == exchange.probe.about,
                "a query showed another task",
                expected=exchange.probe.about,
                actual=exchange.task.task_id,
                shown=(exchange,),
            )


def _judge_shape(evidence: Evidence, hearing: Hearing) -> None:
    created = [each for each in evidence.creates if each.accepted]
    for exchange in (*created, *_queries(evidence)):
        if exchange.status != 200 or exchange.is_error or "data" not in exchange.json_object:
            continue
        problem = shape_problem(exchange.json_object.get("data"))
        hearing.expect(
            problem is None,
            f"a part of a task has the wrong type: {problem}",
            expected="the types of the contract",
            actual=exchange.shown,
            shown=(exchange,),
        )


def _judge_ends(evidence: Evidence, hearing: Hearing) -> None:
    traces = [trace for trace in evidence.traces() if not is_unwatched(trace) and trace.reads]
    slowest, patience = patience_with(traces)
    for trace in traces:
        age = trace.reads[-1].at - trace.created.received_at
        if not isinstance(trace.reads[-1].task.task_status, TaskStatus):
            continue  # a status that is no word of the API, which is another finding
        if ended(trace) or age > patience:
            hearing.expect(
                ended(trace),
                f"a task has not ended after {age:.0f} seconds, the others took {slowest:.1f}",
                expected="succeed or failed",
                actual=str(trace.reads[-1].task.task_status),
                shown=(trace.created, trace.reads[-1].shown),
            )
