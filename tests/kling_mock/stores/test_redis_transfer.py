"""The whole state of a namespace in Redis is exported and imported at one instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hypothesis import example, given

from kling_mock import Fake, ManualClock, Request
from kling_mock.cli import main
from kling_mock.control_api.api import ControlAPI
from kling_mock.records import ClockRecord, RuleRecord, RuleUse, TokenRecord, WindowRecord
from kling_mock.stores import SCRIPTS, Change, Key, RuleKey, Ticket, TokenKey, WindowKey
from kling_mock.stores.lines import parse
from kling_mock.stores.memory import MemoryStore
from kling_mock.stores.record_format import AccountTotals
from kling_mock.stores.redis import transfer
from tests.kling_mock.control_api.conftest import HERE
from tests.kling_mock.fakes_with_past import fake_with_past, past
from tests.kling_mock.stores.histories import RETENTION, Player, moves
from tests.kling_mock.stores.redis_server import StoppedRedisStore, redis_server, second_handle
from tests.profiles import share

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from kling_mock import Reply

FAILING = ("create", "x", "image", 1, "mine", "no luck", "seconds:1,5")
COUNTED = ("create", "y", "video", 2, "mine", None, "polls:3")


def others(player: Player) -> None:
    """Write one of each of the other records."""
    player.call("x")
    records = (
        RuleRecord(3, "x", None, 5),
        RuleUse(3),
        WindowRecord(None, "create", 1.5, 2, 1),
        TokenRecord("digest", 1e9),
    )
    player.store.commit(Change((), records))
    player.store.read([Ticket("rules")])


@share(0.05)
@given(history=moves, later=moves)
@example(
    history=[FAILING, COUNTED, ("poll", 0), ("advance", 6.0)], later=[("advance", 3 * RETENTION), FAILING]
)
def test_a_moved_state_equals_a_full_scan(history: list[Any], later: list[Any]) -> None:
    """From Redis to memory, and to another namespace, where the history goes on."""
    player = Player(cast("Any", StoppedRedisStore))
    player.play(history)
    others(player)
    memory = MemoryStore(ManualClock(), retention=RETENTION, journal_bytes=2**22)
    memory.load(player.store.items())
    assert without_clock(memory) == without_clock(player.store)
    target = cast("Any", StoppedRedisStore)(retention=RETENTION, journal_bytes=2**22)
    assert target.take_over(memory.items(), replace=False)
    assert not target.take_over([], replace=False)
    assert without_clock(target) == without_clock(memory)
    keys: list[Key[Any]] = [
        RuleKey(3),
        WindowKey(None, "create"),
        TokenKey("digest"),
        Ticket("rules"),
        SCRIPTS,
    ]
    expected, found = memory.read(keys), target.read(keys)
    assert [found[key] for key in keys[:-1]] == [expected[key] for key in keys[:-1]]
    assert [rule.id for rule in found[SCRIPTS].rules] == [3]
    player.store, player.clock = target, target.clock
    player.play(later)


def without_clock(store: Any) -> list[Any]:
    found = [item for item in store.items() if not isinstance(item, ClockRecord | AccountTotals)]
    totals = [item for item in store.items() if isinstance(item, AccountTotals)]
    return [*sorted(totals, key=lambda each: each.account or ""), *found]


def test_the_commands_and_the_control_api_move_the_state_of_a_namespace(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From memory to Redis, into a file, and back; other processes read the scripts again."""
    monkeypatch.setattr(transfer, "PACKED", 3)
    url, lines = redis_server().url(), folder / "x.jsonl"
    with fake_with_past(None) as fake, Fake(state=url, unused_scripts="ignore") as other:
        expected = past(fake)
        fake.snapshot().save(lines)
        other.next.fails("before").optional()
        assert main(["import", str(lines), "--state", url]) == 2
        assert "there are tasks or scripts already; replace them" in capsys.readouterr().err
        assert main(["import", str(lines), "--state", url, "--replace"]) == 0
        assert past(other) == expected
        assert main(["export", str(lines), "--state", url]) == 0
        with Fake.restore(other.snapshot(), seed=4) as copy, other.fork() as fork:
            assert past(copy) == past(fork) == expected
            copy.next.succeeds().optional()
            other.load_state(copy.snapshot(), replace=True)
            assert len(other.scripts) == len(fake.scripts) + 1
        asked = Request("GET", "/_mock/state", headers=(("host", "127.0.0.1:8000"),))
        reply = cast("Reply", ControlAPI(other).answer(asked, HERE))
        assert parse(reply.body)[1:] == other.snapshot().items()[1:]


def test_an_import_is_a_reset_for_the_other_processes_and_no_call() -> None:
    store = cast("Any", StoppedRedisStore)(retention=RETENTION, journal_bytes=2**22)
    player = Player(cast("Any", StoppedRedisStore))
    others(player)
    store.take_over(player.store.items(), replace=True)
    prefix = store.session.address.prefix
    ((_, change),) = store._client.xrange(f"{prefix}changes")
    assert change[b"kind"] == b"reset"
    ((_, entry),) = store._client.xrange(f"{prefix}calls")
    assert entry[b"process"] == b"import"
    assert second_handle(store).read([SCRIPTS])[SCRIPTS].rules[0].id == 3
