"""The secret with which callbacks are signed, by the scheme Standard Webhooks."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Final, Self

PREFIX: Final = "whsec_"


class WebhookSecret:
    """A secret whose repr hides it. A copy is the same object; pickling is refused.

    Raises ValueError, without the secret, unless the text is `whsec_` and base64.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        rule = "must be whsec_ and base64, as the console of the service shows it"
        if not text.startswith(PREFIX):
            raise ValueError(f"{rule}; it does not begin with whsec_ ({len(text)} characters)")
        try:
            key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except ValueError:
            raise ValueError(f"{rule}; the part after whsec_ is not base64") from None
        if not key:
            raise ValueError(f"{rule}; nothing follows whsec_")
        self._text = text

    @property
    def text(self) -> str:
        """The secret as it was given, to find it in outputs."""
        return self._text

    def headers(self, message_id: str, content: bytes, at: float) -> tuple[tuple[str, str], ...]:
        """The header fields of a signed message that is sent at the system time `at`, in Unix seconds.

        Raises ValueError for content that is not UTF-8.
        """
        from standardwebhooks import Webhook

        sent = datetime.fromtimestamp(int(at), UTC)
        signature = Webhook(self._text).sign(message_id, sent, content.decode())
        return (
            ("webhook-id", message_id),
            ("webhook-timestamp", str(int(at))),
            ("webhook-signature", signature),
        )

    def __repr__(self) -> str:
        return "[secret]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebhookSecret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError(
            "settings with a webhook secret cannot be pickled; create them again from their source"
        )
