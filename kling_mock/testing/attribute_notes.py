"""Notes for errors about attributes of our objects: the similar names, also those of parts of the object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import FrozenInstanceError
from itertools import islice
from typing import Final

from kling_contracts.suggestions import LIMIT, did_you_mean
from kling_mock.callbacks.model import Callback
from kling_mock.callbacks.outbox import Outbox
from kling_mock.records import CallRecord
from kling_mock.scripts.create_script import Script
from kling_mock.settings import Settings
from kling_mock.task_request import TaskRequest
from kling_mock.testing.journal import Calls
from kling_mock.testing.task_handle import TaskHandle
from kling_mock.testing.view import HOW_TO_SET, FakeView
from kling_mock.timing.clock import Clock

# The parts of an object in which a test may have expected an attribute, as they are written after it.
_PARTS: Final[Mapping[type, Mapping[str, type]]] = {
    FakeView: {
        ".task": TaskHandle,
        ".calls": Calls,
        ".callbacks": Outbox,
        ".clock": Clock,
        ".next": Script,
        ".settings": Settings,
    },
    TaskHandle: {".request": TaskRequest},
    Calls: {"[-1]": CallRecord},
    Outbox: {"[-1]": Callback},
}


def attribute_note(error: BaseException) -> str | None:
    """The note for an AttributeError about an object of kling_mock; None for other errors.

    pytest shows no suggestions of Python before 3.12, and Python none for parts of the object.
    """
    if isinstance(error, FrozenInstanceError):
        return f"kling_mock: {HOW_TO_SET}" if _is_about_settings(error) else None
    if not isinstance(error, AttributeError) or not isinstance(error.name, str) or error.name.startswith("_"):
        return None
    kind = type(error.obj)
    if kind.__module__.partition(".")[0] != "kling_mock" or error.name in dir(error.obj):
        return None
    paths = list(islice(_paths(kind, error.name), LIMIT))
    if paths:
        return f"kling_mock: did you mean {' or '.join(paths)}?"
    names = [name for name in dir(error.obj) if not name.startswith("_")]
    return f"kling_mock: {did_you_mean(error.name, names)}"


def _paths(kind: type, name: str) -> Iterator[str]:
    """The paths to attributes of this name in the parts of an object, the shortest first."""
    level = [("", kind)]
    while level:
        parts = [
            (path + part, its_kind)
            for path, owner in level
            for base, its_parts in _PARTS.items()
            if issubclass(owner, base)
            for part, its_kind in its_parts.items()
        ]
        yield from (f"{path}.{name}" for path, owner in parts if name in _names(owner))
        level = parts


def _names(kind: type) -> set[str]:
    return {*dir(kind), *getattr(kind, "__dataclass_fields__", ())}


def _is_about_settings(error: FrozenInstanceError) -> bool:
    """Whether the error is about an object of Settings: dataclasses do not attach the object to the error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and isinstance(trace.tb_frame.f_locals.get("self"), Settings)
