"""The boundary table, compared with the rules and with the published schema."""

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types

from kling_contracts.openapi import build
from kling_contracts.operations import validate
from tests.contracts.boundary_rows import SURROGATE, Row, good, inline
from tests.contracts.boundary_table import ROWS
from tests.rows import each_row

SCHEMA = Draft202012Validator(build()["components"]["schemas"]["MultiImageRequest"])  # type: ignore[index]  # plain data


@each_row("row", ROWS, ids=[row.name.encode("ascii", "replace").decode()[:60] for row in ROWS])
def test_table(row: Row) -> None:
    """Each row has exactly the expected verdict: path, rule, code and effect."""
    found = [(each.field, each.rule.id, each.code, each.effect.value) for each in validate(row.body)]
    assert found == ([row.expected] if row.expected else [])
    for violation in validate(row.body):
        assert violation.status == (400 if violation.effect == "refused" else 200)


EXPRESSIBLE = [row for row in ROWS if not row.inexpressible]


def test_schema_agrees_with_the_table() -> None:
    """The published schema accepts a body if and only if no rule refuses it."""
    wrong = [
        row.name
        for row in EXPRESSIBLE
        if SCHEMA.is_valid(row.body) == (row.expected is not None and row.expected[3] == "refused")
    ]
    assert wrong == []


def test_schema_accepts_only_excluded_rows() -> None:
    """The schema accepts the rows that are excluded from the comparison: it cannot express their rule."""
    wrong = [row.name for row in ROWS if row.inexpressible == SURROGATE and not SCHEMA.is_valid(row.body)]
    assert wrong == []


def test_schema_counts_bytes() -> None:
    """The schema's limit on base64 is exact to the byte, tested with limits of a few bytes."""
    from kling_contracts.image_fields import _base64_schemas

    for maximum in range(1, 20):
        schema = Draft202012Validator({"anyOf": _base64_schemas(maximum)})
        accepted = [size for size in range(1, 30) if schema.is_valid(inline(bytes(size)))]
        assert accepted == list(range(1, maximum + 1))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("=" * 13_981_020, "style_image.max_bytes"),  # the length of 10 MiB and 5 bytes, but invalid base64
        ("A" * 13_981_016 + "==", "style_image.base64"),  # an incomplete group adds no byte
        ("?" * 13_981_014 + "==", "style_image.base64"),
    ],
)
def test_size_is_looked_at_before_the_letters(text: str, rule: str) -> None:
    assert [violation.rule.id for violation in validate(good(style_image=text))] == [rule]
