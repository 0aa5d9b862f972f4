"""Signed callbacks: the same id in all attempts, the time of each, and a secret that no output shows."""

from __future__ import annotations

import base64
import copy
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook

from kling_client import InvalidSignature, parse_callback
from kling_mock import Fake
from kling_mock.callbacks.model import Callback
from kling_mock.settings import Settings
from kling_mock.webhook_secret import WebhookSecret
from tests.kling_mock.callbacks.inbox import HOOK
from tests.kling_mock.callbacks.runs import create, make_fake

if TYPE_CHECKING:
    from tests.kling_mock.conftest import Start

KEY = base64.b64encode(b"a secret of the tests, 32 bytes!").decode()
SECRET = f"whsec_{KEY}"
NAMES = ["webhook-id", "webhook-timestamp", "webhook-signature"]


def test_the_published_vector_is_signed() -> None:
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"",'
        b'"create_time":1781080778802,"update_time":1781080794151}'
    )
    secret = WebhookSecret("whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI=")
    assert secret.headers("9876543210", body, 1781080794.9) == (
        ("webhook-id", "9876543210"),
        ("webhook-timestamp", "1781080794"),
        ("webhook-signature", "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4="),
    )


def test_every_attempt_is_signed_with_one_id_for_each_change(start: Start) -> None:
    received: list[Callback] = []

    def receive(callback: Callback) -> int:
        received.append(callback)
        Webhook(SECRET).verify(callback.content, callback.headers)
        parse_callback(callback.content, callback.headers, secret=SECRET)
        return 500 if len(received) == 1 else 200

    caller = start(pace="instant", webhook_secret=SECRET)
    caller.fake.callbacks.deliver_to(receive)
    caller.create(callback_url=HOOK)
    caller.clock.advance(1)
    ids = [callback.headers["webhook-id"] for callback in received]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(each.isdigit() for each in ids)
    listed = caller.fake.callbacks
    assert [callback.headers["webhook-id"] for callback in listed] == ids[1:]
    assert parse_callback(listed[2].content, listed[2].headers, secret=SECRET).task_status == "succeed"
    caller.fake.check()


def test_ids_are_those_of_the_seed() -> None:
    def ids(seed: int) -> list[str]:
        fake = make_fake(pace="instant", seed=seed)
        create(fake)
        create(fake)
        return [callback.webhook_id for callback in fake.callbacks]

    assert ids(1) == ids(1) != ids(2)
    assert len(set(ids(1))) == 6


def test_without_a_secret_nothing_is_signed(start: Start) -> None:
    """The counterexample."""
    caller = start(pace="instant")
    caller.create(callback_url=HOOK)
    callback = caller.fake.callbacks[0]
    assert list(callback.headers) == ["content-type"]
    with pytest.raises(InvalidSignature):
        parse_callback(callback.content, callback.headers, secret=SECRET)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", KEY, "plain-secret", "whsec_*secret*", f"whsec_{KEY} ", 7, b"whsec_"]
)
def test_an_invalid_secret_is_an_error_that_does_not_show_it(secret: Any) -> None:
    with pytest.raises(ValueError, match=r"^webhook_secret must be ") as caught:
        Fake(webhook_secret=secret)
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert not [part for part in (KEY, "plain-", "*secret*") if part in shown]


def test_no_output_shows_the_secret() -> None:
    fake = make_fake(pace="instant", webhook_secret=SECRET)
    create(fake)
    settings = fake.settings
    secret = settings.webhook_secret
    assert secret is not None
    shown = (
        f"{settings!r} {fake!r} {fake.callbacks!r} {fake.callbacks[0]!r} {secret} {[secret]} {fake.calls!r}"
    )
    shown += repr(replace(settings, seed=3)) + repr(copy.deepcopy(secret))
    assert KEY not in shown
    assert "webhook_secret=[secret]" in repr(settings)
    assert settings == replace(settings)
    assert settings != Settings(webhook_secret="whsec_AAAA")  # type: ignore[arg-type]  # text is converted
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
