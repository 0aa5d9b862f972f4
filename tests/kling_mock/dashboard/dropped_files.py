"""Pictures that are chosen or dropped in the form of a new task."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload, Locator


def picture(name: str, colour: str) -> FilePayload:
    content = BytesIO()
    Image.new("RGB", (320, 320), colour).save(content, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": content.getvalue()}


def drop(target: Locator, file: FilePayload) -> None:
    """Drop a file on an element."""
    transfer = target.evaluate_handle(
        """(_, { name, bytes }) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
            return transfer;
        }""",
        {"name": file["name"], "bytes": list(file["buffer"])},
    )
    target.dispatch_event("drop", {"dataTransfer": transfer})
