"""`check_lifecycle`: tables of legal and illegal observations, and an enumeration of all legal ones."""

import re
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from inspect import getsource
from itertools import product

import pytest

from kling_contracts import lifecycle
from kling_contracts.lifecycle import REACHABLE, TRANSITIONS, check_lifecycle
from kling_contracts.messages import ResultImage, TaskMessage
from kling_contracts.vocabulary import TaskStatus

BORN = 1777385361501


def seen(status: str, at: int = 0, **changes: object) -> TaskMessage:
    """A valid observation, updated `at` milliseconds after the creation."""
    task = TaskMessage.from_wire(
        {
            "task_id": "878106242831892487",
            "task_status": status,
            "task_status_msg": "Image pixel is invalid" if status == "failed" else "",
            "created_at": BORN,
            "updated_at": BORN + at,
            "task_result": {"images": [{"index": 0, "url": "https://a/0.png"}]}
            if status == "succeed"
            else {},
        }
    )
    return replace(task, **changes)  # type: ignore[arg-type]  # fields of any type


def image(index: int, url: str) -> ResultImage:
    return ResultImage(index=index, url=url)


TWO = (image(0, "https://a/0.png"), image(1, "https://a/1.png"))

LEGAL = {
    "nothing seen": [],
    "just created": [seen("submitted")],
    "whole life": [seen("submitted"), seen("processing", 1800), seen("succeed", 9000)],
    "whole life, seen often": [
        *[seen("submitted")] * 2,
        *[seen("processing", 1800)] * 3,
        *[seen("succeed", 9000)] * 2,
    ],
    "failure while processing": [seen("submitted"), seen("processing", 1800), seen("failed", 9000)],
    "failure at once": [seen("submitted"), seen("failed", 1650), seen("failed", 1650)],
    "change within the millisecond": [seen("submitted"), seen("processing"), seen("succeed")],
    "first seen at its end": [seen("succeed", 9000), seen("succeed", 9000)],
    "result over plain http": [seen("succeed", 9000, images=(image(0, "http://a/0.png"),))],
    "the first millisecond of 13 digits": [seen("processing", created_at=10**12, updated_at=10**12)],
    "the last one": [seen("processing", created_at=10**13 - 1, updated_at=10**13 - 1)],
}
MISSED = {
    "processing missed": [seen("submitted"), seen("succeed", 9000)],
}

# rule -> observations, number of requested images, `complete`
COUNTEREXAMPLES: dict[str, tuple[list[TaskMessage], int | None, bool]] = {
    "status.word": ([seen("succeeded", 9)], None, False),
    "time.unit": ([seen("processing", created_at=BORN // 1000, updated_at=BORN)], None, False),
    "time.order": ([seen("processing", -1)], None, False),
    "images.presence": ([seen("succeed", 9, images=())], None, False),
    "failed.message": ([seen("failed", 9, task_status_msg=None)], None, False),
    "running.message": ([seen("processing", 1, task_status_msg="busy")], None, False),
    "succeed.message": ([seen("succeed", 9, task_status_msg="oh")], None, False),
    "images.count": ([seen("succeed", 9, images=TWO)], 3, False),
    "images.index": ([seen("succeed", 9, images=TWO[::-1])], 2, False),
    "images.distinct": ([seen("succeed", 9, images=(TWO[0], image(1, TWO[0].url)))], 2, False),
    "images.absolute": ([seen("succeed", 9, images=(image(0, "/0.png"),))], 1, False),
    "task.id": ([seen("submitted"), seen("submitted", task_id="2")], None, False),
    "time.created": ([seen("processing", 9), seen("processing", 9, created_at=BORN + 1)], None, False),
    "time.decreasing": ([seen("processing", 20), seen("succeed", 19)], None, False),
    "time.unchanged": ([seen("processing", 9), seen("processing", 10)], None, False),
    "state.absorbing": ([seen("succeed", 9), seen("failed", 10)], None, False),
    "state.order": ([seen("processing", 9), seen("submitted", 10)], None, False),
    "state.skipped": ([seen("submitted"), seen("succeed", 9)], None, True),
    "state.stable": (
        [seen("succeed", 9), seen("succeed", 9, images=(image(0, "https://a/x.png"),))],
        None,
        False,
    ),
}


@pytest.mark.parametrize("name", LEGAL)
@pytest.mark.parametrize("complete", [False, True])
def test_legal_observations(name: str, complete: bool) -> None:
    """Legal observations have no violation, complete or not."""
    assert check_lifecycle(LEGAL[name], complete=complete) == ()


def test_polls_may_miss_states() -> None:
    """A skipped state is legal for polls, and a violation in complete observations."""
    assert check_lifecycle(MISSED["processing missed"]) == ()
    assert check_lifecycle(MISSED["processing missed"], complete=True) != ()


@pytest.mark.parametrize("rule", COUNTEREXAMPLES)
def test_counterexample(rule: str) -> None:
    """Each rule has observations that break only this rule."""
    observations, n, complete = COUNTEREXAMPLES[rule]
    (violation,) = check_lifecycle(observations, n=n, complete=complete)
    assert violation.rule == rule
    assert violation.at == len(observations) - 1
    assert violation.sentence in str(violation)


def test_every_rule_has_a_counterexample() -> None:
    """Every rule has a counterexample."""
    of_media = {"media.id", "media.duration"}  # covered by test_result_kinds
    assert (
        set(re.findall(r'LifecycleViolation\(\s*"([a-z.]+)"', getsource(lifecycle)))
        == set(COUNTEREXAMPLES) | of_media
    )


@pytest.mark.parametrize(
    ("rule", "observation"),
    [
        ("time.unit", seen("submitted", created_at=None)),
        ("time.unit", seen("submitted", updated_at=None)),
        ("time.unit", seen("submitted", created_at=10**12 - 1)),
        ("time.unit", seen("submitted", updated_at=BORN * 1000)),
        ("time.unit", seen("submitted", updated_at=10**13)),
        ("images.presence", seen("submitted", images=TWO)),
        ("images.presence", seen("processing", 9, images=TWO[:1])),
        ("images.presence", seen("failed", 9, images=TWO[:1])),
        ("images.index", seen("succeed", 9, images=(image(1, "https://a/1.png"),))),
        ("images.absolute", seen("succeed", 9, images=(image(0, "ftp://a/0.png"),))),
        ("failed.message", seen("failed", 9, task_status_msg="")),
    ],
)
def test_single_observations(rule: str, observation: TaskMessage) -> None:
    """Violations in a single observation."""
    assert rule in {violation.rule for violation in check_lifecycle([observation])}


# The sentence of the only violation -> one or two observations.
SENTENCES = {
    "task_status 'succeeded' is not a status of this API": [seen("succeeded", 9)],
    "created_at 1777385361 is not in Unix milliseconds": [seen("processing", created_at=1777385361)],
    "updated_at None is not in Unix milliseconds": [seen("processing", updated_at=None)],
    "updated_at is before created_at": [seen("processing", -1)],
    "task has 1 images in status submitted": [seen("submitted", images=TWO[:1])],
    "failed task has no task_status_msg": [seen("failed", 9, task_status_msg=None)],
    "succeeded task has a task_status_msg": [seen("succeed", 9, task_status_msg="oh", images=TWO)],
    "task has 1 images; 2 were requested": [seen("succeed", 9)],
    "indices are [1, 0], not 0, 1, ...": [seen("succeed", 9, images=TWO[::-1])],
    "two images have the same URL": [seen("succeed", 9, images=(TWO[0], image(1, TWO[0].url)))],
    "URL '/1.png' is not absolute": [seen("succeed", 9, images=(TWO[0], image(1, "/1.png")))],
    "task_id changed from 878106242831892487 to 2": [seen("submitted"), seen("submitted", task_id="2")],
    "created_at changed": [seen("processing", 9), seen("processing", 9, created_at=BORN + 1)],
    "updated_at decreased": [seen("submitted", 20), seen("processing", 19)],
    "updated_at changed while the status stayed processing": [seen("processing", 9), seen("processing", 10)],
    "terminal status succeed changed to failed": [seen("succeed", 9, images=TWO), seen("failed", 10)],
    "status changed from processing to submitted": [seen("processing", 9), seen("submitted", 10)],
    "status changed from submitted directly to succeed": [seen("submitted"), seen("succeed", 9, images=TWO)],
    "results or message of a finished task changed": [
        seen("failed", 9),
        seen("failed", 9, task_status_msg="other"),
    ],
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences(sentence: str) -> None:
    """Each has one violation with this sentence, where two images were requested."""
    assert [each.sentence for each in check_lifecycle(SENTENCES[sentence], n=2, complete=True)] == [sentence]


@pytest.mark.parametrize(
    ("rules", "life", "n"),
    [
        (["images.count"], [seen("succeed", 9, images=TWO)], 1),
        (["images.count"], [seen("succeed", 9, images=TWO)], 3),
        (["images.index"], [seen("succeed", 9, images=(TWO[0], image(0, "https://a/1.png")))], 2),
        (["images.index"], [seen("succeed", 9, images=(TWO[0], image(2, "https://a/1.png")))], 2),
        (["task.id"], [seen("submitted", task_id="1"), seen("submitted", task_id="2")], None),
        (["task.id"], [seen("submitted", task_id="2"), seen("submitted", task_id="1")], None),
        (["time.created"], [seen("processing", 9), seen("processing", 9, created_at=BORN - 1)], None),
        (["time.decreasing", "time.unchanged"], [seen("processing", 9), seen("processing", 8)], None),
        # A missing timestamp is reported once, and not as decreasing.
        (["time.unit"], [seen("processing", updated_at=None), seen("succeed", 9)], None),
        (["time.unit"], [seen("processing", 9), seen("failed", updated_at=None)], None),
        # For an unknown status no other rule is checked.
        (["status.word"], [seen("succeeded", 9, created_at=None, images=TWO)], None),
        (["status.word"], [seen("submitted"), seen("queued", 9)], None),
        (["status.word"], [seen("queued"), seen("succeed", 9)], None),
        (["status.word", "status.word"], [seen("queued"), seen("queued", 9)], None),
    ],
)
def test_either_way(rules: list[str], life: list[TaskMessage], n: int | None) -> None:
    """Rules apply in both directions: too many and too few, earlier and later."""
    assert [each.rule for each in check_lifecycle(life, n=n)] == rules


def test_violations_are_immutable() -> None:
    (one,) = check_lifecycle([seen("succeeded")])
    with pytest.raises(FrozenInstanceError):
        one.rule = "other"  # type: ignore[misc]  # the mistake
    assert str(one) == "observation 0: task_status 'succeeded' is not a status of this API (status.word)"


def test_all_violations_are_reported() -> None:
    """All violations are reported, not only the first."""
    life = [seen("failed", 9, task_status_msg=None), seen("submitted", 5, images=TWO)]
    assert [(each.at, each.rule) for each in check_lifecycle(life)] == [
        (0, "failed.message"),
        (1, "images.presence"),
        (1, "time.decreasing"),
        (1, "state.absorbing"),
    ]


def legal_words() -> Iterator[tuple[str, ...]]:
    """All legal sequences of statuses, written by hand; each state for one or two observations."""
    for waits in product((1, 2), repeat=3):
        submitted, processing, ended = ("submitted",) * waits[0], ("processing",) * waits[1], waits[2]
        yield submitted + ("failed",) * ended
        for end in ("succeed", "failed"):
            yield submitted + processing + (end,) * ended


def test_transitions_against_an_enumeration() -> None:
    """Of all sequences of up to six statuses, exactly the prefixes of the enumerated ones are legal."""
    stamps = {"submitted": 0, "processing": 1, "succeed": 2, "failed": 2}
    legal = {word[:length] for word in legal_words() for length in range(1, len(word) + 1)}
    for length in range(1, 5):
        for word in product(("submitted", "processing", "succeed", "failed"), repeat=length):
            if word[0] != "submitted" or any(word.count(each) > 2 for each in word):
                continue
            ordered = check_lifecycle([seen(each, stamps[each]) for each in word], complete=True)
            state_faults = [each for each in ordered if each.rule.startswith("state.")]
            assert (not state_faults) == (word in legal), word


def test_tables_agree() -> None:
    """REACHABLE is the closure of TRANSITIONS; terminal states have no transition."""
    assert {status for status in TaskStatus if not TRANSITIONS[status]} == {"succeed", "failed"}
    for status, later in REACHABLE.items():
        assert TRANSITIONS[status] | {status} <= later
    assert REACHABLE[TaskStatus.SUBMITTED] == set(TaskStatus)
    assert REACHABLE[TaskStatus.PROCESSING] == {"processing", "succeed", "failed"}
