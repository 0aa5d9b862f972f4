"""All faults, in the order of the checks that find them. Run as a program, it prints their descriptions."""

from __future__ import annotations

import json
import sys
from typing import Final

from tests.contracts.verify.faulty_servers import (
    accounts,
    authentication,
    callbacks,
    combinations,
    enums_and_urls,
    errors,
    forgotten_rules,
    image_sizes,
    life_cycle,
    limits,
    lists,
    refused_values,
    responses,
    result_images,
    results,
    server_errors,
    similar_ids,
    subject_images,
    timestamps,
)
from tests.contracts.verify.faulty_servers.base import Fault

_MODULES: Final = (
    server_errors,
    responses,
    errors,
    authentication,
    accounts,
    similar_ids,
    forgotten_rules,
    limits,
    enums_and_urls,
    subject_images,
    refused_values,
    life_cycle,
    timestamps,
    results,
    image_sizes,
    lists,
    result_images,
    callbacks,
    combinations,
)

FAULTS: Final[tuple[Fault, ...]] = tuple(fault for module in _MODULES for fault in module.group.faults)


def described() -> str:
    """The content of `checks/faults.json`: descriptions of the faults by the check that finds them."""
    found: dict[str, list[str]] = {}
    for fault in FAULTS:
        found.setdefault(fault.catches, []).append(fault.description)
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(described())
