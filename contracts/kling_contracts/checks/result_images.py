"""Results: downloadable without a key, of the requested aspect ratio and media type, and stable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kling_contracts.checks.histories import ended_as
from kling_contracts.gateways import Gateway
from kling_contracts.image_files import read_header
from kling_contracts.operations import Operation
from kling_contracts.verify import parts
from kling_contracts.verify.evidence import Evidence
from kling_contracts.verify.exchange import Exchange
from kling_contracts.verify.model import Check, CheckContext, Stage, Step
from kling_contracts.verify.probes import Probe, ProbeKind
from kling_contracts.verify.session import KEPT_END, Session
from kling_contracts.vocabulary import ASSUMED, HTTP_STANDARD, KLING_PAGE, SEED, ResultKind, TaskStatus

_TOLERANCE: Final = 0.03
# image/jpg is not registered, but common.
_TYPES: Final = {"png": ("image/png",), "jpeg": ("image/jpeg", "image/jpg")}
# The status of a fake for results that it cannot create.
_NOT_MADE: Final = 501


def checks(gateway: Gateway) -> tuple[Check, ...]:
    operation = gateway.main
    stable = Check(
        id="result_images.stable",
        sentence="a result URL returns the same bytes each time",
        source=ASSUMED,
        judge=_judge_stable,
        required=operation.result.drawn,
    )
    found = _of_pictures(operation) if operation.result.drawn else _of_media(operation.result)
    return (*found, stable)


def _of_pictures(operation: Operation) -> tuple[Check, ...]:
    ratio = Check(
        id="result_images.ratio",
        sentence=f"a result has the requested aspect ratio, {_default_ratio(operation)} by default",
        source=SEED,
        judge=_judge_ratio,
    )
    return (
        Check(
            id="result_images.downloadable",
            sentence="every result URL returns an image without a key",
            source=KLING_PAGE,
            judge=_judge_download,
        ),
        *((ratio,) if parts.has(operation, parts.RATIO) else ()),
        Check(
            id="result_images.content_type",
            sentence="the Content-Type of a result matches its image format",
            source=HTTP_STANDARD,
            judge=_judge_type,
        ),
    )


def _of_media(kind: ResultKind) -> tuple[Check, ...]:
    """Checks of videos and audios that need no decoding; not required, because a fake may have no media."""
    one = kind.value.removesuffix("s")
    return (
        Check(
            id="result_images.downloadable",
            sentence=f"every result URL returns a file without a key, or 501 if the server makes no {kind}",
            source=KLING_PAGE,
            judge=_judge_file,
            required=False,
        ),
        Check(
            id="result_images.content_type",
            sentence=f"the Content-Type of a result is {one}/...",
            source=HTTP_STANDARD,
            judge=_judge_media_type(one),
            required=False,
        ),
    )


def steps(gateway: Gateway) -> tuple[Step, ...]:
    return (
        Step(
            name="result images" if gateway.main.result.drawn else f"results: {gateway.main.result}",
            stage=Stage.ENDED,
            description="GET for every result URL, the first one twice",
            run=_fetch,
            requests=18,
            checks=("result_images.*", "requests.repeated_name"),
        ),
    )


def _fetch(session: Session) -> None:
    urls = [
        (result.url, history)
        for history in session.evidence.histories()
        if history.created.credential == "first" and history.created.probe.kind != ProbeKind.REFUSE
        if history.end and ended_as(history, TaskStatus.SUCCEED)
        for result in history.end.task.results_of(history.kind)
        if result.url.startswith(("http://", "https://"))
    ]
    for at, (url, history) in enumerate(urls):
        session.fetch(
            Probe(ProbeKind.PICTURE, history.id, _asked_ratio(history.created, session.operation)), url
        )
        if at == 0:
            session.fetch(Probe(ProbeKind.PICTURE_AGAIN, history.id), url)


def _asked_ratio(created: Exchange, operation: Operation) -> str:
    """The requested aspect ratio; empty if the request has two, one of which a server may choose."""
    if created.probe.kind == ProbeKind.REPEATED_NAME:
        return ""
    asked = created.asked_object.get(parts.RATIO)
    return asked if isinstance(asked, str) and asked else _default_ratio(operation)


def _default_ratio(operation: Operation) -> str:
    return str(operation.defaults.get(parts.RATIO, ""))


def _judge_download(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.exchanges:
        if exchange.probe.kind == ProbeKind.PICTURE:
            context.expect(
                exchange.status == 200 and _is_whole(exchange.answer) and not exchange.damage,
                "a result URL does not return an image",
                expected="200 and a PNG or JPEG",
                actual=_shown(exchange),
                shown=(exchange,),
            )


def _judge_file(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.exchanges:
        if exchange.probe.kind == ProbeKind.PICTURE and exchange.status != _NOT_MADE:
            context.expect(
                exchange.status == 200 and bool(exchange.answer),
                "a result URL does not return a file",
                expected="200 and a file",
                actual=_shown(exchange),
                shown=(exchange,),
            )


def _judge_ratio(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.PICTURE):
        header = read_header(exchange.answer)
        if header is None or not header.height or quotient(exchange.probe.tag) is None:
            continue
        context.expect(
            has_ratio(header.width, header.height, exchange.probe.tag),
            f"a result does not have the aspect ratio {exchange.probe.tag}",
            expected=exchange.probe.tag,
            actual=f"{header.width}x{header.height}",
            shown=(exchange,),
        )


def has_ratio(width: int, height: int, ratio: str) -> bool:
    """Whether an image has an aspect ratio, approximately."""
    wanted = quotient(ratio)
    return wanted is not None and abs(width / height / wanted - 1) <= _TOLERANCE


def quotient(ratio: str) -> float | None:
    """Width divided by height; None for a value that is not a ratio, such as `auto`."""
    width, _, height = ratio.partition(":")
    return int(width) / int(height) if width.isdecimal() and height.isdecimal() and int(height) else None


def _judge_type(evidence: Evidence, context: CheckContext) -> None:
    for exchange in evidence.of(ProbeKind.PICTURE):
        header = read_header(exchange.answer)
        if header is not None:
            context.expect(
                exchange.content_type in _TYPES[header.format],
                "the Content-Type of a result does not match its image format",
                expected=f"image/{header.format}",
                actual=exchange.content_type or "no content type",
                shown=(exchange,),
            )


def _judge_media_type(main_type: str) -> Callable[[Evidence, CheckContext], None]:
    def judge(evidence: Evidence, context: CheckContext) -> None:
        for exchange in evidence.of(ProbeKind.PICTURE):
            if exchange.status == 200:
                context.expect(
                    exchange.content_type.startswith(f"{main_type}/"),
                    f"the Content-Type of a result is not {main_type}/...",
                    expected=f"{main_type}/...",
                    actual=exchange.content_type or "no content type",
                    shown=(exchange,),
                )

    return judge


def _judge_stable(evidence: Evidence, context: CheckContext) -> None:
    for again in evidence.of(ProbeKind.PICTURE_AGAIN):
        first = next((each for each in evidence.of(ProbeKind.PICTURE) if each.target == again.target), None)
        if first is not None and first.status == 200:
            context.expect(
                again.status == 200 and first.digest == again.digest,
                "a result URL returned different bytes the second time",
                expected="the same bytes",
                actual=f"{first.size} and {again.size} bytes",
                shown=(first, again),
            )


def _is_whole(picture: bytes) -> bool:
    """Whether bytes are an image with its end marker; abridged evidence includes the end."""
    header = read_header(picture)
    if header is None:
        return False
    end = b"IEND" if header.format == "png" else b"\xff\xd9"
    return end in picture[-KEPT_END:]


def _shown(exchange: Exchange) -> str:
    damage = f", {exchange.damage}" if exchange.damage else ""
    return f"{exchange.status} {exchange.content_type or 'no content type'}, {exchange.size} bytes{damage}"
