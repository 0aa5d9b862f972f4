"""Reference server: a bare ASGI application that reads the body and returns a constant response."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

CONSTANT = (
    b'{"code":0,"message":"SUCCEED","request_id":"c0656403-1e6e-4b7e-b8f8-2cdd2595f2b9","data":{"task_id":'
    b'"867283741759111202","task_status":"submitted","task_info":{},"created_at":1774805076166,'
    b'"updated_at":1774805076166}}'
)


async def bare(
    _: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(CONSTANT))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": CONSTANT})


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(bare, port=int(sys.argv[1]), lifespan="off", access_log=False, log_level="warning")
