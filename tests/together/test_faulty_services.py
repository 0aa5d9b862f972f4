"""Counterexample to the agreement of client and service: a service without a rule disagrees."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from kling_client import ApiError, Client
from kling_client import InvalidRequest as RefusedLocally
from kling_contracts.strategies import invalid_requests
from kling_mock import Fake
from tests.profiles import CI


def agree(fake: Fake, client: Client, body: Any) -> bool:
    """Whether client and service both refuse a body."""
    before = len(fake.tasks)
    for check in (True, False):
        try:
            client.generate([], extra=body, check=check)
        except (ApiError, RefusedLocally):
            continue
        return False
    return len(fake.tasks) == before


@pytest.mark.parametrize(
    "rule",
    [
        "prompt.max_length",
        "subject_image_list.max_items",
        "subject_image_list.min_items",
        "aspect_ratio.enum",
        "model_name.enum",
        "callback_url.url",
    ],
)
def test_a_service_that_lacks_a_rule_is_found(rule: str) -> None:
    """A service that does not enforce one rule disagrees with the client; a complete one agrees."""
    for ignore, found in (([rule], True), ([], False)):
        fake = Fake(ignore=ignore)
        with httpx.Client(transport=fake.transport()) as http:
            client = Client("sk-any", base_url="https://api.cometapi.com", http_client=http)
            assert disagreement(fake, client, rule) is found


def disagreement(fake: Fake, client: Client, rule: str) -> bool:
    """Whether client and service disagree about one of twenty requests that break the rule."""
    try:
        find(
            invalid_requests(rules=[rule]),
            lambda request: not agree(fake, client, request.body),
            settings=settings(
                CI,
                max_examples=20,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
    except NoSuchExample:
        return False
    return True
