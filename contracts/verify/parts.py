"""The parts of an operation that checks are about. A part that an operation lacks is None or absent."""

from __future__ import annotations

from contracts.fields import CallbackUrl, Choice, Integer, Text
from contracts.operations import Operation
from contracts.picture_fields import Picture, PictureList

EXTERNAL_ID = "external_task_id"
CALLBACK = "callback_url"
MODEL = "model_name"
RATIO = "aspect_ratio"


def has(operation: Operation, name: str) -> bool:
    """Whether a request for the operation may have this field."""
    return any(field.name == name for field in operation.fields)


def calls_back(operation: Operation) -> bool:
    """Whether the changes of a task are posted somewhere: one that ends with its create has none to tell."""
    return has(operation, CALLBACK) and not operation.synchronous


def main_text(operation: Operation) -> Text | None:
    """The text that says what to make: the prompt, or else the first text that is required."""
    texts = [it for it in operation.fields if isinstance(it, Text) and not isinstance(it, CallbackUrl)]
    prompt = next((text for text in texts if text.name == "prompt"), None)
    return prompt or next((text for text in texts if text.required), None)


def number_of_results(operation: Operation) -> Integer | None:
    """The field that says how many results are made."""
    return next((it for it in operation.fields if isinstance(it, Integer) and it.name == "n"), None)


def choice(operation: Operation, name: str) -> Choice | None:
    return next((it for it in operation.fields if isinstance(it, Choice) and it.name == name), None)


def picture_list(operation: Operation) -> PictureList | None:
    """The list of subject pictures."""
    return next((it for it in operation.fields if isinstance(it, PictureList)), None)


def pictures(operation: Operation) -> list[Picture]:
    """The fields for one picture each."""
    return [it for it in operation.fields if isinstance(it, Picture)]
