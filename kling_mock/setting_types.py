"""The types of settings: the words of those that are words, and the types that are checked exactly."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from kling_mock.plan import Pace
from kling_mock.rate import Rate

ValidationShape = Literal["kling", "task", "comet"]
# The receivers to which a server sends callbacks, and the hosts from which pictures are fetched.
Reach = Literal["off", "loopback", "any"]
# The faults of callbacks; see `kling_mock.callbacks.schedule`.
CallbackFault = Literal["duplicated", "late", "reordered", "early"]
# The form of the header Retry-After.
RetryAfter = Literal["off", "seconds", "date"]
# How time passes: only by the clock, or also by queries of unfinished tasks; see `kling_mock.time_skip`.
ClockMode = Literal["run", "skip"]
# The effect of unused scripts at the end of a test.
UnusedScriptLevel = Literal["error", "warn", "ignore"]


class SettingType(NamedTuple):
    """The types of a setting's values, and how messages name them."""

    kinds: tuple[type, ...]
    text: str


# The types of plain settings by annotation. Compared exactly, because True is an int too.
TYPES: Final[Mapping[str, SettingType]] = MappingProxyType(
    {
        "Pace": SettingType((Pace,), "a pace such as 'polls:3'"),
        "bool": SettingType((bool,), "true or false"),
        "int": SettingType((int,), "an integer"),
        "int | None": SettingType((int, type(None)), "an integer or none"),
        "float": SettingType((int, float), "a number"),
        "str": SettingType((str,), "text"),
        "Rate | None": SettingType((Rate, type(None)), "a rate such as '10/60' or none"),
        "tuple[int, ...]": SettingType((tuple,), "a list of integers"),
        "tuple[float, ...]": SettingType((tuple,), "a list of numbers (seconds)"),
    }
)
