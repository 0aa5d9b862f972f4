"""Operations and gateways that exist only in the tests, modelled on other routes of the service.

They prove that supporting a route takes one declaration: all derived code must work for them unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kling_contracts.composite_fields import ListOf, Nested
from kling_contracts.constraints import ExactlyOne, RequiredWhen
from kling_contracts.fields import CallbackUrl, Choice, Flag, Integer, Number, Text
from kling_contracts.gateways import COMETAPI, KLING, Gateway, Route
from kling_contracts.image_fields import Picture
from kling_contracts.operations import Operation
from kling_contracts.rules import MODEL_UNKNOWN
from kling_contracts.vocabulary import COMET_IDS, Fact, Origin, ResultKind, Source

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


# Without `aspect_ratio`, `n` and `model_name`; with an alias of a required field.
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

_CAMERA: Final = Nested(
    name="config",
    doc="The movement.",
    source=TRIAL_SOURCE,
    fields=(
        Number(name="pan", doc="Up.", source=TRIAL_SOURCE, minimum=fact(-10), maximum=fact(10)),
        Number(
            name="zoom",
            doc="Closer.",
            source=TRIAL_SOURCE,
            aliases=("zoom_in",),
            minimum=fact(-10),
            maximum=fact(10),
            decimals=whole(1),
        ),
    ),
)

# Every kind of field except pictures; nested objects with aliases, defaults and required fields.
VIDEO: Final = Operation(
    name="trial-video",
    title="Trial: Text to Video",
    doc="Make a video from a prompt.",
    tail="videos/text2video",
    source=TRIAL_SOURCE,
    result=ResultKind.VIDEOS,
    fields=(
        Choice(
            name="model_name",
            doc="The model.",
            source=TRIAL_SOURCE,
            options=words("kling-v2-6", "kling-v3"),
            default="kling-v3",
            wording=MODEL_UNKNOWN,
        ),
        Text(name="prompt", doc="The scene.", source=TRIAL_SOURCE, required=True, maximum=whole(500)),
        Choice(name="mode", doc="The mode.", source=TRIAL_SOURCE, options=words("std", "pro"), default="std"),
        Number(
            name="cfg_scale",
            doc="How closely the prompt is followed.",
            source=TRIAL_SOURCE,
            minimum=fact(0),
            maximum=fact(1),
            decimals=whole(2),
        ),
        Flag(name="sound", doc="Whether the video has sound.", source=TRIAL_SOURCE, default=False),
        Choice(
            name="duration",
            doc="In seconds.",
            source=TRIAL_SOURCE,
            aliases=("seconds",),
            options=words("5", "10"),
        ),
        Nested(
            name="camera_control",
            doc="How the camera moves.",
            source=TRIAL_SOURCE,
            aliases=("camera",),
            fields=(
                Choice(
                    name="type",
                    doc="The kind of movement.",
                    source=TRIAL_SOURCE,
                    options=words("simple", "down_back"),
                    default="simple",
                ),
                _CAMERA,
            ),
        ),
        ListOf(
            name="multi_prompt",
            doc="The shots.",
            source=TRIAL_SOURCE,
            minimum=whole(1),
            maximum=whole(6),
            item=Nested(
                name="shot",
                doc="A shot.",
                source=TRIAL_SOURCE,
                fields=(
                    Text(
                        name="prompt", doc="The shot.", source=TRIAL_SOURCE, required=True, maximum=whole(64)
                    ),
                    Integer(
                        name="duration",
                        doc="In seconds.",
                        source=TRIAL_SOURCE,
                        minimum=whole(1),
                        maximum=whole(5),
                        default=1,
                    ),
                ),
            ),
        ),
        CALLBACK,
        EXTERNAL_ID,
    ),
    constraints=(
        RequiredWhen(field="duration", when="multi_prompt", source=TRIAL_SOURCE),
        RequiredWhen(field="cfg_scale", when="sound", values=(True,), source=TRIAL_SOURCE),
    ),
)

# Pictures in a list and in objects of a list; a condition on a default, and one under an alias.
SERIES: Final = Operation(
    name="trial-series",
    title="Trial: Series of Images",
    doc="Make a series of pictures.",
    tail="images/omni-image",
    source=TRIAL_SOURCE,
    result=ResultKind.SERIES_IMAGES,
    fields=(
        Text(name="prompt", doc="What to draw.", source=TRIAL_SOURCE, required=True, maximum=whole(2500)),
        ListOf(
            name="image_list",
            doc="Pictures to draw from.",
            source=TRIAL_SOURCE,
            minimum=whole(0),
            maximum=whole(3),
            item=Nested(
                name="entry",
                doc="A picture and its part in the new ones.",
                source=TRIAL_SOURCE,
                fields=(
                    Picture(
                        name="image",
                        doc="The picture.",
                        source=TRIAL_SOURCE,
                        aliases=("image_url",),
                        required=True,
                    ),
                    Choice(
                        name="type", doc="Its part.", source=TRIAL_SOURCE, options=words("subject", "scene")
                    ),
                ),
            ),
        ),
        ListOf(
            name="mask_list",
            doc="Masks.",
            source=TRIAL_SOURCE,
            minimum=whole(2),
            maximum=whole(3),
            item=Picture(name="mask", doc="A mask.", source=TRIAL_SOURCE),
        ),
        Integer(
            name="n",
            doc="How many pictures.",
            source=TRIAL_SOURCE,
            minimum=whole(1),
            maximum=whole(9),
            default=1,
        ),
        Choice(
            name="result_type",
            doc="Whether the pictures belong together.",
            source=TRIAL_SOURCE,
            aliases=("result",),
            options=words("series", "single"),
            default="series",
        ),
        Integer(
            name="series_amount",
            doc="How many pictures the series has.",
            source=TRIAL_SOURCE,
            minimum=whole(2),
            maximum=whole(9),
        ),
        CALLBACK,
    ),
    constraints=(
        RequiredWhen(field="series_amount", when="result_type", values=("series",), source=TRIAL_SOURCE),
    ),
)

# Exactly one of three sources; no field is required.
SOUND: Final = Operation(
    name="trial-sound",
    title="Trial: Video to Audio",
    doc="Make a sound for a video.",
    tail="audio/video-to-audio",
    source=TRIAL_SOURCE,
    result=ResultKind.AUDIOS,
    fields=(
        Text(name="video_id", doc="A video of the service.", source=TRIAL_SOURCE, maximum=whole(64)),
        CallbackUrl(name="video_url", doc="Any video.", source=TRIAL_SOURCE, aliases=("video",)),
        Picture(name="image", doc="A picture instead.", source=TRIAL_SOURCE),
        Flag(name="asmr_mode", doc="Whether every sound is close.", source=TRIAL_SOURCE),
        CALLBACK,
    ),
    constraints=(ExactlyOne(names=("video_id", "video_url", "image"), source=TRIAL_SOURCE),),
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
        Choice(
            name="voice_language",
            doc="The language of the voice.",
            source=TRIAL_SOURCE,
            required=True,
            options=words("zh", "en"),
        ),
        Number(
            name="voice_speed",
            doc="The speed.",
            source=TRIAL_SOURCE,
            minimum=fact(0.8),
            maximum=fact(2),
            decimals=whole(1),
            clamp=True,
            default=1.0,
        ),
    ),
)

TRIAL_OPERATIONS: Final = (EXPAND, VIDEO, SERIES, SOUND, SPEECH)

# Error shapes and prefix of CometAPI, with other hosts.
TRIAL: Final[Gateway] = replace(
    COMETAPI,
    name="trial",
    title="Trial",
    hosts=("api.trial.test",),
    routes=tuple(Route(each.tail, (each,), TRIAL_SOURCE) for each in TRIAL_OPERATIONS),
)

# Lists, external ids and tokens of Kling, with another prefix; two operations share a path.
TRIAL_KLING: Final[Gateway] = replace(
    KLING,
    name="trial-kling",
    title="Trial Kling",
    hosts=("api-kling.trial.test",),
    routes=(
        Route("videos/text2video", (VIDEO, replace(SERIES, selector="image_list")), TRIAL_SOURCE),
        Route("audio/tts", (SPEECH,), TRIAL_SOURCE, optional=(SOUND,)),
    ),
)
