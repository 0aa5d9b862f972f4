"""Results of every kind: round trips, and the rules of the life cycle about them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts.lifecycle import check_lifecycle
from kling_contracts.messages import MalformedMessage, ResultImage, ResultMedia, TaskMessage
from kling_contracts.vocabulary import ResultKind, TaskStatus
from kling_contracts.wire_objects import result_object, task_object
from tests.profiles import share

BORN = 1777385361501
MEDIA = [kind for kind in ResultKind if not kind.drawn]
DRAWN = [kind for kind in ResultKind if kind.drawn]

words = st.text(min_size=1, max_size=9)
# Names of extra fields, which differ from all declared fields.
extras = st.dictionaries(words.map("x_".__add__), st.integers() | words, max_size=2)
images = st.lists(st.builds(ResultImage, index=st.integers(0, 9), url=words, extra=extras), min_size=1)
media = st.builds(
    ResultMedia,
    kind=st.sampled_from(MEDIA),
    id=st.none() | words,
    url=words,
    duration=st.none() | words,
    extra=extras,
)


def wire_of(kind: ResultKind, **changes: object) -> dict[str, object]:
    """A succeeded task with results of a kind; `changes` apply to the last result."""
    results = [
        result_object(kind, at, f"https://a/{at}", media_id=f"9{at}", duration="5.1") for at in range(2)
    ]
    results[-1] |= changes
    return task_object(
        "1", "succeed", BORN, BORN + 9, results=results, kind=kind, units="8", with_result=True
    )


def broken_by(wire: dict[str, object], kind: ResultKind, n: int | None = 2) -> list[str]:
    return [each.rule for each in check_lifecycle([TaskMessage.from_wire(wire)], n=n, kind=kind)]


@share(0.6)
@given(st.sampled_from(DRAWN), images, st.lists(media), extras)
def test_round_trip(
    kind: ResultKind, drawn: list[ResultImage], other: list[ResultMedia], extra: dict[str, object]
) -> None:
    """Results of every kind, and unknown keys of `task_result`, are unchanged after a round trip."""
    task = TaskMessage(
        task_id="1",
        task_status=TaskStatus.SUCCEED,
        image_kind=kind,
        images=tuple(drawn),
        media=tuple(sorted(other, key=lambda each: MEDIA.index(each.kind))),
        result_extra=extra,
    )
    wire = json.loads(json.dumps(task.to_wire()))
    assert TaskMessage.from_wire(wire) == task
    assert task.results_of(kind) == task.images
    assert [each for every in MEDIA for each in task.results_of(every)] == list(task.media)
    assert sum(len(task.results_of(every)) for every in ResultKind) == len(task.results)


def test_a_published_video_is_read_and_written() -> None:
    """The format of the official page; its unknown key for a watermark is kept."""
    video = {"id": "7b8", "url": "https://a/v.mp4", "duration": "5.041", "watermark_url": "https://a/w.mp4"}
    wire = task_object("1", "succeed", BORN, BORN, results=[video], kind=ResultKind.VIDEOS, with_result=True)
    task = TaskMessage.from_wire(wire)
    (media,) = task.media
    assert (media.kind, media.id, media.url, media.duration) == (
        ResultKind.VIDEOS,
        "7b8",
        "https://a/v.mp4",
        "5.041",
    )
    assert media.extra == {"watermark_url": "https://a/w.mp4"}
    assert task.results == task.media
    assert task.to_wire() == wire


def test_series_are_pictures() -> None:
    task = TaskMessage.from_wire(wire_of(ResultKind.SERIES_IMAGES))
    assert [image.index for image in task.images] == [0, 1]
    assert task.image_kind is ResultKind.SERIES_IMAGES


def test_videos_and_audios_may_come_together() -> None:
    """A task may have videos and audios; it is valid for operations of either kind."""
    video = {"id": "1", "url": "https://a/v", "duration": "5"}
    audio = {"id": "2", "url": "https://a/a", "duration": "5"}
    wire = wire_of(ResultKind.VIDEOS) | {"task_result": {"videos": [video], "audios": [audio]}}
    task = TaskMessage.from_wire(wire)
    assert [each.kind for each in task.media] == MEDIA
    assert task.to_wire() == wire
    assert [broken_by(wire, kind, n=1) for kind in MEDIA] == [[], []]


def test_an_empty_list_of_images_hides_no_videos() -> None:
    wire = wire_of(ResultKind.VIDEOS)
    wire["task_result"] = {"images": [], "videos": [{"id": "1", "url": "https://a/v"}]}
    (media,) = TaskMessage.from_wire(wire).results
    assert media.url == "https://a/v"


@pytest.mark.parametrize("kind", ResultKind)
@pytest.mark.parametrize("url", [None, "", 5])
def test_a_result_without_url_is_named(kind: ResultKind, url: object) -> None:
    with pytest.raises(MalformedMessage, match=rf"task_result\.{kind}\[1\]\.url"):
        TaskMessage.from_wire(wire_of(kind, url=url))


@pytest.mark.parametrize("kind", ResultKind)
def test_right_results_of_each_kind(kind: ResultKind) -> None:
    assert broken_by(wire_of(kind), kind) == []


@pytest.mark.parametrize("kind", ResultKind)
@pytest.mark.parametrize("other", ResultKind)
def test_results_of_another_kind_do_not_count(kind: ResultKind, other: ResultKind) -> None:
    """Results of another kind do not count: a task without videos has no results of that kind."""
    found = broken_by(wire_of(other), kind, n=None)
    assert found == ([] if other is kind else ["images.presence"])


@pytest.mark.parametrize("kind", MEDIA)
@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("media.id", {"id": None}),
        ("media.id", {"id": ""}),
        ("media.id", {"id": 91}),
        ("media.id", {"id": "90"}),
        ("media.duration", {"duration": None}),
        ("media.duration", {"duration": "long"}),
        ("media.duration", {"duration": "0"}),
        ("media.duration", {"duration": "-5"}),
        ("media.duration", {"duration": "inf"}),
        ("media.duration", {"duration": "nan"}),
        ("images.distinct", {"url": "https://a/0"}),
        ("images.absolute", {"url": "/1"}),
    ],
)
def test_rules_about_media(kind: ResultKind, rule: str, changes: dict[str, object]) -> None:
    """Each rule about media has a video and an audio that break only this rule."""
    assert broken_by(wire_of(kind, **changes), kind) == [rule]


@pytest.mark.parametrize("kind", ResultKind)
def test_the_number_of_results(kind: ResultKind) -> None:
    assert broken_by(wire_of(kind), kind, n=3) == ["images.count"]


@pytest.mark.parametrize("kind", ResultKind)
def test_results_never_change(kind: ResultKind) -> None:
    """Results of a finished task of any kind must not change."""
    task = TaskMessage.from_wire(wire_of(kind))
    other = TaskMessage.from_wire(wire_of(kind, url="https://a/new"))
    assert [each.rule for each in check_lifecycle([task, other], kind=kind)] == ["state.stable"]
    assert check_lifecycle([task, replace(task)], kind=kind) == ()
