"""A provider for Faker: ids, requests, tasks, callbacks like those of the service. Needs the extra `faker`.

>>> from faker import Faker
>>> from kling_mock.faker import KlingProvider
>>> fake = Faker()
>>> fake.add_provider(KlingProvider)
>>> fake.seed_instance(7)
>>> fake.kling_aspect_ratio()
'3:2'

What a seed gives, it gives on every machine and on every day: nothing depends on the present. Faker itself
shows no types for the methods of a provider; `KlingProvider(fake)` has the same methods, with types.
"""

from __future__ import annotations

import difflib
import random
import uuid
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from faker.providers import BaseProvider

from contracts.fields import CallbackUrl, Choice, Field, Integer, Number, Text
from contracts.messages import ResultImage, TaskMessage
from contracts.operations import MULTI_IMAGE, Operation
from contracts.picture_fields import Picture, PictureList
from contracts.sample_pictures import encoded, jpeg, png
from contracts.vocabulary import (
    ASPECT_RATIOS,
    IMAGES_MAXIMUM,
    IMAGES_MINIMUM,
    INPUT_SIDE_MINIMUM,
    KLING_IDS,
    PIXELS_INVALID,
    PROMPT_MAXIMUM,
    RISK_CONTROL,
    SHAPE_INVALID,
    TaskStatus,
)
from kling_mock.callbacks import Callback
from kling_mock.pictures import RESULT_ORIGIN

T = TypeVar("T")

# Tasks are from the year 2025, whenever they are made up: in the past, and with ids of 18 digits.
_BORN_FROM: Final = 1_735_689_600_000
_BORN_BEFORE: Final = 1_767_225_600_000

# Milliseconds from the creation of a task to its last change, about as captured.
_AGES: Final = {
    TaskStatus.SUBMITTED: (0, 0),
    TaskStatus.PROCESSING: (1_000, 3_000),
    TaskStatus.SUCCEED: (8_000, 40_000),
    TaskStatus.FAILED: (1_400, 2_000),
}
# Which change of its task a callback tells: what fails so soon has not been processed before.
_POSITIONS: Final = {
    TaskStatus.SUBMITTED: 0,
    TaskStatus.PROCESSING: 1,
    TaskStatus.SUCCEED: 2,
    TaskStatus.FAILED: 1,
}

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
    """Made-up data of the service. All of it is drawn from the generator's own `random`."""

    @property
    def _random(self) -> random.Random:
        drawn_from: random.Random = self.generator.random
        return drawn_from

    def _one_of(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def kling_task_id(self) -> str:
        """A task id: a snowflake of 18 digits, whose time lies in the past."""
        return self._task_id(self._born())

    def _born(self) -> int:
        return self._random.randrange(_BORN_FROM, _BORN_BEFORE)

    def _task_id(self, born: int) -> str:
        low = self._random.getrandbits(KLING_IDS.low_bits)
        return str((born - KLING_IDS.epoch_ms) << KLING_IDS.low_bits | low)

    def kling_request_id(self) -> str:
        """A request id: a UUID of version 4."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def kling_prompt(self, max_length: int = PROMPT_MAXIMUM.value) -> str:
        """A prompt of 1 to `max_length` code points, now and then with letters beyond ASCII."""
        if max_length < 1:
            raise ValueError(f"a prompt has at least one character, not max_length={max_length}")
        scene = " ".join(self._one_of(words) for words in (_WHO, _DOING, _WHERE))
        styles = self._random.sample(_STYLES, k=self._random.randint(0, 3))
        return ", ".join((scene, *styles))[:max_length].rstrip(" ,")

    def kling_image_url(self) -> str:
        """The URL of an input picture, on a host that exists nowhere."""
        name = f"{self._one_of(_THINGS)}-{self._random.getrandbits(32):08x}"
        return f"https://pictures.example.com/{name}.{self._one_of(('png', 'jpg'))}"

    def kling_aspect_ratio(self) -> str:
        """One of the aspect ratios of the contract."""
        return self._one_of(ASPECT_RATIOS.value)

    def kling_external_task_id(self) -> str:
        """An id of the caller's own. Drawing the same one twice is as likely as with any 64 bits."""
        return f"order-{self._random.getrandbits(64):016x}"

    def kling_request(self, operation: Operation = MULTI_IMAGE, **fixed: object) -> dict[str, object]:
        """A create request that breaks no rule of the contract: every required field, some of the others.

        `fixed` gives fields their values, which may be invalid ones. Raises TypeError for a field that the
        operation does not have.
        """
        for name in sorted(fixed.keys() - operation.keys):
            near = difflib.get_close_matches(name, operation.keys) or sorted(operation.keys)
            raise TypeError(f"{operation.name} has no field {name!r}; did you mean {', '.join(near)}?")
        body: dict[str, object] = {}
        for field in operation.fields:
            spellings = (field.name, *field.aliases)
            given = {name: fixed[name] for name in spellings if name in fixed}
            if not given and (field.required or self._random.random() < 0.5):
                given = {self._one_of(spellings): self._value(field)}
            body |= given
        return body

    def _value(self, field: Field) -> object:
        match field:
            case PictureList():
                count = self._random.randint(field.minimum.value, field.maximum.value)
                return [{field.item.name: self._picture()} for _ in range(count)]
            case Picture():
                return self._picture()
            case Choice():
                return self._one_of(field.options.value)
            case Integer():
                return self._random.randint(field.minimum.value, field.maximum.value)
            case Number():
                return round(self._random.uniform(field.minimum.value, field.maximum.value), 2)
            case CallbackUrl():
                return self._receiver()
            case Text():
                longest = field.maximum
                return self.kling_prompt(longest.value) if longest else self.kling_external_task_id()
            case _:
                raise TypeError(f"no values are known for fields like {field.name}: {type(field).__name__}")

    def _picture(self) -> str:
        """Mostly a URL; else a real picture, inline."""
        if self._random.random() < 0.75:
            return self.kling_image_url()
        draw: Callable[[int, int], bytes] = self._one_of((png, jpeg))
        return encoded(draw(self._one_of(_SIDES), self._one_of(_SIDES)))

    def _receiver(self) -> str:
        return f"https://hooks.example.com/kling/{self._random.getrandbits(32):08x}"

    def kling_task(self, status: TaskStatus | str | None = None) -> dict[str, object]:
        """A task as the wire shows it, in this status or in any. Its id is as old as its `created_at`.

        Raises ValueError for a status that there is not.
        """
        return self._task(status).to_wire()

    def kling_callback(self, status: TaskStatus | str | None = None) -> Callback:
        """What the service posts when a task gets into this status: `.body`, and `.content` and `.headers`.

        It is due at the instant of the change, and nobody has tried to deliver it yet.
        """
        task = self._task(status)
        return Callback(
            task_id=task.task_id,
            url=self._receiver(),
            status=TaskStatus(task.task_status),
            due=(task.updated_at or 0) / 1000,
            position=_POSITIONS[TaskStatus(task.task_status)],
            body=task.to_wire(),
            attempts=(),
        )

    def _task(self, wanted: TaskStatus | str | None) -> TaskMessage:
        status = self._one_of(tuple(TaskStatus)) if wanted is None else TaskStatus(wanted)
        born = self._born()
        task_id = self._task_id(born)
        succeed = status is TaskStatus.SUCCEED
        n = self._random.randint(IMAGES_MINIMUM.value, IMAGES_MAXIMUM.value) if succeed else 0
        return TaskMessage(
            task_id=task_id,
            task_status=status,
            task_status_msg=self._one_of(_FAILURES) if status is TaskStatus.FAILED else None,
            external_task_id=self.kling_external_task_id() if self._random.random() < 0.5 else None,
            created_at=born,
            updated_at=born + self._random.randint(*_AGES[status]),
            images=tuple(
                ResultImage(index=at, url=f"{RESULT_ORIGIN}/made-up/{task_id}-{at}.png") for at in range(n)
            ),
            final_unit_deduction=str(n * MULTI_IMAGE.units_per_image.value) if succeed else None,
        )
