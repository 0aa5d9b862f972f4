"""Scripts of requests: the methods with which a test disturbs the reply to a request, or its connection."""

from __future__ import annotations

from typing import Final, Literal, Self

from kling_mock.argument_checks import check_positive, check_whole, check_word
from kling_mock.outcomes import Disturbs
from kling_mock.reply_faults import CUT, GARBLED, LOST, ReplyFault
from kling_mock.scripts.given_replies import GivenBody, GivenHeaders, given_reply
from kling_mock.scripts.rule_builder import RuleBuilder, script_method

PADDED_MAXIMUM: Final = 1_000_000_000


class RequestScript(RuleBuilder):
    """A scripted rule about requests. Each method changes the rule and returns the script, for chaining.

    >>> from kling_mock import Fake
    >>> fake = Fake()
    >>> fake.next_query.answers(502)
    <Script #0: next query answers 502, once>
    >>> fake.when_query(nth=2).delays(3).times(1)
    <Script #1: every query with nth=2 delays 3, once>

    The rule takes effect with its first outcome. An outcome that contradicts an earlier one raises
    ValueError; after any error in one of its methods the script has no effect.
    """

    @script_method
    def answers(
        self,
        status: int,
        code: int | None = None,
        body: GivenBody | None = None,
        headers: GivenHeaders | None = None,
    ) -> Self:
        """The request gets this reply, and has no effect.

        By default the body is that of the service for a status of Kling's table (429 with `Retry-After: 1`),
        and the page of a proxy for another status from 400 on. `code` selects another code of the table;
        `body` is JSON (a dict or list), a text or bytes; `headers` are a dict, or pairs if a name repeats.
        Raises ValueError or TypeError for other values.
        """
        return self._disturb("answers", given_reply(status, code, body, headers))

    @script_method
    def delays(self, seconds: float) -> Self:
        """The reply is late by this number of seconds."""
        return self._disturb("delays", check_positive("seconds", seconds))

    @script_method
    def times_out(self) -> Self:
        """The request is never answered, and has no effect: the client's timeout ends it."""
        return self._disturb("times_out")

    @script_method
    def resets(self) -> Self:
        """The connection is reset (RST) instead of a reply; the request has no effect."""
        return self._disturb("resets")

    @script_method
    def disconnects(self) -> Self:
        """The connection is closed (FIN) instead of a reply; the request has no effect."""
        return self._disturb("disconnects")

    @script_method
    def refuses_connections(self) -> Self:
        """The connection is refused; the request has no effect. With `lasting(seconds)` for a period."""
        return self._disturb("refuses_connections")

    @script_method
    def loses_reply(self, by: Literal["reset", "close", "timeout"] = "reset") -> Self:
        """The request takes effect, and its reply is lost: `by` a reset, a close, or a timeout of the client.

        It does not apply to a request that is refused.
        """
        return self._disturb("loses_reply", check_word("by", by, LOST))

    @script_method
    def cuts(self, at: int | None = None, by: Literal["close", "reset"] = "close") -> Self:
        """The connection ends after `at` bytes of the body; by default after half of it."""
        size = None if at is None else check_whole("at", at, 0)
        return self._disturb("cuts", (size, check_word("by", by, CUT)))

    @script_method
    def sends_slowly(self, bytes_per_second: float, chunk: int | None = None) -> Self:
        """The body is sent at this rate, in pieces of `chunk` bytes."""
        rate = check_positive("bytes_per_second", bytes_per_second)
        size = None if chunk is None else check_whole("chunk", chunk, 1)
        return self._disturb("sends_slowly", (rate, size))

    @script_method
    def misstates_length(self, by: int) -> Self:
        """The Content-Length is too long by this number of bytes; with a negative number it is too short."""
        if type(by) is not int or by == 0:
            raise ValueError(f"by must be an integer other than 0, not {by!r}")
        return self._disturb("misstates_length", by)

    @script_method
    def garbles(self, how: Literal["json", "utf8", "type", "html", "null", "empty"] = "json") -> Self:
        """The reply arrives in whole, with a wrong body.

        `json`: JSON that ends too early; `utf8`: not UTF-8; `type`: with the content type of a web page;
        `html`: a web page with status 200; `null`: the JSON value null; `empty`: no body.
        """
        return self._disturb("garbles", check_word("how", how, GARBLED))

    @script_method
    def pads(self, to: int = 100_000_000, *, compressed: bool = False) -> Self:
        """Spaces follow the body, up to this number of bytes; compressed they are a small gzip body.

        `to` is at most 1,000,000,000: the checksum of more would take seconds.
        """
        if check_whole("to", to, 1) > PADDED_MAXIMUM:
            raise ValueError(f"to must be at most {PADDED_MAXIMUM}, not {to}")
        return self._disturb("pads", (to, compressed))

    def _disturb(self, kind: str, value: object = None) -> Self:
        return self._add(Disturbs(ReplyFault(kind, value)))
