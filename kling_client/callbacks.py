"""Callbacks: the parsing of their bodies, and the verification of their signatures (Standard Webhooks)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from kling_client.errors import ConfigError, InvalidSignature, UnexpectedReply
from kling_client.replies import BODY_SHOWN, decode
from kling_contracts.messages import MalformedMessage, TaskMessage

if TYPE_CHECKING:
    from standardwebhooks import Webhook

NAMES: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
# The length of the largest time that the library can represent.
DIGITS: Final = 11
# Seconds by which the time of a signature may differ from that of this machine.
TOLERANCE: Final = 300

_Text: TypeAlias = str | bytes


class _HasItems(Protocol):
    def items(self) -> Iterable[tuple[str, str]]: ...


# Headers of any web framework: a mapping, or pairs.
CallbackHeaders: TypeAlias = Mapping[str, str] | _HasItems | Iterable[tuple[_Text, _Text]]


def parse_callback(
    body: bytes | str,
    headers: CallbackHeaders | None = None,
    *,
    secret: str | Sequence[str] | None = None,
) -> TaskMessage:
    """Parse the body of a callback, a bare task object, and verify its signature if there is a `secret`.

    `body` must be as received, before any decoding. `headers` are those of the request, a mapping or pairs,
    in any case of letters. `secret` is a webhook secret (`whsec_...`), or several of them during a rotation,
    of which one must match. Without it nothing is verified.

    Raises InvalidSignature; ConfigError for a decoded body, an invalid secret, or one without headers;
    UnexpectedReply with status 0 for a body that is not a task object.
    """
    if not isinstance(body, bytes | bytearray | str):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
        raise ConfigError(f"body: must be the body as received, in bytes, not {type(body).__name__}")
    if secret is not None:
        _verify(body, headers, secret)
    try:
        return TaskMessage.from_wire(decode(body))
    except MalformedMessage as error:
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        raise UnexpectedReply(0, text[:BODY_SHOWN], str(error)) from error


def _verify(body: bytes | str, headers: CallbackHeaders | None, secret: str | Sequence[str]) -> None:
    from standardwebhooks import WebhookVerificationError

    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets:
        raise ConfigError("secret: must have at least one webhook secret; got an empty list")
    if headers is None:
        raise ConfigError("headers: must be given together with secret; pass those of the request")
    hooks = [_webhook(each) for each in secrets]
    fields = _fields(headers)
    _check_fields(fields)
    for hook in hooks:
        try:
            hook.verify(body, fields, json_parse=False)
        except (WebhookVerificationError, ValueError):  # ValueError: a malformed signature, or not UTF-8
            continue
        return
    raise InvalidSignature(
        "mismatch",
        "webhook-signature: does not match. The callback was altered, or the secret is another: pass the "
        "body in bytes, as received, and during a rotation both secrets",
    )


def _webhook(secret: object) -> Webhook:
    """Raises ConfigError, without the secret."""
    from standardwebhooks import Webhook

    rule = "secret: must be whsec_ and base64, as the console of the service shows it"
    if not isinstance(secret, str):
        raise ConfigError(f"{rule}; got a {type(secret).__name__}")
    key = secret.removeprefix("whsec_")
    if key == secret or not key:
        raise ConfigError(f"{rule}; got {len(secret)} characters")
    try:
        base64.b64decode(key, validate=True)
    except ValueError:
        raise ConfigError(f"{rule}; the part after whsec_ is not base64") from None
    return Webhook(secret)


def _fields(headers: CallbackHeaders) -> dict[str, str]:
    """The fields by their names in lower case."""
    items = getattr(headers, "items", None)
    pairs = cast("Iterable[tuple[_Text, _Text]]", headers if items is None else items())
    return {_text(name).lower(): _text(value) for name, value in pairs}


def _text(value: _Text) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _check_fields(fields: Mapping[str, str]) -> None:
    """Raise InvalidSignature for missing fields, and for a time that is not the present."""
    missing = [name for name in NAMES if not fields.get(name)]
    if missing:
        raise InvalidSignature(
            "unsigned",
            f"{', '.join(missing)}: missing, so the callback is not signed. Set the secret in the console of "
            "the service, and let proxies pass the headers",
        )
    sent = fields["webhook-timestamp"]
    if not (sent.isascii() and sent.isdigit() and len(sent) <= DIGITS):
        raise InvalidSignature("malformed", f"webhook-timestamp: must be Unix seconds; got {sent[:30]!r}")
    # Not `time.time`, which virtual time may move: the library compares with this clock too.
    age = datetime.now(UTC).timestamp() - int(sent)
    if abs(age) > TOLERANCE:
        how = f"{age:.0f} s old" if age > 0 else f"{-age:.0f} s in the future"
        raise InvalidSignature(
            "stale",
            f"webhook-timestamp: must be within {TOLERANCE} s of the clock of this machine; it is {how}. The "
            "callback may be a replay; refuse it, and check this clock if the sender is right",
        )
