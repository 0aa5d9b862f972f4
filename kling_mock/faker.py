"""A provider for Faker: ids, requests, tasks and callbacks of the service. Needs the extra `faker`.

>>> from faker import Faker
>>> from kling_mock.faker import KlingProvider
>>> fake = Faker()
>>> fake.add_provider(KlingProvider)
>>> fake.seed_instance(7)
>>> fake.kling_aspect_ratio()
'3:2'

Equal seeds give equal values on every machine and day. Faker declares no types for the methods of providers;
`KlingProvider(fake)` has the same methods with types.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar, assert_never, cast

from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.constraints import ExactlyOne, RequiredWhen
from kling_contracts.extras import missing_package
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.image_files import encoded, jpeg, png
from kling_contracts.operations import MULTI_IMAGE, Operation
from kling_contracts.rules import Effect
from kling_contracts.vocabulary import (
    ASPECT_RATIOS,
    INPUT_SIDE_MINIMUM,
    KLING_IDS,
    PIXELS_INVALID,
    PROMPT_MAXIMUM,
    RISK_CONTROL,
    SHAPE_INVALID,
    IdStyle,
    ResultKind,
    TaskStatus,
)
from kling_contracts.wire_objects import result_object, task_object
from kling_mock.callbacks.model import Callback
from kling_mock.images.urls import RESULT_ORIGIN
from kling_mock.suggestions import status_of, unknown

try:
    from faker.providers import BaseProvider
except ModuleNotFoundError as error:
    raise missing_package(error, "faker") from error

__all__ = ["KlingProvider"]

T = TypeVar("T")
EXTERNAL_ID: Final = "external_task_id"
_ENDINGS: Final = {
    ResultKind.IMAGES: "png",
    ResultKind.SERIES_IMAGES: "png",
    ResultKind.VIDEOS: "mp4",
    ResultKind.AUDIOS: "mp3",
}

# Tasks are created in 2025, independent of the present: in the past, and with ids of 18 digits.
_BORN_FROM: Final = 1_735_689_600_000
_BORN_BEFORE: Final = 1_767_225_600_000

# Milliseconds from the creation of a task to its last change: about the captured durations.
_AGES: Final = {
    TaskStatus.SUBMITTED: (0, 0),
    TaskStatus.PROCESSING: (1_000, 3_000),
    TaskStatus.SUCCEED: (8_000, 40_000),
    TaskStatus.FAILED: (1_400, 2_000),
}
# The position of a status in the history of its task. Failed tasks end too soon to have been processed.
_POSITIONS: Final = {
    TaskStatus.SUBMITTED: 0,
    TaskStatus.PROCESSING: 1,
    TaskStatus.SUCCEED: 2,
    TaskStatus.FAILED: 1,
}

# The last one is also possible without pictures in the request.
_FAILURES: Final = (PIXELS_INVALID.value, SHAPE_INVALID.value, RISK_CONTROL.value)

_WHO: Final = (
    "two cats",
    "a girl and her robot",
    "一只橘猫",
    "a lamplighter",
    "der Bär und die Eule",
)
_DOING: Final = ("drinking tea", "sailing a paper boat", "waiting for the last tram", "🎈 flying", "at chess")
_WHERE: Final = ("at sea", "under northern lights", "in a café in Málaga", "on the moon", "in the rain")
_STYLES: Final = ("watercolour", "35mm film", "woodcut", "soft light", "wide angle", "浮世绘", "pixel art")
_THINGS: Final = ("cat", "boat", "robot", "lamp", "owl", "teapot", "tram", "balloon")
_SIDES: Final = (INPUT_SIDE_MINIMUM.value, 512, 720)


class KlingProvider(BaseProvider):
    """Generates data of the service, drawn from the `random` of the Faker generator."""

    @property
    def _random(self) -> random.Random:
        drawn_from: random.Random = self.generator.random
        return drawn_from

    def _one_of(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def kling_task_id(self) -> str:
        """A task id: a snowflake of 18 digits with a time in the past."""
        return self._task_id(self._born(), KLING_IDS)

    def _born(self) -> int:
        return self._random.randrange(_BORN_FROM, _BORN_BEFORE)

    def _task_id(self, born: int, style: IdStyle) -> str:
        low = self._random.getrandbits(style.low_bits)
        return str((born - style.epoch_ms) << style.low_bits | low)

    def kling_request_id(self) -> str:
        """A request id: a UUID of version 4."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def kling_prompt(self, max_length: int = PROMPT_MAXIMUM.value) -> str:
        """A prompt of 1 to `max_length` code points, some of them non-ASCII."""
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1; got {max_length}")
        scene = " ".join(self._one_of(words) for words in (_WHO, _DOING, _WHERE))
        styles = self._random.sample(_STYLES, k=self._random.randint(0, 3))
        return ", ".join((scene, *styles))[:max_length].rstrip(" ,")

    def kling_image_url(self) -> str:
        """The URL of an input picture, on a host that does not exist."""
        name = f"{self._one_of(_THINGS)}-{self._random.getrandbits(32):08x}"
        return f"https://pictures.example.com/{name}.{self._one_of(('png', 'jpg'))}"

    def kling_aspect_ratio(self) -> str:
        """One of the aspect ratios of the contract."""
        return self._one_of(ASPECT_RATIOS.value)

    def kling_external_task_id(self) -> str:
        """An external task id with 64 random bits."""
        return f"order-{self._random.getrandbits(64):016x}"

    def kling_request(self, operation: Operation = MULTI_IMAGE, **fixed: object) -> dict[str, object]:
        """A valid create request with all required fields and some of the optional ones.

        `fixed` sets the values of fields, which may be invalid. Raises TypeError for a field that the
        operation does not have.
        """
        for name in sorted(fixed.keys() - operation.keys):
            raise TypeError(unknown(f"{operation.name} field", name, sorted(operation.keys)))
        body = self._object(operation.fields, fixed)
        for constraint in operation.constraints:
            match constraint:
                case ExactlyOne():
                    self._keep_one(body, [operation.field(name) for name in constraint.names], fixed)
                case RequiredWhen():
                    field = operation.field(constraint.field)
                    given, values = operation.given(body), operation.read(body).values
                    if not _named(field, body) and constraint.applies(given, values, operation.defaults):
                        body |= self._member(field)
                case _:
                    assert_never(constraint)
        return body

    def _object(self, fields: Sequence[AnyField], fixed: Mapping[str, object]) -> dict[str, object]:
        body: dict[str, object] = {}
        for field in fields:
            given = {name: fixed[name] for name in field.names if name in fixed}
            if not given and (field.required or self._random.random() < 0.5):
                given = self._member(field)
            body |= given
        return body

    def _member(self, field: AnyField) -> dict[str, object]:
        return {self._one_of(field.names): self._value(field)}

    def _keep_one(
        self, body: dict[str, object], fields: Sequence[AnyField], fixed: Mapping[str, object]
    ) -> None:
        """Remove all of the fields from the body but one, or but the fixed ones."""
        kept = [field for field in fields if _named(field, fixed)]
        if not kept:
            kept = [self._one_of([field for field in fields if _named(field, body)] or fields)]
            if not _named(kept[0], body):
                body |= self._member(kept[0])
        for field in fields:
            if field not in kept:
                for name in field.names:
                    body.pop(name, None)

    def _value(self, field: AnyField) -> object:  # noqa: C901 -- one case for each kind
        match field:
            case PictureList():
                return [{field.item.name: self._picture()} for _ in range(self._length(field))]
            case Picture():
                return self._picture()
            case Choice():
                return self._one_of(field.options.value)
            case Integer():
                return self._random.randint(field.minimum.value, field.maximum.value)
            case Number():
                drawn = self._random.uniform(field.minimum.value, field.maximum.value)
                return round(drawn, field.decimals.value if field.decimals else 2)
            case Flag():
                return self._random.random() < 0.5
            case CallbackUrl():
                return self._receiver()
            case Text():
                longest = field.maximum
                return self.kling_prompt(longest.value) if longest else self.kling_external_task_id()
            case Nested():
                return self._object(field.fields, {})
            case ListOf():
                return [self._value(field.item) for _ in range(self._length(field))]
            case _:
                assert_never(field)

    def _length(self, field: PictureList | ListOf) -> int:
        return self._random.randint(field.minimum.value, field.maximum.value)

    def _picture(self) -> str:
        """A URL in three of four cases, otherwise an inline picture."""
        if self._random.random() < 0.75:
            return self.kling_image_url()
        draw: Callable[[int, int], bytes] = self._one_of((png, jpeg))
        return encoded(draw(self._one_of(_SIDES), self._one_of(_SIDES)))

    def _receiver(self) -> str:
        return f"https://hooks.example.com/kling/{self._random.getrandbits(32):08x}"

    def kling_task(
        self, status: TaskStatus | str | None = None, operation: Operation = MULTI_IMAGE
    ) -> dict[str, object]:
        """A task object of the wire, in this status or a random one; its id agrees with its `created_at`.

        Raises ValueError for an unknown status.
        """
        return self._task(self._status(status), operation)

    def kling_callback(
        self, status: TaskStatus | str | None = None, operation: Operation = MULTI_IMAGE
    ) -> Callback:
        """The callback for a change to this status or a random one: `.body`, `.content` and `.headers`.

        It is due at the instant of the change and has no attempts. Raises ValueError for an unknown status.
        """
        reached = self._status(status)
        task = self._task(reached, operation)
        return Callback(
            task_id=str(task["task_id"]),
            url=self._receiver(),
            status=reached,
            due=cast("int", task["updated_at"]) / 1000,
            position=_POSITIONS[reached],
            body=task,
            attempts=(),
        )

    def _status(self, wanted: TaskStatus | str | None) -> TaskStatus:
        return self._one_of(tuple(TaskStatus)) if wanted is None else status_of(wanted)

    def _task(self, status: TaskStatus, operation: Operation) -> dict[str, object]:
        born = self._born()
        task_id = self._task_id(born, operation.ids)
        succeed = status is TaskStatus.SUCCEED
        results = [
            self._result(operation, task_id, at) for at in range(self._amount(operation) if succeed else 0)
        ]
        failed = status is TaskStatus.FAILED
        failure = self._one_of(_FAILURES if _fails(operation) else _FAILURES[-1:]) if failed else None
        external_id = self.kling_external_task_id() if self._random.random() < 0.5 else None
        return task_object(
            task_id,
            status,
            born,
            born + self._random.randint(*_AGES[status]),
            failure=failure,
            external_id=external_id if EXTERNAL_ID in operation.keys else None,
            results=results,
            kind=operation.result,
            units=str(len(results) * operation.units_per_image.value) if succeed else None,
            with_result=True,
        )

    def _amount(self, operation: Operation) -> int:
        """A number of results that a request may ask for; 1 if the operation has no field `n`."""
        amounts = [field for field in operation.fields if isinstance(field, Integer) and field.name == "n"]
        return self._random.randint(amounts[0].minimum.value, amounts[0].maximum.value) if amounts else 1

    def _result(self, operation: Operation, task_id: str, at: int) -> dict[str, object]:
        url = f"{RESULT_ORIGIN}/made-up/{task_id}-{at}.{_ENDINGS[operation.result]}"
        if operation.result.drawn:
            return result_object(operation.result, at, url)
        seconds = self._random.randint(30, 100) / 10
        media_id = self._task_id(self._born(), operation.ids)
        return result_object(operation.result, at, url, media_id=media_id, duration=f"{seconds:.1f}")


def _named(field: AnyField, given: Mapping[str, object]) -> bool:
    """Whether the field is given under any of its names."""
    return any(name in given for name in field.names)


def _fails(operation: Operation) -> bool:
    """Whether a picture of the request can make the task fail."""
    return any(rule.effect is Effect.FAILS for rule in operation.rules.values())
