"""The clock of a server. It is shared by all accounts of the server."""

from __future__ import annotations

from collections.abc import Sequence

from kling_mock.control_api import models, parameters
from kling_mock.records import Jump
from kling_mock.remote.connection import ControlConnection


class RemoteClock:
    """The methods of `Clock`, for the clock of a server."""

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection

    def show(self) -> models.ClockReading:
        """All that the server shows of its clock."""
        return self._connection.call("GET", "clock", models.ClockReading)

    def now(self) -> float:
        """The present, in Unix seconds."""
        return self.show().now

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Move forward at once."""
        ahead = float(seconds + 60 * minutes + 3600 * hours + 86_400 * days)
        self.change(parameters.ClockChange(advance=ahead))

    def freeze(self) -> None:
        """Stand still until `resume()` or `advance()`; advancing leaves the clock frozen."""
        self.change(parameters.ClockChange(freeze=True))

    def resume(self) -> None:
        """Run at the pace of system time again."""
        self.change(parameters.ClockChange(resume=True))

    @property
    def speed(self) -> float:
        """Seconds of this clock per second of system time."""
        return self.show().speed

    @speed.setter
    def speed(self, value: float) -> None:
        self.change(parameters.ClockChange(speed=float(value)))

    @property
    def jumps(self) -> Sequence[Jump]:
        """How it was advanced so far, oldest first."""
        return tuple([Jump(each.at, each.seconds) for each in self.show().jumps])

    def change(self, change: parameters.ClockChange) -> None:
        """Make one change."""
        self._connection.call("POST", "clock", models.ClockReading, body=change)

    def __repr__(self) -> str:
        shown = self.show()
        return f"<RemoteClock now={shown.now:.3f} speed={shown.speed:g}>"
