"""Replies with a delivery from an ASGI application: late, slow, padded, or ended by an exception.

An application has no connection, so it cannot reset or close one, and cannot send more than it announced.
"""

from __future__ import annotations

from kling_mock.delivery import Delivery
from kling_mock.doors.asgi_types import Receive, Send
from kling_mock.http import Reply


def unsupported(reply: Reply) -> str | None:
    """The name of the fault of this reply that an application cannot cause."""
    delivery = reply.delivery
    if delivery is None:
        return None
    for name in ("never", "refused", "reset", "closed", "cut_by_reset"):
        if getattr(delivery, name):
            return name
    size = len(reply.body)
    return "length" if delivery.announced(size) < delivery.sent(size) else None


def refusal(fault: str) -> Reply:
    """The reply in place of one whose fault cannot be caused."""
    text = (
        f"kling-mock: an ASGI application cannot cause this fault of a reply ({fault}). Use fake.serve() "
        "for a socket, or fake.transport() or fake.intercept() for httpx and httpx2 in process.\n"
    )
    return Reply(500, (("content-type", "text/plain; charset=utf-8"),), text.encode())


async def wait(receive: Receive, delivery: Delivery) -> bool:
    """Wait for the time at which the head is sent. Returns False if the client disconnects before it."""
    if not delivery.delay:
        return True
    import anyio  # only for replies with a pause

    connected = True
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            nonlocal connected
            while (await receive())["type"] != "http.disconnect":
                pass
            connected = False
            group.cancel_scope.cancel()

        group.start_soon(watch)
        await anyio.sleep(delivery.delay)  # not a timeout: skipped sleeps move the clock
        group.cancel_scope.cancel()
    return connected


async def send_body(send: Send, reply: Reply, delivery: Delivery) -> None:
    """Send the body, each piece at its time. Raises ConnectionAbortedError at the end of an incomplete body.

    Servers then close the connection; test clients raise the exception in the test.
    """
    sent = 0
    for piece in delivery.pieces(reply.body):
        pause = delivery.pause(piece)
        if pause:
            await _sleep(pause)
        sent += len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if sent < reply.length:
        if not sent:  # some servers send the head together with the first piece
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        raise ConnectionAbortedError(f"kling-mock: {delivery.describe()} ({sent} of {reply.length} B)")
    await send({"type": "http.response.body", "body": b""})


async def _sleep(seconds: float) -> None:
    import anyio

    await anyio.sleep(seconds)
