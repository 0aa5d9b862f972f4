"""Pairs of values of two fields, and the choice of values that cover most of the pairs left."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from kling_contracts.checks.field_values import Value

Fits = Callable[[Sequence[Value], Value], bool]


class UncoveredPairs:
    """The pairs of values of different fields that no request covers yet, as one bit set for each value."""

    def __init__(self, values: Iterable[Value]) -> None:
        self.values: Final = tuple(values)
        self._at: Final = {value: at for at, value in enumerate(self.values)}
        fields = dict[str, int]()
        for at, value in enumerate(self.values):
            fields[value.field] = fields.get(value.field, 0) | 1 << at
        every = (1 << len(self.values)) - 1
        self._open: Final = [every & ~fields[value.field] for value in self.values]

    def __len__(self) -> int:
        return sum(each.bit_count() for each in self._open) // 2

    def cover(self, values: Collection[Value]) -> None:
        """Close the pairs of these values; those that are not known are ignored."""
        mask = self._mask(values)
        for value in values:
            if value in self._at:
                self._open[self._at[value]] &= ~mask

    def drop(self, one: Value, other: Value) -> None:
        """Close a pair that is impossible."""
        self._open[self._at[one]] &= ~(1 << self._at[other])
        self._open[self._at[other]] &= ~(1 << self._at[one])

    def extended(self, chosen: Sequence[Value], candidates: Collection[Value], fits: Fits) -> list[Value]:
        """`chosen` and one of the candidates of each field, in turn that which covers the most open pairs."""
        found: list[Value] = list(chosen)
        mask = self._mask(found)
        left: list[Value] = [value for value in candidates if value in self._at]
        while left:
            best = max(left, key=lambda value: self._gain(value, mask))
            if fits(found, best):
                found.append(best)
                mask |= 1 << self._at[best]
                left = [value for value in left if value.field != best.field]
            else:
                left.remove(best)
        return found

    def row(self, fits: Fits) -> list[Value]:
        """Values of all fields that cover many open pairs; empty if none is left that is possible."""
        while any(self._open):
            one = max(self.values, key=lambda value: self._open[self._at[value]].bit_count())
            for other in [it for it in self.values if self._open[self._at[one]] >> self._at[it] & 1]:
                if fits([], one) and fits([one], other):
                    rest = [value for value in self.values if value.field not in (one.field, other.field)]
                    return self.extended([one, other], rest, fits)
                self.drop(one, other)
        return []

    def _gain(self, value: Value, mask: int) -> tuple[int, int]:
        left = self._open[self._at[value]]
        return (left & mask).bit_count(), left.bit_count()

    def _mask(self, values: Iterable[Value]) -> int:
        mask = 0
        for value in values:
            mask |= 1 << self._at[value] if value in self._at else 0
        return mask
