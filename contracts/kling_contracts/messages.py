"""The messages of the wire as frozen dataclasses: result, task, envelope.

Reading is lenient, as a client must be: unknown fields are kept in `extra`, an unknown status stays a
plain string, missing optional parts are None. Writing produces the keys of the captured responses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from kling_contracts.rules import typed
from kling_contracts.vocabulary import SUCCESS_CODE, SUCCESS_MESSAGE, ResultKind, TaskStatus
from kling_contracts.wire_objects import TASK_FIELDS, JSONObject, envelope_object, result_object, task_object


class MalformedMessage(ValueError):
    """A message lacks a necessary field, or the field has the wrong type. The text names the field."""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _object(value: object) -> JSONObject:
    return cast("JSONObject", value) if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def _rest(wire: JSONObject, known: Collection[str]) -> JSONObject:
    return {key: value for key, value in wire.items() if key not in known}


def _received(wire: JSONObject, key: str) -> str:
    return f"got {typed(wire[key])}" if key in wire else "it is missing"


def _no_url(wire: JSONObject, position: int, kind: ResultKind) -> MalformedMessage:
    name = f"task_result.{kind}[{position}].url"
    return MalformedMessage(f"{name}: must be a non-empty string; {_received(wire, 'url')}")


def known_status(word: str) -> TaskStatus | str:
    """The status of this name; an unknown name is returned unchanged."""
    try:
        return TaskStatus(word)
    except ValueError:
        return word


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultImage:
    """One picture of a finished task: its index (from 0) and absolute URL.

    Without `index`, as in two captured responses, it is the position in the list.
    """

    index: int
    url: str
    extra: JSONObject = field(default_factory=dict[str, object])

    def to_wire(self) -> dict[str, object]:
        """The JSON object, with the fields that this class does not know."""
        return {**result_object(ResultKind.IMAGES, self.index, self.url), **self.extra}

    @classmethod
    def from_wire(cls, wire: object, position: int, kind: ResultKind = ResultKind.IMAGES) -> ResultImage:
        """Parse the result at this position of its list. Raises MalformedMessage without a `url`."""
        image = _object(wire)
        url = _text(image.get("url"))
        if url is None:
            raise _no_url(image, position, kind)
        index = _whole(image.get("index"))
        return cls(
            index=position if index is None else index,
            url=url,
            extra=_rest(image, frozenset({"index", "url"})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultMedia:
    """One video or audio of a finished task: its id, absolute URL and duration, in seconds as text.

    `kind` is the key of `task_result` that contains it. `id` and `duration` are None if the response lacks
    them.
    """

    kind: ResultKind
    id: str | None
    url: str
    duration: str | None = None
    extra: JSONObject = field(default_factory=dict[str, object])

    def to_wire(self) -> dict[str, object]:
        """The JSON object, without the fields that are None."""
        given = {"id": self.id, "url": self.url, "duration": self.duration}
        return {name: value for name, value in given.items() if value is not None} | dict(self.extra)

    @classmethod
    def from_wire(cls, wire: object, position: int, kind: ResultKind) -> ResultMedia:
        """Parse the result at this position of its list. Raises MalformedMessage without a `url`."""
        media = _object(wire)
        url = _text(media.get("url"))
        if url is None:
            raise _no_url(media, position, kind)
        return cls(
            kind=kind,
            id=_text(media.get("id")),
            url=url,
            duration=_text(media.get("duration")),
            extra=_rest(media, frozenset({"id", "url", "duration"})),
        )


Result: TypeAlias = ResultImage | ResultMedia


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage:
    """A task object: `data` of create and query responses, and the body of a callback.

    `created_at` and `updated_at` are Unix milliseconds. `task_status_msg` is the reason of a failure.
    `images` are the pictures under the key `image_kind` of `task_result`; `media` are videos and audios, of
    which a task can have both. `final_unit_deduction` is a decimal string, in units of the price list.
    """

    task_id: str
    task_status: TaskStatus | str
    task_status_msg: str | None = None
    external_task_id: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    image_kind: ResultKind = ResultKind.IMAGES
    images: tuple[ResultImage, ...] = ()
    media: tuple[ResultMedia, ...] = ()
    final_unit_deduction: str | None = None
    # Unknown keys of `task_result`.
    result_extra: JSONObject = field(default_factory=dict[str, object])
    extra: JSONObject = field(default_factory=dict[str, object])

    @property
    def results(self) -> tuple[Result, ...]:
        """All results, of all kinds."""
        return (*self.images, *self.media)

    def results_of(self, kind: ResultKind) -> tuple[Result, ...]:
        """The results of one kind."""
        if kind.drawn:
            return self.images if self.image_kind is kind else ()
        return tuple(each for each in self.media if each.kind is kind)

    def to_wire(self, *, with_result: bool = True) -> dict[str, object]:
        """The JSON object; a create response has no `task_result` (`with_result=False`)."""
        wire = task_object(
            self.task_id,
            self.task_status,
            self.created_at,
            self.updated_at,
            failure=self.task_status_msg,
            external_id=self.external_task_id,
            units=self.final_unit_deduction,
            with_result=with_result,
        )
        if with_result:
            found = {kind.value: [each.to_wire() for each in self.results_of(kind)] for kind in ResultKind}
            shown = {key: results for key, results in found.items() if results}
            wire["task_result"] = {**shown, **self.result_extra}
        return {**wire, **self.extra} if self.extra else wire

    @classmethod
    def from_wire(cls, wire: object) -> TaskMessage:
        """Parse a task object. Raises MalformedMessage without `task_id` or `task_status`."""
        task = _object(wire)
        task_id, status = _text(task.get("task_id")), _text(task.get("task_status"))
        if task_id is None or status is None:
            missing = "task_id" if task_id is None else "task_status"
            raise MalformedMessage(f"{missing}: must be a non-empty string; {_received(task, missing)}")
        result = _object(task.get("task_result"))
        shown = {kind: _list(result.get(kind)) for kind in ResultKind}
        drawn = next((kind for kind in ResultKind if kind.drawn and shown[kind]), ResultKind.IMAGES)
        other = [kind for kind in ResultKind if not kind.drawn and shown[kind]]
        return cls(
            task_id=task_id,
            task_status=known_status(status),
            task_status_msg=_text(task.get("task_status_msg")),
            external_task_id=_text(_object(task.get("task_info")).get("external_task_id")),
            created_at=_whole(task.get("created_at")),
            updated_at=_whole(task.get("updated_at")),
            image_kind=drawn,
            images=tuple(ResultImage.from_wire(each, at, drawn) for at, each in enumerate(shown[drawn])),
            media=tuple(
                ResultMedia.from_wire(each, at, kind) for kind in other for at, each in enumerate(shown[kind])
            ),
            final_unit_deduction=_text(task.get("final_unit_deduction")),
            result_extra=_rest(result, frozenset({drawn, *other})),
            extra=_rest(task, TASK_FIELDS),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The body of every response of Kling. `code` 0 means success; an error usually has no `data`."""

    code: int
    message: str
    request_id: str | None
    data: object = None

    @classmethod
    def success(cls, data: object, request_id: str) -> Envelope:
        """The envelope of a success: code 0, and `data` in the form of the wire."""
        return cls(code=SUCCESS_CODE, message=SUCCESS_MESSAGE.value, request_id=request_id, data=data)

    def to_wire(self) -> dict[str, object]:
        """The JSON object."""
        return envelope_object(self.code, self.message, self.request_id, self.data)

    @classmethod
    def from_wire(cls, wire: object) -> Envelope:
        """Parse an envelope. Raises MalformedMessage unless `code` is an integer."""
        envelope = _object(wire)
        code = _whole(envelope.get("code"))
        if code is None:
            raise MalformedMessage(f"code: must be an integer; {_received(envelope, 'code')}")
        return cls(
            code=code,
            message=_text(envelope.get("message")) or "",
            request_id=_text(envelope.get("request_id")),
            data=envelope.get("data"),
        )
