"""The OpenAPI document: the committed files are up to date and valid, and the examples fit the schemas."""

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

import kling_contracts
from kling_contracts.cli import main
from kling_contracts.gateways import COMETAPI, GATEWAYS, KLING, TOKEN_REASONS, Gateway, RefusalReason
from kling_contracts.openapi import build, render
from kling_contracts.operations import MULTI_IMAGE, validate
from tests.rows import each_row

FOLDER = Path(kling_contracts.__file__).parent / "openapi"
FILES = {COMETAPI.name: FOLDER / "openapi.json", KLING.name: FOLDER / "openapi-kling.json"}
DOCUMENTS = {gateway.name: cast("dict[str, Any]", build(gateway)) for gateway in GATEWAYS}
DOCUMENT, KLING_DOCUMENT = DOCUMENTS[COMETAPI.name], DOCUMENTS[KLING.name]
CREATE = "/kling/v1/images/generations"
QUERY = "/kling/v1/images/generations/{task_id}"
KLING_CREATE = "/v1/images/multi-image2image"


every_gateway = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)


@every_gateway
def test_file_is_the_derivation(gateway: Gateway) -> None:
    """On failure: `make openapi`."""
    assert FILES[gateway.name].read_bytes() == render(build(gateway)).encode()


def test_rendering_is_stable() -> None:
    """Two builds are equal: two spaces, no escapes, one final newline."""
    text = render(build())
    assert text == render(build())
    assert text.startswith('{\n  "openapi": "3.1.0"')
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert "夕焼け 🌅" in text
    assert json.loads(text) == DOCUMENT


@every_gateway
def test_document_is_valid(gateway: Gateway) -> None:
    """openapi-spec-validator accepts the document."""
    validate_document(json.loads(render(build(gateway))))


@every_gateway
def test_schemas_are_schemas(gateway: Gateway) -> None:
    """Every schema of the document is valid by the meta-schema of JSON Schema 2020-12."""
    for schema in DOCUMENTS[gateway.name]["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def media(part: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type object in the document, with the path to it."""
    if isinstance(part, dict):
        if "schema" in part and "examples" in part:
            yield path, part
        for key, value in part.items():
            yield from media(value, f"{path}/{key}")


EXAMPLES = [
    (f"{gateway}{path}/{name}", gateway, content["schema"], example["value"])
    for gateway, document in DOCUMENTS.items()
    for path, content in media(document)
    for name, example in content["examples"].items()
]


@each_row(("path", "gateway", "schema", "value"), EXAMPLES, ids=[path for path, *_ in EXAMPLES])
def test_examples_fit_their_schemas(path: str, gateway: str, schema: dict[str, Any], value: object) -> None:
    """Every example fits its schema."""
    components = DOCUMENTS[gateway]["components"]
    Draft202012Validator(schema | {"components": components}).validate(value)


@every_gateway
def test_request_examples_are_valid_requests(gateway: Gateway) -> None:
    """No example breaks a rule of the contract; the example 'every field' has every field."""
    for route in gateway.routes:
        (operation,) = route.operations
        post = DOCUMENTS[gateway.name]["paths"][gateway.path(route)]["post"]
        examples = post["requestBody"]["content"]["application/json"]["examples"]
        page = {"page"} if "subject_image_list" in operation.keys else set[str]()
        assert set(examples) == {"full", "inline", "empty"} | page
        for example in examples.values():
            assert validate(example["value"], operation) == ()
        assert list(examples["full"]["value"]) == [field.name for field in operation.fields]


def test_page_example() -> None:
    """The example of CometAPI's page is included: one URL four times."""
    content = DOCUMENT["paths"][CREATE]["post"]["requestBody"]["content"]["application/json"]
    item = {"subject_image": "https://filesystem.site/cdn/20250814/goDW44JIf6eSuxAS7TNringhWjO9kW.png"}
    assert content["examples"]["page"]["value"] == {"subject_image_list": [item] * 4}


def test_operations() -> None:
    """Each route has a create and a query operation with bearer authentication; operation ids are unique."""
    assert list(DOCUMENT["paths"]) == [
        CREATE,
        QUERY,
        "/kling/v1/images/multi-image2image",
        "/kling/v1/images/multi-image2image/{task_id}",
        "/kling/account/costs",
    ]
    assert DOCUMENT["security"] == [{"bearer": []}]
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    ids = [
        item[method]["operationId"]
        for item in DOCUMENT["paths"].values()
        for method in ("post", "get")
        if method in item
    ]
    assert ids == [
        *("createMultiImage", "queryMultiImage", "createMultiImage2image", "queryMultiImage2image"),
        "showAccountCosts",
    ]


def test_kling_lists_finds_external_ids_and_takes_tokens() -> None:
    """Lists, external ids and tokens are only in Kling's document, CometAPI's features only in CometAPI's."""
    create, query = KLING_CREATE, KLING_CREATE + "/{task_id}"
    listing = KLING_DOCUMENT["paths"][create]["get"]
    assert [each["name"] for each in listing["parameters"]] == ["pageNum", "pageSize"]
    assert listing["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/TaskList")
    assert KLING_DOCUMENT["components"]["schemas"]["TaskList"]["properties"]["data"]["type"] == "array"
    (parameter,) = KLING_DOCUMENT["paths"][query]["parameters"]
    assert "external_task_id" in parameter["description"]
    links = KLING_DOCUMENT["paths"][create]["post"]["responses"]["200"]["links"]
    assert links["queryByExternalId"]["parameters"] == {"task_id": "$request.body#/external_task_id"}
    assert "JWT" in KLING_DOCUMENT["components"]["securitySchemes"]["bearer"]["description"]
    refused = KLING_DOCUMENT["paths"][query]["get"]["responses"]["401"]
    assert "auth.expired" in refused["content"]["application/json"]["examples"]
    assert "get" in KLING_DOCUMENT["paths"]["/account/costs"]
    assert "CometError" not in json.dumps(KLING_DOCUMENT)
    assert not [path for path in KLING_DOCUMENT["paths"] if path.startswith("/kling/")]
    for word in ("TaskList", "pageNum", "JWT", "queryByExternalId", "auth.expired"):
        assert word not in json.dumps(DOCUMENT)


def test_a_page_number_may_be_left_blank() -> None:
    """`?pageNum=` is valid, as the empty string is for an optional field of a body."""
    for parameter in KLING_DOCUMENT["paths"][KLING_CREATE]["get"]["parameters"]:
        assert Draft202012Validator(parameter["schema"]).is_valid("")
        assert not Draft202012Validator(parameter["schema"]).is_valid(0)


def test_a_required_text_is_not_empty() -> None:
    """The schema refuses an empty required text: the prompt of text-to-image."""
    schema = Draft202012Validator(KLING_DOCUMENT["components"]["schemas"]["TextToImageRequest"])
    assert [schema.is_valid({"prompt": prompt}) for prompt in ("", "a")] == [False, True]


def test_links_lead_to_the_query() -> None:
    """Links lead from the create response to the query, and from the query to itself."""
    for path, item in DOCUMENT["paths"].items():
        for operation in (item.get("post"), item.get("get")):
            if operation is None or path.endswith("/costs"):
                continue
            (link,) = operation["responses"]["200"]["links"].values()
            query = DOCUMENT["paths"][path.removesuffix("/{task_id}") + "/{task_id}"]["get"]
            assert link["operationId"] == query["operationId"]
            assert link["parameters"] == {"task_id": "$response.body#/data/task_id"}


def test_callback_is_the_bare_task() -> None:
    """The callback goes to the URL of the request, without an envelope and without the key."""
    callback = DOCUMENT["paths"][CREATE]["post"]["callbacks"]["taskChanged"]
    post = callback["{$request.body#/callback_url}"]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Task"}
    assert set(content["examples"]) == {"submitted", "processing", "succeed", "failed"}
    assert post["security"] == []


def test_every_refusal_is_documented() -> None:
    """Each refusal of the gateway is documented under its status, with a body of its shape."""
    responses = DOCUMENT["components"]["responses"].values()
    found = [name for each in responses for name in each["content"]["application/json"]["examples"]]
    assert sorted(found) == sorted(reason.value for reason in COMETAPI.refusals)
    assert set(COMETAPI.refusals) == set(RefusalReason) - set(TOKEN_REASONS)
    shapes = json.dumps(DOCUMENT["components"]["responses"])
    assert all(f"schemas/{name}" in shapes for name in ("KlingError", "TaskError", "CometError"))
    assert set(DOCUMENT["paths"][CREATE]["post"]["responses"]) == {
        *("200", "400", "401", "403", "413", "429", "500", "503"),
    }
    assert set(DOCUMENT["paths"][QUERY]["get"]["responses"]) == {"200", "400", "401", "404", "500"}


def test_page_fields_of_the_answer() -> None:
    """Every field of the response on CometAPI's page is described."""
    schemas = DOCUMENT["components"]["schemas"]
    assert list(schemas["TaskCreated"]["properties"]) == ["code", "message", "request_id", "data"]
    assert {"task_id", "task_status", "created_at", "updated_at"} <= set(schemas["Task"]["properties"])


@every_gateway
def test_every_field_has_a_source(gateway: Gateway) -> None:
    """Every property of requests and responses has an `x-source`; an alias names its field."""
    for name, schema in DOCUMENTS[gateway.name]["components"]["schemas"].items():
        for field, part in schema["properties"].items():
            if name != "CometError":
                assert "x-alias-of" in part or set(part["x-source"]) == {
                    "origin",
                    "reference",
                    "confidence",
                }, field


def test_every_rule_is_in_the_document() -> None:
    request = DOCUMENT["components"]["schemas"]["MultiImageRequest"]
    rules = [rule["id"] for part in request["properties"].values() for rule in part.get("x-rules", [])]
    assert rules == [rule for rule in MULTI_IMAGE.rules if not rule.startswith("body.")]


@pytest.mark.parametrize("flags", [[], ["--gateway", "cometapi"], ["--gateway", "kling"]])
def test_command_prints_the_file(flags: list[str], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`kling-contracts openapi` prints the committed file of the gateway."""
    assert main(["openapi", *flags]) == 0
    out, err = capfdbinary.readouterr()
    assert out == FILES[flags[1] if flags else "cometapi"].read_bytes()
    assert err == b""


@pytest.mark.parametrize("arguments", [["nonsense"], ["openapi", "extra"], ["openapi", "--gateway", "x"]])
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2 and the usage, without a traceback."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: kling-contracts" in capsys.readouterr().err


def test_the_help_is_printed_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("usage: kling-contracts")


def test_module_survives_a_closed_pipe() -> None:
    """`python -m kling_contracts openapi | head -1` in an ASCII locale prints one line and no traceback."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "kling_contracts", "openapi"],
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
