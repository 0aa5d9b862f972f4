"""Checks of the state that all accounts share: scripts, counters, tokens and the clock."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from kling_contracts.gateways import COMETAPI, RefusalReason
from kling_mock.outcomes import Fails, Progresses, Refuses
from kling_mock.plan import Pace
from kling_mock.records import ClockRecord, Jump, RuleRecord, RuleUse, TokenRecord
from kling_mock.stores import (
    CLOCK,
    SCRIPTS,
    Expect,
    Read,
    RuleKey,
    Snapshot,
    Steps,
    Ticket,
    TokenKey,
)
from kling_mock.stores.conformance.checks import (
    RETENTION,
    ROUNDS,
    WORKERS,
    CheckSteps,
    OnSecond,
    Parallel,
    check,
)
from kling_mock.stores.conformance.samples import (
    ACCOUNT,
    ATTEMPTS,
    OTHER,
    advance,
    attempt,
    call,
    read,
    read_now,
    refuse,
    repeat,
    require,
    require_equal,
    write,
)

RULES: Final = (
    RuleRecord(0, None, None, 1, (Progresses(Pace.polls(3)),)),
    RuleRecord(
        1,
        ACCOUNT,
        {"prompt": "*\u732b*", "n": 2, "callback_url": None},
        None,
        (Fails("no"), Progresses(Pace.held())),
    ),
    RuleRecord(
        2, OTHER, {}, 3, (Refuses(COMETAPI.refusals[RefusalReason.NO_SLOTS]),), True, "tests/test_a.py:7"
    ),
)


# -- scripts


@check
def rules_by_number() -> CheckSteps:
    """Rules are read as they were written, in order of their ids, independent of the order of commits."""
    for rule in (RULES[2], RULES[0], RULES[1]):
        yield from write(rule)
    require_equal("the rules", tuple((yield from read(SCRIPTS)).rules), RULES)


@check
def rule_replaced() -> CheckSteps:
    """A rule that is written again replaces the old one, and keeps its number of uses."""
    yield from write(*RULES)
    yield from write(RuleUse(1))
    refined = RuleRecord(1, ACCOUNT, {"prompt": "dog"}, 4)
    yield from write(refined)
    scripts = yield from read(SCRIPTS)
    require_equal("the rules", tuple(scripts.rules), (RULES[0], refined, RULES[2]))
    require_equal("the uses of the rule", scripts.used.get(1, 0), 1)


@check
def rule_dropped() -> CheckSteps:
    """A rule that is dropped is not read any more, and has no uses; the others stay."""
    yield from write(*RULES)
    yield from write(RuleUse(1), RuleUse(2, 3))
    yield from write(replace(RULES[1], dropped=True))
    snapshot: Snapshot = yield Read((SCRIPTS, RuleKey(1), RuleKey(2)))
    require_equal("the rules", tuple(snapshot[SCRIPTS].rules), (RULES[0], RULES[2]))
    require_equal("the uses", (snapshot[RuleKey(1)], snapshot[RuleKey(2)]), (0, 3))


@check
def script_version() -> CheckSteps:
    """The version of the scripts changes with every written rule, but not with a use."""
    versions = [(yield from read(SCRIPTS)).version]
    for rule in (*RULES, RULES[0]):
        yield from write(rule)
        versions.append((yield from read(SCRIPTS)).version)
    require(len(set(versions)) == len(versions), f"versions that differ were expected; got {versions}")
    yield from refuse(RuleUse(0), expect=(Expect(SCRIPTS, versions[-2]),))
    yield from write(RuleUse(0), expect=(Expect(SCRIPTS, versions[-1]),))
    yield from write(RuleUse(0), expect=(Expect(SCRIPTS, versions[-1]),))
    require_equal("the version after two uses", (yield from read(SCRIPTS)).version, versions[-1])


@check
def uses_counted() -> CheckSteps:
    """The number of uses of a rule is its version, and is part of scripts that are read later."""
    yield from write(*RULES)
    for used in range(3):
        yield from write(RuleUse(2), expect=(Expect(RuleKey(2), used),))
        yield from refuse(RuleUse(2), expect=(Expect(RuleKey(2), used),))
    snapshot: Snapshot = yield Read((SCRIPTS, RuleKey(2), RuleKey(1)))
    require_equal("RuleKey", (snapshot[RuleKey(2)], snapshot[RuleKey(1)]), (3, 0))
    used_of = [snapshot[SCRIPTS].used.get(number, 0) for number in range(3)]
    require_equal("the uses of all rules", used_of, [0, 0, 3])


# -- counters


def _take(counter: str, number: int) -> Steps[list[int]]:
    return (yield from repeat(number, lambda: read(Ticket(counter))))


@check
def tickets_from_zero() -> CheckSteps:
    """A counter returns 0, 1, 2 and so on, independent of other counters and of other keys in the batch."""
    for expected in range(3):
        keys = Ticket("a"), Ticket("b")
        snapshot: Snapshot = yield Read((*keys, SCRIPTS))
        require_equal("two counters", [snapshot[key] for key in keys], [expected, expected])
    require_equal("the first counter", (yield from read(Ticket("a"))), 3)
    require_equal("the second counter", (yield from read(Ticket("b"))), 3)


@check
def tickets_never_repeated() -> CheckSteps:
    """No two reads get the same number of a counter, even concurrently and on two handles."""
    taken: list[int] = []
    for _ in range(3):
        taken += yield from _take("a", 1)
        taken += yield OnSecond(_take("a", 2))
    require_equal("numbers over two handles", taken, list(range(9)))
    lists: list[list[int]] = yield Parallel(tuple(_take("a", ROUNDS) for _ in range(WORKERS)))
    taken += [number for numbers in lists for number in numbers]
    require_equal("numbers of several at once", sorted(taken), list(range(9 + WORKERS * ROUNDS)))


# -- tokens


@check
def token_written_once() -> CheckSteps:
    """A token that is written again keeps its first expiry."""
    now = yield from read_now()
    key, other = TokenKey("digest"), TokenKey("other")
    yield from write(TokenRecord("digest", now + 1_800))
    yield from write(TokenRecord("digest", now + 9_000), TokenRecord("other", now + 60))
    snapshot: Snapshot = yield Read((key, other))
    require_equal("the expiries", [snapshot[key], snapshot[other]], [now + 1_800, now + 60])


@check
def token_outlives_its_life() -> CheckSteps:
    """A token is kept after its expiry for the duration of the retention, so that it stays expired."""
    now = yield from read_now()
    yield from write(TokenRecord("digest", now + 60))
    yield from advance(60 + RETENTION - 1)
    for number in range(5):
        yield from write(TokenRecord(str(number), now + 60 + RETENTION))
    require_equal("the expiry", (yield from read(TokenKey("digest"))), now + 60)


@check
def token_past_retention() -> CheckSteps:
    """A token that is written after its expiry and retention is accepted like any other."""
    now = yield from read_now()
    yield from advance(2 * RETENTION)
    yield from write(TokenRecord("digest", now + 1), call(now, "/"))


# -- the clock


@check
def clock_follows_record() -> CheckSteps:
    """The clock follows the record that was committed last, which is read as it was written."""
    now = yield from read_now()
    old = yield from read(CLOCK)
    record = ClockRecord(now, now + 60.25, 0.0, old.version + 1, (Jump(now, 60.25), Jump(now + 1, 0.5)))
    yield from write(record, expect=(Expect(CLOCK, old.version),))
    require_equal("the record", (yield from read(CLOCK)), record)
    require_equal("now", (yield from read_now()), now + 60.25)
    other: float = yield OnSecond(read_now())
    require_equal("now on the second handle", other, now + 60.25)


@check
def clock_runs() -> CheckSteps:
    """A clock runs if its record has a speed, and stops with speed 0."""
    now = yield from read_now()
    version = (yield from read(CLOCK)).version
    yield from write(ClockRecord(0.0, now, 1.0, version + 1))
    running = yield from read_now()
    require(running > now + 1e9, f"a clock that has run since 1970 from {now} on: got {running}")
    yield from write(ClockRecord(0.0, running + 3_600, 0.0, version + 2))
    require_equal("now", (yield from read_now()), running + 3_600)


@check
def clock_never_back() -> CheckSteps:
    """The present never decreases on either handle, even if an earlier reading is committed."""
    yield from advance(60)
    now = yield from read_now()
    version = (yield from read(CLOCK)).version
    yield from write(ClockRecord(0.0, now - 30, 0.0, version + 1))
    for later in ((yield from read_now()), (yield OnSecond(read_now()))):
        require(later >= now, f"now was {now}, and is {later} after a record that reads {now - 30}")
    yield from advance(1)
    require((yield from read_now()) >= now, "now is earlier than before")


@check
def parallel_advances_added() -> CheckSteps:
    """Concurrent advances of the clock add up."""
    now = yield from read_now()

    def step() -> Steps[None]:
        for _ in range(ATTEMPTS):
            snapshot: Snapshot = yield Read((CLOCK,))
            old = snapshot[CLOCK]
            record = ClockRecord(old.since, old.reading + 0.5, 0.0, old.version + 1)
            failed = yield from attempt((Expect(CLOCK, old.version),), record)
            if failed is None:
                return

    yield Parallel(tuple(repeat(ROUNDS, step) for _ in range(WORKERS)))
    require_equal("now", (yield from read_now()), now + 0.5 * ROUNDS * WORKERS)
