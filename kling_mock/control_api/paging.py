"""Pages of lists: `limit` items after the one with the id `after`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeVar

from kling_mock.control_api.parameters import PageFilter
from kling_mock.control_api.problems import not_found

T = TypeVar("T")


def page_of(
    kind: str,
    items: Iterable[T],
    query: PageFilter,
    *,
    id_of: Callable[[T], str],
    fits: Callable[[T], bool],
) -> tuple[list[T], str | None]:
    """The fitting items of a page, and the `after` of the next page; None after the last one.

    Raises a problem (404) if no item has the id `query.after`; `kind` is the noun of its message.
    """
    rest = list(items)
    if query.after is not None:
        ids = list(map(id_of, rest))
        if query.after not in ids:
            raise not_found(kind, query.after, ids)
        del rest[: ids.index(query.after) + 1]
    found = list(islice(filter(fits, rest), query.limit + 1))
    page = found[: query.limit]
    return page, id_of(page[-1]) if len(found) > query.limit else None
