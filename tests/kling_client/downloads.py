"""Responses with pictures, and tasks whose pictures can be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.kling_client.conftest import TASK_ID, Body, Service, picture, shown

URL = "https://cdn.klingai.com/bs2/0_raw_image_0.png?ksSecret=1"
PNG = picture(640, 480, size=1000)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0001108012c012c03011100").ljust(100, b"\0")


def sent(content: bytes = PNG, status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers={"content-length": str(len(content))} | named, stream=Body(content))


def done(service: Service, *urls: str, **options: Any) -> Any:
    """A succeeded task; the answers set next are those for its images."""
    service.will(shown("succeed", urls=urls or [URL]))
    found = service.client(**options).get(TASK_ID)
    service.requests.clear()
    return found


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
