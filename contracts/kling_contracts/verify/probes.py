"""The purpose of a request: the kinds of probes, and the labels of the tasks of a run."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class ProbeKind(StrEnum):
    """The purpose of a request. Recordings contain the values."""

    HEALTH = "health"
    # A request that was answered with 429, and is repeated.
    BUSY = "busy"
    # A request whose connection was closed without a reply, and is repeated.
    LOST = "lost"

    # Paths, methods and ids.
    METHOD = "method"
    PATH = "path"
    UNKNOWN_ID = "unknown id"
    ODD_ID = "odd id"
    NEAR_ID = "near id"
    SAME_ID = "same id"

    # Keys.
    NO_KEY = "no key"
    WRONG_KEY = "wrong key"
    TOKEN = "token"  # noqa: S105 -- a kind
    SCHEME = "scheme"
    TASK_WITHOUT_KEY = "no key for a task"

    # Invalid requests, and the task lists before and after them.
    REFUSE = "invalid request"
    MALFORMED = "malformed body"
    UPGRADE = "upgrade offer"
    LIST_BEFORE = "list before"
    LIST_AFTER = "list after"

    # Valid requests: several features combined, all but one, one alone, two, repeated.
    ACCEPT = "accept"
    ACCEPT_WITHOUT = "accept without"
    ACCEPT_ONLY = "accept only"
    ACCEPT_PAIR = "accept pair"
    ACCEPT_TWICE = "accept twice"

    # Creates with a field that is given twice.
    REPEATED_NAME = "repeated name"

    # Creates whose task must fail.
    ATTEMPT = "create that must fail"

    # External ids.
    DUPLICATE = "duplicate"
    BY_EXTERNAL_ID = "by external id"

    # Queries for tasks of the run.
    POLL = "poll"
    AGAIN = "again"
    FIRST_POLL = "first poll"
    BURST = "burst"
    LISTED = "query for a list entry"

    # Lists.
    LIST = "list"
    PAGES = "pages"
    LIST_WHILE_RUNNING = "list while tasks run"
    LIST_WITHOUT_PAGE = "list without a page"
    PAGE_BEYOND = "page beyond the end"
    PAGE_BOUND = "page"
    BAD_PAGE = "bad page"

    # Another account.
    FOREIGN = "foreign task"
    FOREIGN_NOWHERE = "unknown task of the second key"
    FOREIGN_SAME_ID = "same external id"
    FOREIGN_BY_EXTERNAL_ID = "foreign external id"
    FOREIGN_LIST = "foreign list"

    # Results.
    PICTURE = "result"
    PICTURE_AGAIN = "result again"


class Label(StrEnum):
    """Names of external ids and callback URLs within a run, and of the task that is not polled."""

    REFUSED = "refused"
    PLAIN = "plain"
    RETRIED = "retried"
    FAILING = "failing"
    UNPOLLED = "unpolled"
    # The first part of the names of requests that combine values.
    COMBINED = "combined"
    # Longer than a UUID, in mixed case: a server must neither truncate it nor fold its case.
    FIRST = "First_of-those-that-come-at-once"
    OTHER_CASE = "fIRST_OF-THOSE-THAT-COME-AT-ONCE"
    # Two, three and four bytes in UTF-8, and letters that other forms of Unicode join.
    ALPHABETS = "é漢😀e\u0301"


class Probe(NamedTuple):
    """The purpose of a request: its kind, its subject (a rule, an id, a field), and the variant."""

    kind: ProbeKind
    about: str = ""
    tag: str = ""

    def __str__(self) -> str:
        """`kind: about, tag`, without empty parts."""
        return ": ".join(filter(None, (self.kind, ", ".join(filter(None, (self.about, self.tag))))))
