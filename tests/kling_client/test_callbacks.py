"""Parsing the bodies of callbacks."""

from __future__ import annotations

import json

import pytest

from kling_client import (
    UnexpectedReply,
    parse_callback,
)
from kling_contracts.messages import TaskMessage
from tests.kling_client.conftest import task


def test_a_callback_is_a_bare_task() -> None:
    wire = task("succeed", urls=["https://h/0.png"], final_unit_deduction="16")
    message = parse_callback(json.dumps(wire))
    assert message == parse_callback(json.dumps(wire).encode()) == TaskMessage.from_wire(wire)


@pytest.mark.parametrize("body", [b"", b"\xff", "<html>", "[]", '{"code": 0, "data": {}}', b"[" * 100_000])
def test_what_is_no_callback_is_refused(body: bytes | str) -> None:
    with pytest.raises(UnexpectedReply):
        parse_callback(body)
