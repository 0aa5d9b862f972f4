"""A sample of requests of every class, shared by the tests that judge validators with it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.strategies import (
    BoundaryRequest,
    FailingRequest,
    InvalidRequest,
    boundary_classes,
    failing_classes,
    invalid_classes,
)

Tagged = BoundaryRequest | InvalidRequest | FailingRequest
REPEATABLE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # the machine may be busy
)


@pytest.fixture(scope="session")
def sample() -> list[Tagged]:
    """Requests of every class, drawn once; those of megabytes are few, and the last."""
    found: list[Tagged] = []

    def draw(classes: list[st.SearchStrategy[Tagged]], examples: int) -> None:
        @settings(REPEATABLE, max_examples=examples)
        @given(st.tuples(*classes))
        def collect(cases: tuple[Tagged, ...]) -> None:
            found.extend(cases)

        collect()

    bulky: list[st.SearchStrategy[Tagged]] = []
    for classes in (boundary_classes(), invalid_classes(), failing_classes()):
        small = [each for label, each in classes.items() if "max_bytes" not in label]
        for start in range(0, len(small), 10):
            draw(list(small[start : start + 10]), 6)
        bulky += [each for label, each in classes.items() if "max_bytes" in label]
    draw(bulky, 2)
    return found
