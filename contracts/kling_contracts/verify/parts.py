"""Fields of an operation that checks need, by meaning; None or absent where the operation lacks them."""

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
    """Whether the operation has a field of this name."""
    return any(field.name == name for field in operation.fields)


def calls_back(operation: Operation) -> bool:
    """Whether the operation sends callbacks. Synchronous tasks have no later changes to report."""
    return has(operation, CALLBACK) and not operation.synchronous


def smallest_cost(operation: Operation) -> int:
    """The number of results of the smallest request."""
    return images_in(minimal(operation))


def main_text(operation: Operation) -> Text | None:
    """The text field that describes the result: the prompt, or else the first required text."""
    texts = [it for it in operation.fields if isinstance(it, Text) and not isinstance(it, CallbackUrl)]
    prompt = next((text for text in texts if text.name == "prompt"), None)
    return prompt or next((text for text in texts if text.required), None)


def number_of_results(operation: Operation) -> Integer | None:
    """The field with the number of results."""
    return next((it for it in operation.fields if isinstance(it, Integer) and it.name == RESULTS), None)


def may_have_several(operation: Operation) -> bool:
    """Whether a task may have several results."""
    number = number_of_results(operation)
    return has(operation, SERIES) or (number is not None and number.maximum.value > 1)


def counts(operation: Operation) -> bool:
    """Whether the request determines the number of results; a series does not."""
    return not has(operation, SERIES)


def choice(operation: Operation, name: str) -> Choice | None:
    """The top-level choice field of this name."""
    return next((it for it in operation.fields if isinstance(it, Choice) and it.name == name), None)


def picture_list(operation: Operation) -> PictureList | None:
    """The field with the list of subject images."""
    return next((it for it in operation.fields if isinstance(it, PictureList)), None)


def pictures(operation: Operation) -> list[Picture]:
    """The top-level fields for a single image."""
    return [it for it in operation.fields if isinstance(it, Picture)]


class Place(NamedTuple):
    """A position of an image in a body: its field, and the smallest body with a given value there."""

    field: Picture
    body_with: Callable[[object], Body]


def picture_places(operation: Operation) -> Iterator[Place]:
    """Every position of an image, including objects and lists. A list of subjects counts once."""
    for field in operation.fields:
        for picture, put in _places(field):

            def body_with(
                value: object, name: str = field.name, put: Callable[[object], object] = put
            ) -> Body:
                return with_field(operation, name, put(value))

            yield Place(picture, body_with)


def _places(field: AnyField) -> Iterator[tuple[Picture, Callable[[object], object]]]:
    """The image fields within a field, each with a function from the image to the field's value."""
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
