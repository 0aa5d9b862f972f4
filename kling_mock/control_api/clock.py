"""The clock: read it, and steer it."""

from __future__ import annotations

from msgspec import UNSET

from kling_mock.control_api import models, parameters
from kling_mock.control_api.problems import Problem, converted_errors
from kling_mock.control_api.shown import show_event
from kling_mock.fake import Fake


def read_clock(fake: Fake) -> models.ClockReading:
    """Read the clock, with the next event by the plans of all tasks."""
    clock = fake.clock
    jumps = tuple([models.ClockJump(jump.at, jump.seconds) for jump in clock.jumps])
    return models.ClockReading(clock.now(), clock.speed, clock.speed == 0, jumps, show_event(fake.next_event))


def change_clock(fake: Fake, body: parameters.ClockChange) -> models.ClockReading:
    """Advance, freeze, resume or speed up the clock, or move it to the next event."""
    given = [name for name in body.__struct_fields__ if getattr(body, name) is not UNSET]
    if len(given) != 1:
        names = ", ".join(body.__struct_fields__)
        raise Problem(422, f"give exactly one of {names}; got {', '.join(given) or 'none'}", "")
    name, clock = given[0], fake.clock
    with converted_errors(f"/{name}"):
        match name:
            case "advance":
                clock.advance(body.advance or 0.0)
            case "freeze":
                clock.freeze()
            case "resume":
                clock.resume()
            case "speed":
                clock.speed = body.speed or 0.0
            case _:
                if fake.skip() is None:
                    raise Problem(
                        409, "skip: no event is known, since no task changes by time alone", "/skip"
                    )
    return read_clock(fake)
