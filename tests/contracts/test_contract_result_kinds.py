"""Results of every kind: messages read and write them, and the judge of the life cycle knows their rules."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.lifecycle import judge
from contracts.messages import (
    MalformedMessage,
    ResultImage,
    ResultMedia,
    TaskMessage,
    result_object,
    task_object,
)
from contracts.vocabulary import ResultKind, TaskStatus
from tests.profiles import share

BORN = 1777385361501
MEDIA = [kind for kind in ResultKind if not kind.drawn]

words = st.text(min_size=1, max_size=9)
# Names that no result has.
extras = st.dictionaries(words.map("x_".__add__), st.integers() | words, max_size=2)
images = st.lists(st.builds(ResultImage, index=st.integers(0, 9), url=words, extra=extras), min_size=1)
media = st.lists(
    st.builds(ResultMedia, id=st.none() | words, url=words, duration=st.none() | words, extra=extras),
    min_size=1,
)


def wire_of(kind: ResultKind, **changes: object) -> dict[str, object]:
    """A task that has succeeded with results of a kind; `changes` are made to the last of them."""
    results = [
        result_object(kind, at, f"https://a/{at}", media_id=f"9{at}", duration="5.1") for at in range(2)
    ]
    results[-1] |= changes
    return task_object(
        "1", "succeed", BORN, BORN + 9, results=results, kind=kind, units="8", with_result=True
    )


def broken_by(wire: dict[str, object], kind: ResultKind, n: int | None = 2) -> list[str]:
    return [each.rule for each in judge([TaskMessage.from_wire(wire)], n=n, kind=kind)]


@share(0.6)
@given(st.sampled_from(ResultKind), st.data())
def test_round_trip(kind: ResultKind, data: st.DataObject) -> None:
    """Results of every kind, and what else `task_result` holds, are the same when read again."""
    task = TaskMessage(
        task_id="1",
        task_status=TaskStatus.SUCCEED,
        result_kind=kind,
        images=tuple(data.draw(images)) if kind.drawn else (),
        media=() if kind.drawn else tuple(data.draw(media)),
        result_extra=data.draw(extras),
    )
    wire = json.loads(json.dumps(task.to_wire()))
    assert TaskMessage.from_wire(wire) == task
    assert task.results_of(kind) == task.results == (task.images or task.media)
    assert not any(task.results_of(other) for other in ResultKind if other is not kind)


def test_a_published_video_is_read_and_written() -> None:
    """The form of the official page, with a watermark beside it, which is kept."""
    video = {"id": "7b8", "url": "https://a/v.mp4", "duration": "5.041", "watermark_url": "https://a/w.mp4"}
    wire = task_object("1", "succeed", BORN, BORN, results=[video], kind=ResultKind.VIDEOS, with_result=True)
    task = TaskMessage.from_wire(wire)
    assert task.media == (
        ResultMedia(
            id="7b8", url="https://a/v.mp4", duration="5.041", extra={"watermark_url": "https://a/w.mp4"}
        ),
    )
    assert (task.result_kind, task.images) == (ResultKind.VIDEOS, ())
    assert task.to_wire() == wire


def test_series_are_pictures() -> None:
    task = TaskMessage.from_wire(wire_of(ResultKind.SERIES_IMAGES))
    assert [image.index for image in task.images] == [0, 1]
    assert task.result_kind is ResultKind.SERIES_IMAGES


def test_a_second_kind_survives() -> None:
    """A sound for a video comes with that video: the videos are the results, the audios are kept."""
    both: dict[str, object] = {"videos": [{"id": "1", "url": "https://a/v"}], "audios": [{"id": "2"}]}
    wire = wire_of(ResultKind.VIDEOS) | {"task_result": both}
    task = TaskMessage.from_wire(wire)
    assert (task.result_kind, task.result_extra) == (ResultKind.VIDEOS, {"audios": [{"id": "2"}]})
    assert task.to_wire() == wire


def test_an_empty_list_of_images_hides_no_videos() -> None:
    wire = wire_of(ResultKind.VIDEOS)
    wire["task_result"] = {"images": [], "videos": [{"id": "1", "url": "https://a/v"}]}
    assert TaskMessage.from_wire(wire).result_kind is ResultKind.VIDEOS


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
def test_results_of_another_kind_are_none(kind: ResultKind, other: ResultKind) -> None:
    """A reader of videos finds nothing under `images`."""
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
def test_what_is_wrong_with_media(kind: ResultKind, rule: str, changes: dict[str, object]) -> None:
    """Each rule has a video and an audio that break it and nothing else."""
    assert broken_by(wire_of(kind, **changes), kind) == [rule]


@pytest.mark.parametrize("kind", ResultKind)
def test_the_number_of_results(kind: ResultKind) -> None:
    assert broken_by(wire_of(kind), kind, n=3) == ["images.count"]


@pytest.mark.parametrize("kind", ResultKind)
def test_results_never_change(kind: ResultKind) -> None:
    """The answer about an ended task is stable, whatever it holds."""
    task = TaskMessage.from_wire(wire_of(kind))
    other = TaskMessage.from_wire(wire_of(kind, url="https://a/new"))
    assert [each.rule for each in judge([task, other], kind=kind)] == ["state.stable"]
    assert judge([task, replace(task)], kind=kind) == ()
