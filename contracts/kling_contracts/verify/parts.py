"""The parts of an operation that checks are about. A part that an operation lacks is None or absent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

from kling_contracts.cases.invalid import minimal_value
from kling_contracts.composite_fields import AnyField, ListOf, Nested
from kling_contracts.fields import CallbackUrl, Choice, Integer, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations import Operation
from kling_contracts.verify.bodies import Body, minimal, with_field
from kling_contracts.verify.budget import RESULTS, SERIES, images_in

EXTERNAL_ID = "external_task_id"
CALLBACK = "callback_url"
MODEL = "model_name"
RATIO = "aspect_ratio"


def has(operation: Operation, name: str) -> bool:
    """Whether a request for the operation may have this field."""
    return any(field.name == name for field in operation.fields)


def calls_back(operation: Operation) -> bool:
    """Whether the changes of a task are posted to a URL. A task that ends with its create has no changes."""
    return has(operation, CALLBACK) and not operation.synchronous


def smallest_cost(operation: Operation) -> int:
    """How many results the smallest request asks for."""
    return images_in(minimal(operation))


def main_text(operation: Operation) -> Text | None:
    """The text that describes the result: the prompt, or else the first text that is required."""
    texts = [it for it in operation.fields if isinstance(it, Text) and not isinstance(it, CallbackUrl)]
    prompt = next((text for text in texts if text.name == "prompt"), None)
    return prompt or next((text for text in texts if text.required), None)


def number_of_results(operation: Operation) -> Integer | None:
    """The field with the number of results."""
    return next((it for it in operation.fields if isinstance(it, Integer) and it.name == RESULTS), None)


def counts(operation: Operation) -> bool:
    """Whether a request gives the number of results: the length of a series is not known."""
    return not has(operation, SERIES)


def choice(operation: Operation, name: str) -> Choice | None:
    """The choice of this name at the top level."""
    return next((it for it in operation.fields if isinstance(it, Choice) and it.name == name), None)


def picture_list(operation: Operation) -> PictureList | None:
    """The list of subject pictures."""
    return next((it for it in operation.fields if isinstance(it, PictureList)), None)


def pictures(operation: Operation) -> list[Picture]:
    """The fields for one picture each, at the top level."""
    return [it for it in operation.fields if isinstance(it, Picture)]


class Place(NamedTuple):
    """Where a picture stands in a body: its field, and the smallest body with something there."""

    field: Picture
    body_with: Callable[[object], Body]


def picture_places(operation: Operation) -> Iterator[Place]:
    """Every place of a picture, in objects and lists as well. A list of subjects counts once."""
    for field in operation.fields:
        for picture, put in _places(field):

            def body_with(
                value: object, name: str = field.name, put: Callable[[object], object] = put
            ) -> Body:
                return with_field(operation, name, put(value))

            yield Place(picture, body_with)


def _places(field: AnyField) -> Iterator[tuple[Picture, Callable[[object], object]]]:
    """The pictures within a field, and how each is put into its value."""
    match field:
        case Picture():
            yield field, lambda value: value
        case PictureList():
            others = cast("list[object]", minimal_value(field))[1:]
            yield field.item, lambda value: [{field.item.name: value}, *others]
        case Nested():
            base = cast("Body", minimal_value(field))
            for part in field.fields:
                for picture, put in _places(part):
                    yield picture, _within(base, part.name, put)
        case ListOf():
            others = [minimal_value(field.item)] * (field.minimum.value - 1)
            for picture, put in _places(field.item):
                yield picture, _at_the_end(others, put)
        case _:
            return


def _within(base: Body, name: str, put: Callable[[object], object]) -> Callable[[object], object]:
    return lambda value: base | {name: put(value)}


def _at_the_end(others: list[object], put: Callable[[object], object]) -> Callable[[object], object]:
    return lambda value: [*others, put(value)]
