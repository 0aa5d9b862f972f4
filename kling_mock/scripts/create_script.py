"""Scripts of creates: the methods with which a test sets the outcome of the next or of matching ones."""

from __future__ import annotations

from typing import Self

from kling_contracts.gateways import ErrorShape, Refusal
from kling_mock.argument_checks import check_text
from kling_mock.faults import KINDS, Fault
from kling_mock.outcomes import Fails, LongId, Misbehaves, Progresses, Refuses, Succeeds
from kling_mock.plan import Pace
from kling_mock.scripts.given_replies import error_row
from kling_mock.scripts.request_script import RequestScript
from kling_mock.scripts.rule_builder import script_method
from kling_mock.scripts.task_faults import TaskFaults


class Script(RequestScript, TaskFaults):
    """A scripted rule under construction. Each method changes the rule and returns the script, for chaining.

    >>> from kling_mock import Fake, Pace
    >>> fake = Fake()
    >>> fake.next.fails("Image pixel is invalid").pace(Pace.polls(4))
    <Script #0: next create fails 'Image pixel is invalid', pace polls:4, once>
    >>> fake.when(prompt="*cat*").refuses(1303).times(2)
    <Script #1: every create with prompt='*cat*' is refused with 1303, 2 times>

    The rule takes effect with its first outcome. An outcome that contradicts an earlier one raises
    ValueError; after any error in one of its methods the script has no effect. A refused create does not use
    up a `next` rule, except the one that refuses it.
    """

    @script_method
    def succeeds(self) -> Script:
        """The task ends `succeed`, even if its pictures would make it fail."""
        return self._add(Succeeds())

    @script_method
    def fails(self, message: str | int) -> Script:
        """The task ends `failed`, with `message` as its `task_status_msg`.

        A number is a code of Kling's error table, as for `refuses`, and stands for the text of that code.
        """
        text = error_row(message).wording if isinstance(message, int) else message
        return self._add(Fails(check_text("message", text)))

    @script_method
    def refuses(self, code: int, message: str | None = None) -> Script:
        """The create is refused; nothing is created.

        `code` is a code of Kling's error table, or an HTTP status of the table: 400 stands for 1201, 401 for
        1000, 403 for 1103, 404 for 1203, 429 for 1302, 500 for 5000, 503 for 5001, 504 for 5002. Raises
        ValueError for another number.
        """
        row = error_row(code)
        if message is not None:
            check_text("message", message)
        text = (message or row.wording).replace("{", "{{").replace("}", "}}")
        return self._add(Refuses(Refusal(row.status, ErrorShape.KLING, row.code, text, row.source)))

    @script_method
    def pace(self, pace: Pace | str) -> Script:
        """The task progresses at this pace instead of that of the setting `pace`."""
        chosen = Pace.parse(pace) if isinstance(pace, str) else pace
        if not isinstance(chosen, Pace):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass anything
            raise TypeError(f"pace must be a Pace such as Pace.polls(3) or its text 'polls:3', not {pace!r}")
        return self._add(Progresses(chosen))

    @script_method
    def holds(self, at: str = "processing") -> Script:
        """The task stays `submitted` or `processing` until the test ends it."""
        return self._add(Progresses(Pace.held(at)))

    @script_method
    def long_id(self) -> Script:
        """The id of the task has 19 digits, more than a signed 64-bit integer can hold."""
        return self._add(LongId())

    def _add_fault(self, fault: Fault) -> Self:
        return self._add(Misbehaves(fault))


for _name in KINDS:  # the methods of faults have the names of the kinds
    setattr(Script, _name, script_method(getattr(TaskFaults, _name)))
