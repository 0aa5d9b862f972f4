"""The base class of exceptions that have an entry on the page Troubleshooting."""

from __future__ import annotations

import os
from typing import Final

_TEST: Final = "PYTEST_CURRENT_TEST"


def is_explained_here() -> bool:
    """Whether exceptions get notes: not during a test of pytest.

    `pytest.raises(match=...)` compares notes as well. The plugin adds them to the report of a failed test.
    """
    return _TEST not in os.environ


class ExplainedError(Exception):
    """An exception whose traceback ends with the line `help:` of its entry.

    The line is a note (PEP 678) and not part of the message. It is found when the traceback is formatted, so
    an exception that is handled has no cost.
    """

    _notes: list[str] | None = None

    @property
    def __notes__(self) -> list[str]:
        if self._notes is None:
            self._notes = []
        if not self._notes and is_explained_here():
            from kling_contracts.help_links import help_for

            self._notes += filter(None, [help_for(self)])
        return self._notes

    @__notes__.setter
    def __notes__(self, notes: list[str]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] -- both can be set
        self._notes = notes
