"""Pages of lists: `limit` items after the one with the id `after`, oldest or newest first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from kling_mock.control_api.parameters import PageFilter
from kling_mock.control_api.problems import not_found

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """The items of a page, the `after` of the next page (None after the last one), and the number of all."""

    items: Sequence[T]
    next: str | None
    total: int


def page_of(
    kind: str,
    items: Sequence[T],
    query: PageFilter,
    *,
    id_of: Callable[[T], str],
    fits: Callable[[T], bool] | None,
) -> Page[T]:
    """A page of the fitting items; `items` are oldest first, and all of them fit without `fits`.

    Raises a problem (404) if no item has the id `query.after`; `kind` is the noun of its message. That item
    need not fit: it may have changed since the page before.
    """
    ordered = items if query.order == "oldest" else items[::-1]
    start = 0
    if query.after is not None:
        found = next((at for at, each in enumerate(ordered) if id_of(each) == query.after), None)
        if found is None:
            raise not_found(kind, query.after, map(id_of, items))
        start = found + 1
    if fits is None:
        page, rest, total = ordered[start : start + query.limit], len(ordered) - start, len(ordered)
    else:
        places = [at for at, each in enumerate(ordered) if fits(each)]
        first = bisect_left(places, start)
        page = [ordered[at] for at in places[first : first + query.limit]]
        rest, total = len(places) - first, len(places)
    return Page(page, id_of(page[-1]) if rest > query.limit else None, total)
