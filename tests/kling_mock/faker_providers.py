"""Providers for Faker with a seed, and the operations whose requests and tasks they make."""

from __future__ import annotations

import pytest
from faker import Faker

from kling_contracts import MULTI_IMAGE, MULTI_IMAGE2IMAGE
from kling_contracts.operations import TEXT_TO_IMAGE
from kling_mock.faker import KlingProvider
from tests.trial_operations import TRIAL_OPERATIONS

EVERY = (MULTI_IMAGE, MULTI_IMAGE2IMAGE, TEXT_TO_IMAGE, *TRIAL_OPERATIONS)
operations = pytest.mark.parametrize("operation", EVERY, ids=lambda it: it.name)


def provider(seed: int) -> KlingProvider:
    """A provider with its own generator, so that parallel tests cannot change its seed."""
    generator = Faker()
    generator.seed_instance(seed)
    return KlingProvider(generator)
