"""The OpenAPI 3.1 document of a gateway, derived from the declarations; `openapi*.json` are the results."""

from kling_contracts.openapi.document import build, render

__all__ = ["build", "render"]
