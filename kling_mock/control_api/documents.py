"""The OpenAPI document and its page, as endpoints."""

from __future__ import annotations

from typing import Any

from kling_mock.control_api import models
from kling_mock.fake import Fake


def read_openapi(fake: Fake) -> dict[str, Any]:  # noqa: ARG001 -- as all handlers
    """Read the OpenAPI 3.1 document of the control API."""
    from kling_mock.control_api.document import build_document

    return build_document()


def read_page(fake: Fake) -> models.HTMLPage:  # noqa: ARG001 -- as all handlers
    """Read the document as a page for a browser."""
    from kling_mock.control_api.page import build_page

    return models.HTMLPage(build_page().encode())
