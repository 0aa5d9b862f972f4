"""The method of scripts that gives a task a fault, and its arguments, from the fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Self

from kling_mock.faults import Fault
from kling_mock.scripts.signatures import value_of_call
from kling_mock.scripts.task_faults import TaskFaults

# The arguments of the methods that have some, from the value of the fault.
_ARGUMENTS: Final[Mapping[str, Callable[[Any], tuple[Any, ...]]]] = MappingProxyType(
    {
        "goes_back": lambda value: (str(value),),
        "shows_status": lambda value: (value[0], str(value[1])),
        "miscounts": lambda value: (value,),
        "adds_fields": lambda value: () if value is None else (value,),
        "nulls_fields": lambda value: tuple(value or ()),
        "pictures_are": lambda value: (value[0],),
    }
)


class _Collector(TaskFaults):
    """Keeps the fault instead of giving it to a task."""

    fault: Fault

    def _add_fault(self, fault: Fault) -> Self:
        self.fault = fault
        return self


def call_of_fault(fault: Fault) -> object:
    """The arguments of the method with the name of the fault, as in a document."""
    method: Callable[..., Any] = getattr(TaskFaults, fault.kind)
    args = _ARGUMENTS.get(fault.kind, lambda _: ())(fault.value)
    named: dict[str, Any] = {}
    if fault.kind == "pictures_are":
        named["delay"] = fault.value[1]
    if fault.kind == "appears_late":
        named["seconds"] = fault.seconds
    collector = _Collector()
    method(collector, *args, **named)
    for name in ("after", "polls", "seconds"):
        value = getattr(fault, name)
        if value is not None and value != getattr(collector.fault, name):
            named[name] = value
    return value_of_call(method, args, named)
