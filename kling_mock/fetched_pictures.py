"""Fetched pictures: with the setting `fetch_images`, the pictures at the URLs of a create request are judged.

They are judged by the rules of inline pictures, except that a violation is never refused: the real service
fetches pictures after its reply, so the task fails. `fetch` does the I/O; everything else here is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import asdict, replace

from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.image_files import read_header
from kling_contracts.operations import Operation
from kling_contracts.rules import InputPicture, ValidationResult
from kling_contracts.vocabulary import FILE_UNAVAILABLE
from kling_mock.commands import Create, ParsedRequest
from kling_mock.header_facts import header_facts
from kling_mock.http import Request
from kling_mock.routing import parse_request, picture_record
from kling_mock.setting_types import Reach
from kling_mock.settings import Settings
from kling_mock.task_request import PictureRecord


class FetchedPicture(NamedTuple):
    """The bytes of a picture, or the problem why there are none.

    `allowed` is false if the setting does not allow to fetch it, or a redirect of it.
    """

    data: bytes | None = None
    problem: str = ""
    allowed: bool = True


# The largest number of pictures that are fetched for a request; operations accept fewer, unless a rule is
# ignored.
PICTURES_MAXIMUM: Final = 16
# Fetches the pictures at these URLs; one result for each.
Fetch = Callable[[Sequence[str], Reach], Mapping[str, FetchedPicture]]


def with_pictures(request: Request, settings: Settings, system: float, fetch: Fetch) -> Request:
    """The parsed request with its pictures fetched and judged; a request without picture URLs unchanged.

    `system` is system time in Unix seconds. Only the pictures of a create that is accepted are fetched.
    """
    command, token = parse_request(request, header_facts(request.headers), settings, system)
    if not isinstance(command, Create):
        return request
    pictures = command.request.pictures
    urls = list(dict.fromkeys(each.url for each in pictures if each.url is not None))
    if not urls:
        return request
    judged = judge_pictures(command, fetch(urls[:PICTURES_MAXIMUM], settings.fetch_images), settings)
    parts = {name: value for name, value in asdict(request).items() if name not in {"command", "token"}}
    return ParsedRequest(**parts, command=judged, token=token)


def judge_pictures(command: Create, fetched: Mapping[str, FetchedPicture], settings: Settings) -> Create:
    """The command with these pictures: their size, hash and thumbnail, notes, and the failure of its task.

    A picture that the setting does not allow to fetch stays a URL, as without the setting.
    """
    records: list[PictureRecord] = []
    notes, failure = list(command.notes), command.failure
    for record in command.request.pictures:
        found = None if record.url is None else fetched.get(record.url)
        field = picture_field(command.operation, record.field)
        if found is None or field is None:
            records.append(record)
            continue
        message: str | None = None
        if found.data is None:
            records.append(record)
            notes.append(f"{record.field}: not fetched: {found.problem}")
            if found.allowed:
                message = FILE_UNAVAILABLE.value
        else:
            picture = InputPicture(record.field, record.url, found.data, read_header(found.data))
            records.append(picture_record(picture, settings))
            message = _failure_of(field, picture, settings, notes)
        failure = failure or message
    request = replace(command.request, pictures=tuple(records))
    return replace(command, request=request, failure=failure, notes=tuple(notes))


def _failure_of(field: Picture, picture: InputPicture, settings: Settings, notes: list[str]) -> str | None:
    """The message of a task with this picture, if it violates a rule."""
    reading = ValidationResult()
    field.judge(picture, picture.url, reading)
    for violation in reading.violations:
        if violation.rule.id not in settings.ignore:
            notes.append(f"{picture.field}: {violation.rule.requirement}; {violation.received}")
            return violation.message
    return None


def picture_field(operation: Operation, path: str) -> Picture | None:
    """The field of a picture by its path in the body; None for one in a nested object."""
    name = path.partition("[")[0]
    field = next((each for each in operation.fields if each.name == name), None)
    if isinstance(field, PictureList):
        return field.item
    return field if isinstance(field, Picture) else None
