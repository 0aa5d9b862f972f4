"""Multi-Image to Image on both gateways: two to four subject pictures, or one to four."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, cast

from kling_contracts.composite_fields import AnyField
from kling_contracts.fields import CallbackUrl, Choice, Integer, Text
from kling_contracts.image_fields import Picture, PictureList
from kling_contracts.operations.base import Operation
from kling_contracts.rules import MODEL_UNKNOWN
from kling_contracts.vocabulary import (
    ASPECT_RATIOS,
    DEFAULT_ASPECT_RATIO,
    DEFAULT_IMAGES,
    IMAGES_MAXIMUM,
    IMAGES_MINIMUM,
    KLING_PAGE,
    MODEL_V2,
    MODEL_V2_1,
    PROMPT_MAXIMUM,
    SEED,
    SUBJECTS_MAXIMUM,
    SUBJECTS_MINIMUM,
    SUBJECTS_MINIMUM_KLING,
    Fact,
)

_SUBJECT: Final = Picture(
    name="subject_image",
    doc="A subject: an http(s) URL, or raw base64 without a `data:` prefix. PNG or JPEG.",
    source=SEED,
    required=True,
)

MULTI_IMAGE: Final = Operation(
    name="multi-image",
    title="Multi-Image to Image",
    doc="Generate pictures from two to four subject pictures, a prompt, a scene and a style.",
    tail="images/generations",
    source=SEED,
    selector="subject_image_list",
    fields=(
        PictureList(
            name="subject_image_list",
            doc="The subject pictures. Equal pictures count separately.",
            source=SEED,
            required=True,
            item=_SUBJECT,
            minimum=SUBJECTS_MINIMUM,
            maximum=SUBJECTS_MAXIMUM,
        ),
        Choice(
            name="model_name",
            doc="The model.",
            source=SEED,
            options=Fact((MODEL_V2.value,), SEED),
            default=MODEL_V2.value,
            wording=MODEL_UNKNOWN,
        ),
        Text(
            name="prompt",
            doc="What to draw. Counted in Unicode code points; nothing is stripped.",
            source=SEED,
            maximum=PROMPT_MAXIMUM,
        ),
        Picture(
            name="scence_image",  # spelled so by the page this project implements
            doc="A scene picture. The spelling is the service's; `scene_image` is taken as well.",
            source=SEED,
            aliases=("scene_image",),
        ),
        Picture(name="style_image", doc="A style picture.", source=SEED),
        Integer(
            name="n",
            doc="How many pictures to draw.",
            source=SEED,
            minimum=IMAGES_MINIMUM,
            maximum=IMAGES_MAXIMUM,
            default=DEFAULT_IMAGES.value,
        ),
        Choice(
            name="aspect_ratio",
            doc="Width to height of the pictures drawn.",
            source=SEED,
            options=ASPECT_RATIOS,
            default=DEFAULT_ASPECT_RATIO.value,
        ),
        CallbackUrl(
            name="callback_url",
            doc="Where the service posts the task whenever its status changes.",
            source=SEED,
        ),
        Text(
            name="external_task_id",
            doc="An id of the caller's own, unique within the account.",
            source=SEED,
        ),
    ),
)


def _with(operation: Operation, **fields: AnyField) -> tuple[AnyField, ...]:
    return tuple(fields.get(field.name, field) for field in operation.fields)


MULTI_IMAGE2IMAGE: Final = replace(
    MULTI_IMAGE,
    name="multi-image2image",
    doc="Generate pictures from one to four subject pictures, a prompt, a scene and a style.",
    tail="images/multi-image2image",
    selector=None,
    fields=_with(
        MULTI_IMAGE,
        subject_image_list=replace(
            cast("PictureList", MULTI_IMAGE.field("subject_image_list")), minimum=SUBJECTS_MINIMUM_KLING
        ),
        # Kling spells it rightly, and knows nothing of the other spelling: taken as an alias, for our users.
        scence_image=replace(
            cast("Picture", MULTI_IMAGE.field("scence_image")),
            name="scene_image",
            aliases=("scence_image",),
            doc="A scene picture. CometAPI's spelling `scence_image` is taken as well.",
            source=KLING_PAGE,
        ),
        model_name=replace(
            cast("Choice", MULTI_IMAGE.field("model_name")),
            options=Fact((MODEL_V2.value, MODEL_V2_1.value), MODEL_V2_1.source),
        ),
    ),
)
