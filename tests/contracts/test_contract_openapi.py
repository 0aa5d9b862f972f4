"""The OpenAPI document: what is checked in is what is derived; it is valid; its examples are true."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from openapi_spec_validator import validate as validate_document

import contracts
from contracts.cli import main
from contracts.gateways import COMETAPI, TOKEN_SITUATIONS, Situation
from contracts.openapi import build, render
from contracts.operations import MULTI_IMAGE, OPERATIONS, validate

FOLDER = Path(contracts.__file__).parent
DOCUMENT = cast("dict[str, Any]", build())
CREATE = "/kling/v1/images/generations"
QUERY = "/kling/v1/images/generations/{task_id}"


def test_file_is_the_derivation() -> None:
    """After a change of declarations: `python -m contracts openapi > contracts/openapi.json`."""
    assert (FOLDER / "openapi.json").read_bytes() == render(build()).encode()


def test_rendering_is_stable() -> None:
    """Two builds give the same bytes: two spaces, plain characters, one last newline."""
    text = render(build())
    assert text == render(build())
    assert text.startswith('{\n  "openapi": "3.1.0"')
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert "夕焼け 🌅" in text
    assert json.loads(text) == DOCUMENT


def test_document_is_valid() -> None:
    """openapi-spec-validator accepts it."""
    validate_document(json.loads(render(build())))


def test_schemas_are_schemas() -> None:
    """Every schema of the document is one, by the meta-schema of JSON Schema 2020-12."""
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def media(part: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type object in the document, with the path to it."""
    if isinstance(part, dict):
        if "schema" in part and "examples" in part:
            yield path, part
        for key, value in part.items():
            yield from media(value, f"{path}/{key}")


EXAMPLES = [
    (f"{path}/{name}", content["schema"], example["value"])
    for path, content in media(DOCUMENT)
    for name, example in content["examples"].items()
]


@pytest.mark.parametrize(("path", "schema", "value"), EXAMPLES, ids=[path for path, _, _ in EXAMPLES])
def test_examples_are_true(path: str, schema: dict[str, Any], value: object) -> None:
    """Every example fits the schema beside it."""
    Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(value)


def test_request_examples_are_valid_requests() -> None:
    """Every example of a request breaks no rule, by the contract itself too."""
    for operation, path in zip(OPERATIONS, (CREATE, "/kling/v1/images/multi-image2image"), strict=True):
        content = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert set(content["examples"]) == {"page", "full", "inline", "empty"}
        for example in content["examples"].values():
            assert validate(example["value"], operation) == ()


def test_page_example() -> None:
    """The page's own example is there: one address four times."""
    content = DOCUMENT["paths"][CREATE]["post"]["requestBody"]["content"]["application/json"]
    item = {"subject_image": "https://filesystem.site/cdn/20250814/goDW44JIf6eSuxAS7TNringhWjO9kW.png"}
    assert content["examples"]["page"]["value"] == {"subject_image_list": [item] * 4}


def test_full_example_is_full() -> None:
    """The example with every field has every field."""
    content = DOCUMENT["paths"][CREATE]["post"]["requestBody"]["content"]["application/json"]
    assert set(content["examples"]["full"]["value"]) == {field.name for field in MULTI_IMAGE.fields}


def test_operations() -> None:
    """Each route can be created on and queried, by bearer key, and ids are unique."""
    assert list(DOCUMENT["paths"]) == [
        CREATE,
        QUERY,
        "/kling/v1/images/multi-image2image",
        "/kling/v1/images/multi-image2image/{task_id}",
    ]
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    ids = [
        item[method]["operationId"]
        for item in DOCUMENT["paths"].values()
        for method in ("post", "get")
        if method in item
    ]
    assert ids == ["createMultiImage", "queryMultiImage", "createMultiImage2image", "queryMultiImage2image"]


def test_links_lead_to_the_query() -> None:
    """A created task is queried by the id in the answer, and may be queried again."""
    for path, item in DOCUMENT["paths"].items():
        for operation in (item.get("post"), item.get("get")):
            if operation is None:
                continue
            (link,) = operation["responses"]["200"]["links"].values()
            query = DOCUMENT["paths"][path.removesuffix("/{task_id}") + "/{task_id}"]["get"]
            assert link["operationId"] == query["operationId"]
            assert link["parameters"] == {"task_id": "$response.body#/data/task_id"}


def test_callback_is_the_bare_task() -> None:
    """Every change is posted to the address of the request, without envelope and without our key."""
    callback = DOCUMENT["paths"][CREATE]["post"]["callbacks"]["taskChanged"]
    post = callback["{$request.body#/callback_url}"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Task"}
    assert set(content["examples"]) == {"submitted", "processing", "succeed", "failed"}
    assert post["security"] == []


def test_every_refusal_is_documented() -> None:
    """Each situation of the gateway's table is under its status, with a body of its shape."""
    responses = DOCUMENT["components"]["responses"].values()
    found = [name for each in responses for name in each["content"]["application/json"]["examples"]]
    assert sorted(found) == sorted(situation.value for situation in COMETAPI.refusals)
    assert set(COMETAPI.refusals) == set(Situation) - set(TOKEN_SITUATIONS)
    shapes = json.dumps(DOCUMENT["components"]["responses"])
    assert all(f"schemas/{name}" in shapes for name in ("KlingError", "TaskError", "CometError"))
    assert set(DOCUMENT["paths"][CREATE]["post"]["responses"]) == {
        *("200", "400", "401", "403", "413", "429", "500", "503"),
    }
    assert set(DOCUMENT["paths"][QUERY]["get"]["responses"]) == {"200", "400", "401", "404", "500"}


def test_page_fields_of_the_answer() -> None:
    """Every field of the page's answer is described."""
    schemas = DOCUMENT["components"]["schemas"]
    assert list(schemas["TaskCreated"]["properties"]) == ["code", "message", "request_id", "data"]
    assert {"task_id", "task_status", "created_at", "updated_at"} <= set(schemas["Task"]["properties"])


def test_every_field_tells_its_source() -> None:
    """Every property of a request and an answer says where it is known from; an alias names its field."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, part in schema["properties"].items():
            if name != "CometError":
                assert "x-alias-of" in part or set(part["x-source"]) == {
                    "origin",
                    "reference",
                    "confidence",
                }, field
    request = DOCUMENT["components"]["schemas"]["MultiImageRequest"]
    rules = [rule["id"] for part in request["properties"].values() for rule in part.get("x-rules", [])]
    assert rules == [rule for rule in MULTI_IMAGE.rules if not rule.startswith("body.")]


def test_command_prints_the_file(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`kling-contracts openapi` prints the file, byte for byte."""
    assert main(["openapi"]) == 0
    out, err = capfdbinary.readouterr()
    assert out == (FOLDER / "openapi.json").read_bytes()
    assert err == b""


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["openapi", "extra"], ["--gateway", "x"]])
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and a hint, no traceback."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: kling-contracts" in capsys.readouterr().err


def test_module_survives_a_closed_pipe() -> None:
    """`python -m contracts openapi | head -1` in a poor locale: one line, and not a word of complaint."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "contracts", "openapi"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=FOLDER.parent,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == 0
