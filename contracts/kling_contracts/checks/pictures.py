"""Result pictures: they can be had without a key, they are pictures, and they have the shape asked for."""

from __future__ import annotations

from typing import Final

from kling_contracts.checks.endings import ended_as
from kling_contracts.checks.refusing import REFUSE
from kling_contracts.gateways import Gateway
from kling_contracts.pictures import read_header
from kling_contracts.verify.check import Check, Hearing
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange, Probe
from kling_contracts.verify.session import KEPT_END, Session
from kling_contracts.verify.step import Stage, Step
from kling_contracts.vocabulary import ASSUMED, DEFAULT_ASPECT_RATIO, KLING_PAGE, SEED, TaskStatus

PICTURE: Final = "picture"
PICTURE_AGAIN: Final = "picture again"
_TOLERANCE: Final = 0.03
# image/jpg is no registered type, and much used.
_TYPES: Final = {"png": ("image/png",), "jpeg": ("image/jpeg", "image/jpg")}


def checks(gateway: Gateway) -> tuple[Check, ...]:
    return (
        Check(
            id="pictures.downloadable",
            sentence="every result URL gives a picture, without a key",
            source=KLING_PAGE,
            judge=_judge_download,
            catches=("404", "a key is asked for", "an HTML page", "a broken file"),
        ),
        Check(
            id="pictures.ratio",
            sentence="a result has the aspect ratio that was asked for, 16:9 if none was",
            source=SEED,
            judge=_judge_ratio,
            catches=("always square", "width and height swapped"),
        ),
        Check(
            id="pictures.content_type",
            sentence="a result says what kind of picture it is",
            source=ASSUMED,
            judge=_judge_type,
            catches=("application/octet-stream", "a PNG that says it is a JPEG"),
        ),
        Check(
            id="pictures.stable",
            sentence="a result URL gives the same bytes each time",
            source=ASSUMED,
            judge=_judge_stable,
            catches=("drawn anew at each GET",),
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="result pictures",
            stage=Stage.ENDED,
            does="GET for every result URL, the first one twice",
            run=_fetch,
            requests=18,
            feeds=("pictures.*",),
        ),
    )


def _fetch(session: Session) -> None:
    urls = [
        (image.url, trace)
        for trace in session.evidence.traces()
        if trace.created.who == "first" and trace.created.probe.kind != REFUSE
        if trace.end and ended_as(trace, TaskStatus.SUCCEED)
        for image in trace.end.task.images
        if image.url.startswith(("http://", "https://"))
    ]
    for at, (url, trace) in enumerate(urls):
        session.fetch(Probe(PICTURE, trace.id, _asked_ratio(trace.created)), url)
        if at == 0:
            session.fetch(Probe(PICTURE_AGAIN, trace.id), url)


def _asked_ratio(created: Exchange) -> str:
    asked = created.asked_object.get("aspect_ratio")
    return asked if isinstance(asked, str) and asked else DEFAULT_ASPECT_RATIO.value


def _judge_download(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.exchanges:
        if exchange.probe.kind == PICTURE:
            hearing.expect(
                exchange.status == 200 and _is_whole(exchange.answer),
                "a result URL does not give a picture",
                expected="200 and a PNG or JPEG",
                actual=_shown(exchange),
                shown=(exchange,),
            )


def _judge_ratio(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.of(PICTURE):
        header = read_header(exchange.answer)
        if header is None or not header.height:
            continue
        width, _, height = exchange.probe.tag.partition(":")
        asked = int(width) / int(height)
        hearing.expect(
            abs(header.width / header.height / asked - 1) <= _TOLERANCE,
            f"a result is not {exchange.probe.tag}",
            expected=exchange.probe.tag,
            actual=f"{header.width}x{header.height}",
            shown=(exchange,),
        )


def _judge_type(evidence: Evidence, hearing: Hearing) -> None:
    for exchange in evidence.of(PICTURE):
        header = read_header(exchange.answer)
        if header is not None:
            hearing.expect(
                exchange.content_type in _TYPES[header.format],
                "a result does not say what kind of picture it is",
                expected=f"image/{header.format}",
                actual=exchange.content_type or "no content type",
                shown=(exchange,),
            )


def _judge_stable(evidence: Evidence, hearing: Hearing) -> None:
    for again in evidence.of(PICTURE_AGAIN):
        first = next((each for each in evidence.of(PICTURE) if each.target == again.target), None)
        if first is not None and first.status == 200:
            hearing.expect(
                again.status == 200 and first.digest == again.digest,
                "a result URL gave other bytes the second time",
                expected="the same bytes",
                actual=f"{first.size} and {again.size} bytes",
                shown=(first, again),
            )


def _is_whole(picture: bytes) -> bool:
    """Whether bytes are a picture with an end, which evidence keeps however large the picture is."""
    header = read_header(picture)
    if header is None:
        return False
    end = b"IEND" if header.format == "png" else b"\xff\xd9"
    return end in picture[-KEPT_END:]


def _shown(exchange: Exchange) -> str:
    return f"{exchange.status} {exchange.content_type or 'no content type'}, {exchange.size} bytes"
