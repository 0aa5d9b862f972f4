"""The format of state: each field of each item survives, and a change of a field needs a new version."""

from __future__ import annotations

import dataclasses
import json
import time
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from kling_contracts.vocabulary import ResultKind, TaskStatus
from kling_mock import Fake
from kling_mock.faults import KINDS as FAULTS
from kling_mock.faults import Fault, FaultUse
from kling_mock.outcomes import Disturbs, Misbehaves, Outcome
from kling_mock.plan import NEVER, Plan
from kling_mock.records import (
    AttemptRecord,
    CallRecord,
    ClockRecord,
    Jump,
    Record,
    RuleRecord,
    TaskRecord,
    TaskState,
    TokenRecord,
    WindowRecord,
)
from kling_mock.reply_faults import KINDS as REPLY_FAULTS
from kling_mock.stores import memory, record_format, sqlite
from kling_mock.stores.record_format import VERSION, AccountTotals, Counter, Item, RuleUses, decode, encode
from kling_mock.task_request import PictureRecord, TaskRequest

SCHEMA = Path(__file__).with_name("state_versions") / f"fields-{VERSION}.json"

PICTURE = PictureRecord("subject_image_list[0]", None, 12, "ab", b"\x89PNG\x00")
REQUEST = TaskRequest(
    ("prompt", "n", "extra", "ratio"),
    ("two at sea \u2603", 2, {"deep": [1, None, True, 1.5]}, 2.0),
    (PICTURE, PictureRecord("scence_image", "https://x.test/a.png")),
    watermark=True,
)
FAULT = Fault("shows_status", ("queued", TaskStatus.PROCESSING), 1, 2, 3.5, 4)
TASK = TaskRecord(
    "123", "sk-a", 7, "multi-image2image", REQUEST, 1.25, "https://c.test", 32, ResultKind.VIDEOS, "ok"
)
STATE = TaskState(
    TASK,
    Plan(1.5, NEVER, counted=True, failure="no luck", faults=(FAULT,)),
    3,
    2,
    (1.5, 2.5),
    (AttemptRecord("123", 1, 1, 2.5, 500, "the receiver answered 500", "edited", 0.5, 3.5),),
    (FaultUse(2, 1),),
    1,
)
CALL = CallRecord(
    1.5, "sk-a", "POST", "/x", (("host", "x"),), REQUEST, 200, "123", "submitted", "rule", 3, ("note",), 9,
    "text", 8, TaskStatus.SUCCEED, ("sticks",), "a1b2",
)  # fmt: skip
RULE = RuleRecord(
    *(3, "sk-a", {"prompt": "*", "n": 2}, 1, (), True, "test.py:3", 5.0, 9.5, 0.5, "request", True),
    {"fails": ["no luck"], "times": 2},
    dropped=True,
)
SAMPLES: list[Item] = [
    STATE,
    CALL,
    RULE,
    RuleUses(3, 2),
    Counter("requests", 9),
    AccountTotals("sk-a", 1, 16, 3),
    WindowRecord("sk-a", "create", 1.5, 2, 3),
    TokenRecord("ab", 1.5),
    ClockRecord(1.5, 2.5, 0.0, 4, (Jump(1.5, 60.0),)),
]


@pytest.mark.parametrize("item", SAMPLES, ids=lambda item: type(item).__name__)
def test_an_item_is_decoded_as_it_was(item: Item) -> None:
    again = decode(encode(item))
    assert again == item
    assert type(again) is type(item)
    assert b"\n" not in encode(item)


def _structs(value: object) -> list[Any]:
    """The structs and tuples in a value."""
    found: list[Any] = [value] if isinstance(value, msgspec.Struct) else []
    parts: list[Any] = []
    if isinstance(value, msgspec.Struct):
        parts = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, tuple):
        parts = list(value)
    return found + [each for part in parts for each in _structs(part)]


def test_the_samples_set_every_field() -> None:
    """Otherwise a field that is lost would not be noticed."""
    samples = [struct for item in SAMPLES for struct in _structs(item)]
    assert {type(item) for item in SAMPLES} == set(get_args(Item))
    for kind in {type(each) for each in samples}:
        for field in msgspec.structs.fields(kind):
            values = [getattr(each, field.name) for each in samples if type(each) is kind]
            unset = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
            assert any(value != unset for value in values) or field.name == "outcomes", (kind, field.name)


def test_tasks_and_plans_are_decoded_with_all_their_fields() -> None:
    """Their ends may be infinite, which JSON does not have, so they are decoded by classes of their own."""
    for kind, decoded in ((TaskState, record_format._Task), (Plan, record_format._Plan)):
        assert decoded.__struct_fields__ == kind.__struct_fields__


@pytest.mark.parametrize(
    "path", ["/\ud800", "/" + "\U0001f600", "/\x00\x1b"], ids=["surrogate", "emoji", "control"]
)
def test_any_text_survives(path: str) -> None:
    call = msgspec.structs.replace(CALL, path=path)
    assert decode(encode(call)) == call


def test_any_integer_survives_and_so_does_infinity_beside_it() -> None:
    request = msgspec.structs.replace(REQUEST, items=(2**70, -(2**70), None, 1))
    state = msgspec.structs.replace(STATE, record=msgspec.structs.replace(TASK, request=request))
    assert decode(encode(state)) == state


def _rules() -> list[RuleRecord]:
    """A rule with each outcome, written by its method."""
    fake = Fake(unused_scripts="ignore")
    fake.next.succeeds()
    fake.next.fails("no luck")
    fake.next.refuses(429)
    fake.next.pace("seconds:1,5")
    fake.next.long_id()
    fake.when(prompt="*cat*", n=2).holds().times(3).optional()
    fake.next.appears_late().goes_back()
    fake.next.sticks()
    fake.next.reads_stale()
    fake.next.shows_status("queued")
    fake.next.omits_images()
    fake.next.omits_index()
    fake.next.miscounts(3)
    fake.next.fails("x").omits_message()
    fake.next.adds_fields({"a": [1, {"b": None}]})
    fake.next.nulls_fields("task_info")
    fake.next.timestamps_in_seconds()
    fake.next.changes_shape(polls=2)
    fake.next.pictures_are("slow")
    fake.when_request(header={"x-a": "b", "x-c": None}, body={"n": [1, 2]}).answers(503, headers={"a": "b"})
    fake.next_query.answers(429)
    fake.next_query.answers(200, body=b"\xff\x00")
    fake.next_request.garbles("utf8")
    fake.next_request.pads(10)
    fake.next_request.delays(2)
    fake.next_request.sends_slowly(5.5, 3)
    fake.next_request.cuts(4, by="reset")
    fake.next_request.misstates_length(-2)
    fake.next_request.resets()
    fake.next_request.disconnects()
    fake.next_request.times_out().lasting(5)
    fake.next_request.refuses_connections()
    fake.next_request.loses_reply().chance(0.5)
    return [rule for rule in fake.scripts if rule.outcomes]


def test_every_outcome_survives() -> None:
    rules = _rules()
    outcomes = [outcome for rule in rules for outcome in rule.outcomes]
    assert {type(each) for each in outcomes} == set(get_args(Outcome))
    assert {each.fault.kind for each in outcomes if isinstance(each, Misbehaves)} == set(FAULTS)
    assert {each.fault.kind for each in outcomes if isinstance(each, Disturbs)} == set(REPLY_FAULTS)
    for rule in rules:
        assert decode(encode(rule)) == rule


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b'{"type":"no"}', b'{"type":"uses","rule_id":"x"}', b"\xff"]
)
def test_a_line_that_is_no_item_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="it is not a state item: "):
        decode(line)


def test_a_value_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="type object cannot be kept in a state file"):
        encode(msgspec.structs.replace(RULE, criteria={"n": object()}))


# -- versions


def _described(hint: object, seen: dict[str, Any]) -> str:
    """The name of a type; the fields of structs, tuples with names and dataclasses are added to `seen`."""
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(sorted(_described(each, seen) for each in get_args(hint)))
    if get_origin(hint) is not None:
        parts = ", ".join("..." if each is ... else _described(each, seen) for each in get_args(hint))
        return f"{getattr(get_origin(hint), '__name__', 'Literal')}[{parts}]"
    if not isinstance(hint, type):
        return repr(hint)
    name = hint.__name__
    if name not in seen:
        if issubclass(hint, Enum):
            seen[name] = [each.value for each in hint]
        elif issubclass(hint, msgspec.Struct):
            seen[name] = {}
            hints = get_type_hints(hint)
            for field in msgspec.structs.fields(hint):
                default = "" if field.default is msgspec.NODEFAULT else f" = {field.default!r}"
                seen[name][field.name] = _described(hints[field.name], seen) + default
        elif dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
            seen[name] = {}
            seen[name] |= {field: _described(each, seen) for field, each in get_type_hints(hint).items()}
    return name


def fields_of_items() -> dict[str, Any]:
    """The fields of all items and of their parts."""
    seen: dict[str, Any] = {}
    for item in get_args(Item):
        _described(item, seen)
    return dict(sorted(seen.items()))


def test_the_fields_are_those_of_this_version() -> None:
    """A changed field needs a version: a file of an older one must stay readable.

    Increment `record_format.VERSION`, add a function to `MIGRATIONS`, keep the files of the old version, and
    write those of the new one: `python -m tests.kling_mock.stores.test_record_format`.
    """
    assert fields_of_items() == json.loads(SCHEMA.read_text(encoding="utf-8"))


def test_every_record_changes_an_item() -> None:
    """Each is known to `SqliteStore._add_item`; otherwise it would be lost at a restart."""
    kinds = set(get_args(Record))
    assert kinds == set(memory._WRITES)
    text = Path(sqlite.__file__).read_text(encoding="utf-8")
    body = text.partition("def _add_item(")[2].partition("    def ")[0]
    assert [kind.__name__ for kind in kinds if f"{kind.__name__}()" not in body] == []
    assert set(sqlite._KEYS) | {CallRecord} == set(get_args(Item))


def test_there_is_a_migration_from_every_older_version() -> None:
    assert sorted(record_format.MIGRATIONS) == list(range(1, VERSION))


def test_an_older_version_is_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through every version between; an item that newer versions do not have is dropped."""
    steps = {
        1: lambda raw: {**raw, "count": raw.pop("times")} if raw["type"] == "uses" else raw,
        2: lambda raw: None if raw["type"] == "old" else raw,
    }
    monkeypatch.setattr(record_format, "VERSION", 3)
    monkeypatch.setattr(record_format, "MIGRATIONS", steps)
    assert decode(b'{"type":"uses","rule_id":1,"times":2}', 1) == RuleUses(1, 2)
    assert decode(b'{"type":"old"}', 1) is None
    assert decode(encode(RuleUses(1, 2)), 3) == RuleUses(1, 2)


def test_the_decoder_is_made_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counterexample: without a lock two servers of one process ended it, rarely."""
    make, running, most = msgspec.json.Decoder, [0], [0]

    def made(kind: Any) -> Any:
        running[0] += 1
        most.append(running[0])
        time.sleep(0.005)
        running[0] -= 1
        return make(kind)

    monkeypatch.setattr(msgspec.json, "Decoder", made)
    record_format._decoder.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: record_format._decoder(), range(4)):
            pass
    assert max(most) == 1


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(fields_of_items(), indent=1) + "\n", encoding="utf-8")
