"""Properties of how a client speaks to the service: method, path, key and content type."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from typing import Final
from urllib.parse import unquote

from kling_contracts.client_suite.bench import Bench, Property, fault
from kling_contracts.client_suite.bodies import sent_body, smallest_body, submit
from kling_contracts.client_suite.scripts import shown, task
from kling_contracts.client_suite.tokens import KEY, token_fault
from kling_contracts.gateways import Gateway
from kling_contracts.vocabulary import KLING_PAGE, TaskStatus

# Opaque texts, as some gateways give out; the last two need encoding, as the external ids of users do.
_PLAIN_IDS: Final = (task(TaskStatus.SUBMITTED).task_id, "CjNQtmctxFMAAAAAAGZ1Vw")
_ODD_IDS: Final = ("poster/1", "a b?c=d#e%41é")


def addressing(gateway: Gateway) -> Iterator[Property]:
    """The properties of where requests go and what they carry."""
    yield Property(
        id="client.addresses[create]",
        sentence="a create is a POST of JSON to the create path, with the key as a bearer",
        source=gateway.source,
        check=_addresses_create,
    )
    for name, ids, sentence in (
        ("query", _PLAIN_IDS, "a query is a GET of the task's path, with the key as a bearer"),
        ("odd-id", _ODD_IDS, "an id is one segment of the path, percent-encoded; or is refused unsent"),
    ):
        yield Property(
            id=f"client.addresses[{name}]",
            sentence=sentence,
            source=KLING_PAGE,
            check=partial(_addresses_query, ids),
        )


def _addresses_create(bench: Bench) -> None:
    attempt = submit(bench, smallest_body(bench))
    if not attempt.creates:
        fault("a create on the wire", attempt)
    wanted = bench.gateway.create_path
    for sent in attempt.creates:
        if sent.target != wanted:
            fault(f"POST {wanted}", f"POST {sent.target}")
        kind = sent.header("content-type").partition(";")[0].strip().lower()
        if kind != "application/json":
            fault("Content-Type: application/json", kind or "no Content-Type")
        sent_body(sent)
        _require_bearer(bench, sent.header("authorization"))


def _addresses_query(ids: tuple[str, ...], bench: Bench) -> None:
    for task_id in ids:
        bench.play(queries=[shown(task(TaskStatus.PROCESSING, task_id=task_id))])
        attempt = bench.query(task_id)
        if not attempt.queries and (ids is _PLAIN_IDS or attempt.error is None):
            fault("a query on the wire", attempt)
        for sent in attempt.queries:
            place, _, last = sent.path.rpartition("/")
            if place != bench.gateway.create_path or unquote(last) != task_id:
                fault(f"GET {bench.service.task_url(task_id).removeprefix(bench.origin)}", sent, tag=task_id)
            _require_bearer(bench, sent.header("authorization"))


def _require_bearer(bench: Bench, value: str) -> None:
    scheme, _, key = value.partition(" ")
    key = key.strip()
    if scheme.lower() == "bearer" and key == KEY:
        return
    if scheme.lower() != "bearer" or not bench.gateway.takes_tokens:
        fault("Authorization: Bearer <the key>", value.replace(KEY, "<the key>") or "no Authorization")
    # Time moves on while the client sleeps; `time.time` of this thread knows by how much.
    wrong = token_fault(key, time.time())
    if wrong:
        fault("Authorization: Bearer <the key, or a token signed with the pair of keys>", wrong)
