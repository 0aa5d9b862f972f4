"""Accepted API keys: which are secret, and how the setting `keys` lists them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self


def is_public(key: str) -> bool:
    """Whether a key is one for mocks, which is not secret."""
    return key.startswith("sk-mock") and ":" not in key


class AcceptedKeys(tuple[str, ...]):
    """API keys whose repr shows only those for mocks. A copy is the same object; pickling is refused."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(tuple([key if is_public(key) else "[key]" for key in self]))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> str | tuple[object, ...]:
        if all(map(is_public, self)):
            return type(self), (tuple(self),)
        raise TypeError("settings with API keys cannot be pickled; create them again from their source")


def check_keys(keys: Iterable[str]) -> None:
    """Raise ValueError for an empty key, or an access key or secret without the other."""
    for key in keys:
        if not key:
            raise ValueError("keys must not contain an empty key; a request cannot send it")
        access, colon, secret = key.partition(":")
        if colon and not (access and secret):
            raise ValueError(
                "keys: an access key is given with its secret, as ACCESS:SECRET; one of the two is empty"
            )
