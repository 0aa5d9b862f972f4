"""Every witness, in the order of what it spoils."""

from __future__ import annotations

from typing import Final

from kling_contracts.witnesses import (
    answering,
    calling,
    careless,
    careless_pictures,
    careless_words,
    drawing,
    erring,
    failing,
    imaging,
    keyed,
    lenient,
    listing,
    living,
    measuring,
    nearing,
    owning,
    stamping,
    strict,
)
from kling_contracts.witnesses.witness import Witness

_MODULES: Final = (
    failing,
    answering,
    erring,
    keyed,
    owning,
    nearing,
    lenient,
    careless,
    careless_words,
    careless_pictures,
    strict,
    living,
    stamping,
    imaging,
    measuring,
    listing,
    drawing,
    calling,
)

WITNESSES: Final[tuple[Witness, ...]] = tuple(
    witness for module in _MODULES for witness in module.group.witnesses
)
