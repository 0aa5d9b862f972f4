"""Script documents: each gives the rule of the same calls in Python, and each error has its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from msgspec.structs import replace

from kling_mock import Fake, Pace
from kling_mock.documents import (
    SUBJECTS,
    DocumentError,
    apply_script,
    methods_of,
    read_script,
    script_document,
    script_schema,
)
from kling_mock.scripts.create_script import Script
from kling_mock.scripts.request_script import RequestScript

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mock.records import RuleRecord
    from kling_mock.scripts.rule_builder import RuleBuilder

Document = dict[str, Any]
Call = tuple["Callable[[Any], RuleBuilder]", Document]

# Calls in Python, each with the same script as a document, typed by hand.
CALLS: list[Call] = [
    (lambda f: f.next.succeeds(), {"next": True, "succeeds": True}),
    (lambda f: f.next.fails("no"), {"next": True, "fails": "no"}),
    (lambda f: f.next.fails(1301), {"next": True, "fails": 1301}),
    (lambda f: f.next.refuses(1303), {"next": True, "refuses": 1303}),
    (lambda f: f.next.refuses(400, "no"), {"next": True, "refuses": {"code": 400, "message": "no"}}),
    (lambda f: f.next.pace(Pace.polls(3)), {"next": True, "pace": "polls:3"}),
    (lambda f: f.next.holds(), {"next": True, "holds": True}),
    (lambda f: f.next.holds("submitted"), {"next": True, "holds": "submitted"}),
    (lambda f: f.next.long_id(), {"next": True, "long_id": True}),
    (lambda f: f.next.sticks(), {"next": True, "sticks": True}),
    (lambda f: f.next.sticks(polls=2), {"next": True, "sticks": {"polls": 2}}),
    (lambda f: f.next.goes_back("processing"), {"next": True, "goes_back": "processing"}),
    (lambda f: f.next.reads_stale(after=3), {"next": True, "reads_stale": {"after": 3}}),
    (lambda f: f.next.appears_late(2.5), {"next": True, "appears_late": 2.5}),
    (
        lambda f: f.next.shows_status("queued", at="submitted"),
        {"next": True, "shows_status": {"word": "queued", "at": "submitted"}},
    ),
    (lambda f: f.next.omits_images(), {"next": True, "omits_images": True}),
    (lambda f: f.next.omits_index(seconds=1), {"next": True, "omits_index": {"seconds": 1}}),
    (lambda f: f.next.miscounts(3), {"next": True, "miscounts": 3}),
    (lambda f: f.next.fails("no").omits_message(), {"next": True, "fails": "no", "omits_message": True}),
    (lambda f: f.next.adds_fields(), {"next": True, "adds_fields": True}),
    (
        lambda f: f.next.adds_fields({"a": [None, {"b": 1}]}),
        {"next": True, "adds_fields": {"fields": {"a": [None, {"b": 1}]}}},
    ),
    (lambda f: f.next.nulls_fields(), {"next": True, "nulls_fields": True}),
    (lambda f: f.next.nulls_fields("task_info"), {"next": True, "nulls_fields": ["task_info"]}),
    (
        lambda f: f.next.nulls_fields("task_info", polls=1),
        {"next": True, "nulls_fields": {"names": ["task_info"], "polls": 1}},
    ),
    (lambda f: f.next.timestamps_in_seconds(), {"next": True, "timestamps_in_seconds": True}),
    (lambda f: f.next.changes_shape(), {"next": True, "changes_shape": True}),
    (lambda f: f.next.pictures_are("html"), {"next": True, "pictures_are": "html"}),
    (
        lambda f: f.next.pictures_are("slow", delay=2),
        {"next": True, "pictures_are": {"how": "slow", "delay": 2}},
    ),
    (
        lambda f: f.when(prompt="*cat*", n=2).fails("no").times(2).optional(),
        {"when": {"prompt": "*cat*", "n": 2}, "fails": "no", "times": 2, "optional": True},
    ),
    (
        lambda f: f.when(aspect_ratio="1:1").delays(3).lasting(60).chance(0.5),
        {"when": {"aspect_ratio": "1:1"}, "delays": 3, "lasting": 60, "chance": 0.5},
    ),
    (lambda f: f.when().resets(), {"when": {}, "resets": True}),
    (lambda f: f.next_query.answers(502), {"next_query": True, "answers": 502}),
    (
        lambda f: f.next_query.answers(429, 1303, headers={"retry-after": "9"}),
        {"next_query": True, "answers": {"status": 429, "code": 1303, "headers": {"retry-after": "9"}}},
    ),
    (
        lambda f: f.next_query.answers(200, body={"code": 0, "data": []}),
        {"next_query": True, "answers": {"status": 200, "body": {"code": 0, "data": []}}},
    ),
    (
        lambda f: f.next_query.answers(200, body=b"\xff\x00"),
        {"next_query": True, "answers": {"status": 200, "body": {"$base64": "/wA="}}},
    ),
    (lambda f: f.when_query(nth=2).times_out(), {"when_query": {"nth": 2}, "times_out": True}),
    (
        lambda f: f.when_query(status="succeed").disconnects(),
        {"when_query": {"status": "succeed"}, "disconnects": True},
    ),
    (
        lambda f: f.account("sk-mock-a").when_query().loses_reply("close"),
        {"account": "sk-mock-a", "when_query": {}, "loses_reply": "close"},
    ),
    (lambda f: f.next_picture.cuts(), {"next_picture": True, "cuts": True}),
    (lambda f: f.next_picture.cuts(100, "reset"), {"next_picture": True, "cuts": {"at": 100, "by": "reset"}}),
    (
        lambda f: f.when_picture(index=1).sends_slowly(9.5),
        {"when_picture": {"index": 1}, "sends_slowly": 9.5},
    ),
    (lambda f: f.next_request.misstates_length(-3), {"next_request": True, "misstates_length": -3}),
    (lambda f: f.next_request.garbles("html"), {"next_request": True, "garbles": "html"}),
    (
        lambda f: f.next_request.pads(compressed=True),
        {"next_request": True, "pads": {"compressed": True}},
    ),
    (
        lambda f: f.when_request(path="/kling/*", header={"x-a.b": "*"}, body={"n": 2}).refuses_connections(),
        {
            "when_request": {"path": "/kling/*", "header": {"x-a.b": "*"}, "body": {"n": 2}},
            "refuses_connections": True,
        },
    ),
]


def same(rule: RuleRecord) -> RuleRecord:
    """A rule without its number, place and end, which a document does not have."""
    return replace(rule, id=0, written_at="", until=None)


def written(call: Callable[[Any], RuleBuilder]) -> RuleRecord:
    fake = Fake()
    call(fake)
    (rule,) = fake.scripts
    return rule


@pytest.mark.parametrize(("call", "document"), CALLS)
def test_a_document_is_the_call_in_python(call: Callable[[Any], RuleBuilder], document: Document) -> None:
    rule = written(call)
    assert script_document(rule) == document
    assert same(read_script(document)) == same(rule)
    assert Draft202012Validator(script_schema()).is_valid(document)


def test_every_subject_and_method_has_a_document() -> None:
    """Fails for a new method without a row in the table above; nothing else needs to be written for it."""
    used = {key for _, document in CALLS for key in document}
    assert used == {*SUBJECTS, *methods_of(Script), *methods_of(RequestScript), "account"}


@given(st.lists(st.sampled_from(CALLS), min_size=1, max_size=6))
def test_every_rule_survives_its_document(chosen: list[Call]) -> None:
    """Property: a document of methods combined at random is an error, or is that of its rule."""
    merged = dict(chosen[0][1])
    for _, other in chosen[1:]:
        merged |= {key: value for key, value in other.items() if key not in SUBJECTS and key != "account"}
    try:
        rule = read_script(merged)
    except DocumentError:
        return
    again = script_document(rule)
    assert same(read_script(again)) == same(rule)
    assert again == merged
    assert Draft202012Validator(script_schema()).is_valid(again)


def test_a_secret_key_is_shown_as_the_name_of_its_account() -> None:
    fake = Fake()
    rule = apply_script(fake, {"account": "sk-secret", "next": True, "fails": "no"})
    document = script_document(rule)
    assert "sk-secret" not in str(document)
    assert apply_script(fake, document).account == rule.account == fake.account("sk-secret").account_name


# -- errors

WRONG: list[tuple[object, list[tuple[str, str]]]] = [
    ([], [("", "a script must be a table, not a list")]),
    ({"fails": "no"}, [("", "a script needs exactly one of next, ")]),
    ({"next": True, "when": {}, "fails": "no"}, [("", "got next and when")]),
    ({"nxt": True, "next": True, "fails": "no"}, [("/nxt", "unknown key 'nxt'; ")]),
    ({"next": False, "fails": "no"}, [("/next", "next must be true, not false")]),
    ({"next": True}, [("", "the script has no outcome and so no effect")]),
    ({"next": True, "times": 2}, [("", "the script has no outcome and so no effect")]),
    (
        {"next": True, "fial": "no", "times": "2", "cuts": {"att": 3, "by": "rest"}},
        [
            ("/fial", "unknown key 'fial'; did you mean 'fails'?"),
            ("/times", "times must be an integer or a table, not '2'"),
            ("/cuts/att", "unknown key of cuts 'att'; did you mean 'at'?"),
            ("/cuts/by", "unknown value of by 'rest'; did you mean 'reset'?"),
        ],
    ),
    (
        {"next_query": True, "sticks": True},
        [("/sticks", "sticks needs a script with next or when, not next_query")],
    ),
    (
        {"when": {"prompt": 5, "ratio": "1:1"}, "fails": "no"},
        [
            ("/when/prompt", "prompt must be a string, not 5"),
            ("/when/ratio", "unknown key of when 'ratio'; did you mean 'aspect_ratio'?"),
        ],
    ),
    (
        {"when_query": {"nth": 0}, "delays": 3},
        [("/when_query/nth", "nth must be an integer of at least 1, not 0")],
    ),
    (
        {"when_request": {"header": {"a": 1}}, "delays": 3},
        [("/when_request/header", "header: names and values")],
    ),
    ({"next": True, "refuses": {"message": "no"}}, [("/refuses", "refuses: code is missing")]),
    (
        {"next": True, "fails": "", "times": 0, "cuts": {"at": -1}},
        [
            ("/fails", "fails: message must be a non-empty string, not ''"),
            ("/times", "times must be an integer of at least 1, not 0"),
            ("/cuts/at", "cuts: at must be an integer of at least 0, not -1"),
        ],
    ),
    ({"next": True, "fails": "no", "refuses": 1303}, [("/refuses", "refuses: contradictory outcomes: ")]),
    (
        {"next": True, "delays": True, "optional": None},
        [
            ("/delays", "delays must be a number or a table, not true"),
            ("/optional", "optional must be true, not null"),
        ],
    ),
    (
        {"next": True, "answers": {"status": 200, "body": {"$base64": "?"}}},
        [("/answers", "$base64 must be base64")],
    ),
    ({"next": True, "fails": "no", "account": 5}, [("/account", "account must be a string, not 5")]),
    ({"next": True, "fails": "no", "a/b~c": 5}, [("/a~1b~0c", "unknown key 'a/b~c'")]),
]


@pytest.mark.parametrize(("document", "expected"), WRONG)
def test_every_problem_of_a_document_is_listed(document: object, expected: list[tuple[str, str]]) -> None:
    """An error has a pointer and a message; a document with an error writes nothing."""
    fake = Fake()
    with pytest.raises(DocumentError) as raised:
        apply_script(fake, document)
    found = raised.value.problems
    assert [each.pointer for each in found] == [pointer for pointer, _ in expected]
    assert all(text in each.message for each, (_, text) in zip(found, expected, strict=True))
    assert not fake.scripts
    fake.check()


def test_a_problem_lists_the_accepted_keys_and_values() -> None:
    with pytest.raises(DocumentError) as raised:
        read_script({"next_query": True, "garbels": "html", "loses_reply": "rest"})
    key, value = raised.value.problems
    assert set(key.accepted) == {*methods_of(RequestScript), "account"}
    assert key.nearest == ("garbles",)
    assert (value.accepted, value.nearest) == (("reset", "close", "timeout"), ("reset",))


def test_a_deep_document_is_an_error() -> None:
    deep: Any = "end"
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(DocumentError, match="nested more than 64 levels deep"):
        read_script({"next": True, "adds_fields": {"fields": {"a": deep}}})


def test_the_view_of_an_account_reads_documents_of_that_account() -> None:
    view = Fake().account("sk-mock-a")
    assert apply_script(view, {"next": True, "fails": "no"}).account == "sk-mock-a"
    with pytest.raises(DocumentError, match="this view is that of sk-mock-a; omit the key"):
        apply_script(view, {"account": "sk-mock-b", "next": True, "fails": "no"})


@pytest.mark.parametrize(
    "document",
    [
        {"fails": "no"},
        {"next": True, "when": {}, "fails": "no"},
        {"next_query": True, "sticks": True},
        {"next": True, "fial": "no"},
        {"next": True, "garbles": "jsn"},
        {"next": True, "times": "2"},
    ],
)
def test_the_schema_refuses_wrong_documents(document: Document) -> None:
    """Counterexamples of the schema, by a validator of others."""
    Draft202012Validator.check_schema(script_schema())
    assert not Draft202012Validator(script_schema()).is_valid(document)


def test_every_key_of_the_schema_has_a_description() -> None:
    for schema in script_schema()["properties"].values():
        assert len(schema["description"]) > 15
