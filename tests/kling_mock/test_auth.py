"""Each key is an account with its own tasks and limits; and which keys are accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import time_machine

from kling_mock import Clock, Fake, ManualClock, Reply, Request
from tests.kling_mock.conftest import Caller

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start

PATH = "/kling/v1/images/generations"
UNKNOWN = {"code": "task_not_exist", "message": "task_not_exist", "data": None}


def query_absent_task(fake: Fake, *authorization: str) -> Reply:
    """Query a task that does not exist: 400 with an accepted key, 401 otherwise."""
    headers = tuple(("authorization", value) for value in authorization)
    return fake.handle(Request("GET", f"{PATH}/1", "", headers))


# -- keys


@pytest.mark.parametrize("key", ["sk-anything", "x", "AK:SECRET", "a.b.c", "with blank inside"])
def test_in_process_any_non_empty_bearer_is_accepted(key: str, caller: Caller) -> None:
    assert query_absent_task(caller.fake, f"Bearer {key}").status == 400


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_case_insensitive(scheme: str, start: Start) -> None:
    assert query_absent_task(start(keys=["sk-one"]).fake, f"{scheme} sk-one").status == 400


def test_spaces_around_the_key_are_ignored(start: Start) -> None:
    assert query_absent_task(start(keys=["sk-one"]).fake, "  Bearer   sk-one  ").status == 400


@pytest.mark.parametrize(
    "authorization",
    [
        (),
        ("",),
        ("   ",),
        ("Bearer",),
        ("Bearer ",),
        ("sk-one",),
        ("Basic sk-one",),
        ("Token sk-one",),
        ("Bearer sk-on",),
        ("Bearer sk-one1",),
        ("Bearer SK-ONE",),
        ("Bearer sk-one", "Bearer sk-one"),
        ("Bearer sk-one", ""),
        ("Bearer sk-two, Bearer sk-one",),
    ],
)
def test_other_credentials_are_refused_in_the_shape_of_the_gateway(
    authorization: tuple[str, ...], start: Start
) -> None:
    caller = start(keys=["sk-one"])
    reply = query_absent_task(caller.fake, *authorization)
    body = cast("dict[str, Any]", reply.json())
    assert reply.status == 401
    assert body.keys() == {"error"}
    assert body["error"]["type"] == "comet_api_error"
    assert body["error"]["message"].startswith("invalid token (request id: ")
    assert caller.fake.calls.refused[0].rule in ("auth.missing", "auth.malformed", "auth.key")


def test_without_a_key_other_headers_change_nothing(start: Start) -> None:
    for name in ("accept", "Accept"):
        assert start().fake.handle(Request("GET", f"{PATH}/1", "", ((name, "*/*"),))).status == 401


def test_a_plain_key_is_accepted_beside_one_with_a_secret(start: Start) -> None:
    fake = start(keys=["access:secret", "sk-one"]).fake
    assert query_absent_task(fake, "Bearer sk-one").status == 400
    for key in ("access:secret", "access", "secret"):
        assert query_absent_task(fake, f"Bearer {key}").status == 401


def test_the_first_of_two_headers_decides_about_the_rule(start: Start) -> None:
    fake = start(keys=["sk-one"]).fake
    for given in (("", "Bearer sk-one"), ("Bearer sk-one", "")):
        query_absent_task(fake, *given)
    assert [call.rule for call in fake.calls.refused] == ["auth.missing", "auth.malformed"]


def test_kling_counts_no_parts_in_another_scheme(start: Start) -> None:
    request = Request("GET", "/account/costs", "", (("authorization", "Basic a.b"),))
    message = cast("dict[str, str]", start().fake.handle(request).json())["message"]
    assert message == "The token was expected to have 3 parts, but got 0"


def test_keys_are_exact_unless_they_end_in_a_star(start: Start) -> None:
    fake = start(keys=["sk-mock", "sk-mock-*"]).fake
    good = ["sk-mock", "sk-mock-", "sk-mock-1", "sk-mock-anything at all"]
    bad = ["sk-moc", "sk-mock1", "sk-other", "*", "xsk-mock-1"]
    assert [query_absent_task(fake, f"Bearer {key}").status for key in good] == [400] * len(good)
    assert [query_absent_task(fake, f"Bearer {key}").status for key in bad] == [401] * len(bad)


@pytest.mark.parametrize(
    ("key", "parts"), [("abc", "0"), ("a.b", "2"), ("a.b.c.d", "> 3"), ("a.b.c.d.e", "> 3")]
)
def test_kling_counts_the_parts_of_a_key_that_is_no_token(key: str, parts: str, start: Start) -> None:
    for keys, expected in ((["access:secret"], (401, parts)), ([], (200, None))):
        caller = start(keys=keys).account(key)
        reply = caller.get("/account/costs")
        message = cast("dict[str, str]", reply.json())["message"]
        found = message.removeprefix("The token was expected to have 3 parts, but got ")
        assert (reply.status, found if found != message else None) == expected


# -- accounts


def test_a_task_of_another_account_gets_the_same_reply_as_an_unknown_one(caller: Caller) -> None:
    task_id = caller.create()["task_id"]
    stranger = caller.account("sk-mock-b")
    for path in (f"{PATH}/{task_id}", f"{PATH}/1", f"{PATH}/no%20number"):
        reply = stranger.get(path)
        assert (reply.status, reply.json()) == (400, UNKNOWN)
    assert caller.status(task_id) == "processing"


def test_a_task_is_found_under_both_tails(caller: Caller) -> None:
    task_id = caller.create()["task_id"]
    other = caller.get(f"/kling/v1/images/multi-image2image/{task_id}")
    assert caller.data(other)["task_id"] == task_id


def test_two_accounts_are_independent(start: Start) -> None:
    """Limits, balance and external ids of one account do not affect the other."""
    one = start(slots=1, balance=16)
    two = one.account("sk-mock-b")
    assert [one.ask(external_task_id="x").status, two.ask(external_task_id="x").status] == [200, 200]
    assert [one.ask().status, two.ask().status] == [403, 403]


def test_a_view_of_an_account_shows_only_that_account(caller: Caller) -> None:
    other = caller.account("sk-secret")
    caller.create(prompt="mine", callback_url="https://app.test/a")
    other.create(prompt="theirs", callback_url="https://app.test/b")
    other.create()
    mine, theirs = caller.fake.account(caller.key), caller.fake.account("sk-secret")
    assert mine.task.request.prompt == "mine"
    assert [task.request.prompt for task in theirs.tasks] == ["theirs", ""]
    assert len(caller.fake.tasks) == 3
    assert [callback.url for callback in theirs.callbacks] == ["https://app.test/b"]
    assert [len(view.calls) for view in (mine, theirs, caller.fake)] == [1, 2, 3]
    assert caller.fake.account("sk-never-seen").tasks == ()


def test_a_script_of_an_account_applies_only_to_that_account(caller: Caller) -> None:
    caller.fake.account("sk-mock-b").next.fails("theirs")
    caller.fake.account("sk-mock-b").when(prompt="*").pace("instant")
    assert caller.status(caller.make().id) == "processing"
    other = caller.account("sk-mock-b")
    first, second = other.make(), other.make()
    other.status(first.id)
    assert [other.query(first.id)["task_status"], second.status] == ["failed", "succeed"]


def test_a_view_names_its_account_without_the_key(caller: Caller) -> None:
    caller.account("sk-secret-0123456789").create()
    assert repr(caller.fake) == "<Fake of all accounts: 1 tasks, 1 calls>"
    assert repr(caller.fake.account("sk-mock-b")) == "<FakeView of sk-mock-b: 0 tasks, 0 calls>"
    shown = repr(caller.fake.account("sk-secret-0123456789"))
    assert shown.startswith("<FakeView of account-")
    assert shown.endswith(": 1 tasks, 1 calls>")
    assert "sk-secret" not in shown


# -- ids


def test_ids_are_unique_over_5000_creates_at_one_instant_and_over_accounts(start: Start) -> None:
    caller = start()
    other = caller.account("sk-mock-b")
    ids = [each.create()["task_id"] for _ in range(2500) for each in (caller, other)]
    assert len(set(ids)) == 5000
    assert all(task_id.isdecimal() and len(task_id) == 18 for task_id in ids)


@pytest.mark.parametrize("start_at", [1_577_836_800.0, 1_767_225_600.5, 1_767_225_600.123456, 4e9])
def test_the_time_part_of_an_id_is_created_at(start_at: float, start: Start) -> None:
    """`(id >> 22) + epoch == created_at`, with the epoch derived from captured pairs."""
    data = start(clock=ManualClock(start_at)).create()
    assert (int(data["task_id"]) >> 22) + 1_568_028_518_780 == data["created_at"] == int(start_at * 1000)
    assert data["updated_at"] == data["created_at"]


def test_ids_have_no_sign_if_system_time_is_before_their_epoch() -> None:
    """A test may travel to any time."""
    with time_machine.travel(1_326_511_294):
        assert Caller(Fake(clock=Clock())).create()["task_id"].isdecimal()


def test_a_request_id_is_a_new_v4_uuid_on_each_reply(caller: Caller) -> None:
    import uuid

    task_id = caller.create()["task_id"]
    replies = [caller.get(f"{PATH}/{task_id}") for _ in range(50)] + [caller.ask(n=0) for _ in range(50)]
    found = [cast("dict[str, str]", reply.json())["request_id"] for reply in replies]
    assert len(set(found)) == 100
    assert {uuid.UUID(each).version for each in found} == {4}
    assert all(str(uuid.UUID(each)) == each for each in found)
