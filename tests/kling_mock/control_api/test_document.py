"""The OpenAPI document of the control API and its page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from kling_mock.control_api.document import build_document
from kling_mock.control_api.endpoints import ENDPOINTS, Endpoint
from kling_mock.control_api.models import EventStream
from kling_mock.control_api.problems import ErrorBody
from tests.kling_mock.control_api.conftest import Control


def test_the_document_is_valid_and_has_every_endpoint(control: Control) -> None:
    document: Any = control.ok("GET", "/openapi.json")
    assert document == build_document()
    OpenAPIV31SpecValidator(document).validate()
    found = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert found == {(each.method, each.path) for each in ENDPOINTS}


@pytest.fixture(scope="module")
def document() -> Any:
    return build_document()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_statuses_of_a_call_with_unknown_ids_and_no_body_are_documented(
    control: Control, document: Any, endpoint: Endpoint
) -> None:
    if endpoint.signature.result is EventStream:
        return
    path = endpoint.path.removeprefix("/_mock").replace("{id}", "9").replace("{name}", "9")
    operation = document["paths"][endpoint.path][endpoint.method.lower()]
    bodies: tuple[object, ...] = (None, {}, {"skip": True}, {"keys": []})
    for body in bodies:
        status = control.send(endpoint.method, path, None if endpoint.method == "GET" else body).status
        assert str(status) in operation["responses"]


def test_models_without_docstrings_have_no_description(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -OO` removes docstrings."""
    monkeypatch.setattr(ErrorBody, "__doc__", None)
    schemas = build_document()["components"]["schemas"]
    assert [name for name, schema in schemas.items() if "description" not in schema] == ["ErrorBody"]


def test_operations_have_names_of_their_own() -> None:
    names = [
        operation["operationId"] for item in build_document()["paths"].values() for operation in item.values()
    ]
    assert len(set(names)) == len(names)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        self.targets.add(values.get("href") or values.get("src") or "")


def test_the_page_is_complete_and_needs_nothing_else(control: Control) -> None:
    """It loads no resource and has no script; its links lead to the document and to its models."""
    reply = control.send("GET", "/docs")
    assert reply.content_type == "text/html; charset=utf-8"
    page = reply.body.decode()
    links = _Links()
    links.feed(page)
    targets = links.targets - {"", "openapi.json"}
    assert {target.removeprefix("#") for target in targets} <= links.ids
    assert not links.tags & {"script", "link", "img", "iframe"}
    for endpoint in ENDPOINTS:
        assert f"{endpoint.method} {endpoint.path}" in page
    assert not re.search(r"https?://", page)
    assert "`" not in page
    assert "<code>freeze</code></td><td>true, optional" in page
    assert '<meta name="color-scheme" content="light dark">' in page
