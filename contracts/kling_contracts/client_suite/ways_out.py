"""What to do about a property that does not hold, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

WAYS_OUT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "client.sends_only_valid": "check this before sending, or set `validates_locally = False`",
        "client.passes_refusals_on": "raise where the HTTP status is 400 or more, with the body's message",
        "client.accepts_valid": "loosen the client's own check; `fields` lists what it can send, if not all",
        "client.encodes_exactly": "send the field as given, or leave out of `fields` what it cannot send",
        "client.omits_unset": "leave out what was not given: 0, false or an empty list are values",
        "client.addresses": "use service.create_url and service.task_url(id), or quote(id, safe='')",
        "client.reads_created": "read `data.task_id`, and no other field that may be missing or new",
        "client.reports_refusal": "raise where the HTTP status is 400 or more",
        "client.reports_code": "raise where `code` in the body is not 0, whatever the HTTP status",
        "client.reads": "read known fields with defaults, and ignore the others",
        "client.ends_at_terminal": "stop at `succeed` and `failed`; say why it failed, or raise that text",
        "client.ends_only_at_terminal": "go on at all statuses but `succeed` and `failed`, also at new ones",
        "client.keeps_deadline": "look at time.monotonic() before each query and each sleep",
        "client.gives_up": "give the HTTP library a timeout (`service.timeout`), also for queries",
        "client.pauses": "sleep a second or more between two queries, also after one that went wrong",
        "client.heeds_retry_after": "sleep for as long as Retry-After says before trying again, or raise",
        "client.stops_when_interrupted": "around a query catch Exception, and never BaseException",
        "client.no_second_create": "send a create once more only where none can have arrived, or at 429",
        "client.key_stays_secret": "use the key in the header Authorization only; raise errors of your own",
    }
)
