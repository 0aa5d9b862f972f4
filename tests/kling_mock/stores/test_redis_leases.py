"""The lease of a delivery: one process at a time has it, also if it ends while it is renewed or released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kling_mock.stores.redis_server import redis_store, second_handle

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mock.stores.redis.store import RedisStore


def holder(store: RedisStore) -> bytes | None:
    found: bytes | None = store._client.get(store.session.lease_key("task"))
    return found


@pytest.mark.parametrize("is_held", [True, False])
def test_a_lease_is_renewed_or_taken_unless_another_process_has_it(is_held: bool) -> None:
    store = redis_store()
    other = second_handle(store)
    if is_held:
        assert store.lease("task")
        store._client.expire(store.session.lease_key("task"), 1)
    assert store.renew("task")
    assert 1 < store._client.ttl(store.session.lease_key("task")) <= 30
    assert not other.lease("task")
    assert not other.renew("task")
    other.release("task")
    assert holder(store) == store.session.process.encode()
    store.release("task")
    assert other.renew("task")


@pytest.mark.parametrize("number", [1, 2])
def test_an_intruder_between_two_commands(number: int) -> None:
    """The lease ends before a command of `renew` or `release`, and another process takes it.

    Counterexample: GET, then EXPIRE or DEL, where both processes had the lease or another one lost it.
    """
    renew: Callable[[RedisStore], bool] = lambda store: store.renew("task")  # noqa: E731
    release: Callable[[RedisStore], Any] = lambda store: store.release("task")  # noqa: E731
    for call in (renew, release):
        store = redis_store()
        other = second_handle(store)
        assert store.lease("task")
        client = store._client
        sent: list[Any] = []
        execute = client.execute_command

        def intruded(*words: Any, **options: Any) -> Any:
            sent.append(words)  # noqa: B023
            if len(sent) == number:  # noqa: B023
                other._client.delete(store.session.lease_key("task"))  # noqa: B023
                assert other.lease("task")  # noqa: B023
            return execute(*words, **options)  # noqa: B023

        client.execute_command = intruded
        has_it = call(store)
        client.execute_command = execute
        if len(sent) >= number:
            assert not has_it
            assert holder(store) == other.session.process.encode()
