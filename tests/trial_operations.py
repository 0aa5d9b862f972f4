"""Operations that exist in the tests only, modelled on sibling routes of the service, and gateways with them.

They prove that a sibling route is one declaration: everything derived has to work for them as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from contracts.fields import CallbackUrl, Choice, Integer, Number, Text
from contracts.gateways import COMETAPI, Gateway, Route
from contracts.operations import Operation
from contracts.picture_fields import Picture
from contracts.vocabulary import COMET_IDS, Fact, Origin, ResultKind, Source

TRIAL_SOURCE: Final = Source(Origin.ASSUMED, "a trial declaration of the tests")


def fact(value: float) -> Fact[float]:
    return Fact(float(value), TRIAL_SOURCE)


def whole(value: int) -> Fact[int]:
    return Fact(value, TRIAL_SOURCE)


def words(*options: str) -> Fact[tuple[str, ...]]:
    return Fact(options, TRIAL_SOURCE)


CALLBACK: Final = CallbackUrl(name="callback_url", doc="Where changes are posted.", source=TRIAL_SOURCE)
EXTERNAL_ID: Final = Text(name="external_task_id", doc="An id of the caller's own.", source=TRIAL_SOURCE)


def _ratio(name: str, *, required: bool = False, aliases: tuple[str, ...] = ()) -> Number:
    return Number(
        name=name,
        doc="How far the picture is expanded on this side, relative to its size.",
        source=TRIAL_SOURCE,
        required=required,
        aliases=aliases,
        minimum=fact(0),
        maximum=fact(2),
    )


# No `aspect_ratio`, no `n`, no `model_name`; an alias of a required field.
EXPAND: Final = Operation(
    name="trial-expand",
    title="Trial: Image Expansion",
    doc="Expand a picture beyond its sides.",
    tail="images/editing/expand",
    source=TRIAL_SOURCE,
    fields=(
        Picture(name="image", doc="The picture.", source=TRIAL_SOURCE, required=True),
        _ratio("up_expansion_ratio", required=True),
        _ratio("down_expansion_ratio", required=True, aliases=("bottom_expansion_ratio",)),
        _ratio("left_expansion_ratio"),
        _ratio("right_expansion_ratio"),
        Text(name="prompt", doc="What to draw.", source=TRIAL_SOURCE, maximum=whole(2500)),
        CALLBACK,
        EXTERNAL_ID,
    ),
)

VIDEO: Final = Operation(
    name="trial-video",
    title="Trial: Text to Video",
    doc="Make a video from a prompt.",
    tail="videos/text2video",
    source=TRIAL_SOURCE,
    result=ResultKind.VIDEOS,
    fields=(
        Text(name="prompt", doc="The scene.", source=TRIAL_SOURCE, required=True, maximum=whole(500)),
        Choice(name="mode", doc="The mode.", source=TRIAL_SOURCE, options=words("std", "pro"), default="std"),
        CALLBACK,
        EXTERNAL_ID,
    ),
)

SERIES: Final = Operation(
    name="trial-series",
    title="Trial: Series of Images",
    doc="Make a series of pictures.",
    tail="images/omni-image",
    source=TRIAL_SOURCE,
    result=ResultKind.SERIES_IMAGES,
    fields=(
        Text(name="prompt", doc="What to draw.", source=TRIAL_SOURCE, required=True, maximum=whole(2500)),
        Integer(
            name="n",
            doc="How many pictures.",
            source=TRIAL_SOURCE,
            minimum=whole(1),
            maximum=whole(9),
            default=1,
        ),
        CALLBACK,
    ),
)

SPEECH: Final = Operation(
    name="trial-speech",
    title="Trial: Text to Speech",
    doc="Speak a text.",
    tail="audio/tts",
    source=TRIAL_SOURCE,
    result=ResultKind.AUDIOS,
    ids=COMET_IDS,
    success_word=Fact("success", TRIAL_SOURCE),
    synchronous=True,
    fields=(
        Text(name="text", doc="The text.", source=TRIAL_SOURCE, required=True, maximum=whole(1000)),
        Text(name="voice_id", doc="The voice.", source=TRIAL_SOURCE, required=True),
    ),
)

TRIAL_OPERATIONS: Final = (EXPAND, VIDEO, SERIES, SPEECH)

# Declared like CometAPI: its error shapes and its prefix, with hosts of its own.
TRIAL: Final[Gateway] = replace(
    COMETAPI,
    name="trial",
    title="Trial",
    hosts=("api.trial.test",),
    routes=tuple(Route(each.tail, (each,), TRIAL_SOURCE) for each in TRIAL_OPERATIONS),
)
