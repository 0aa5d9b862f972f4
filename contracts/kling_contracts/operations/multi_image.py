"""Multi-Image to Image: two to four subject pictures on CometAPI, one to four on Kling."""

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
            doc="Description of the pictures. The limit is in Unicode code points; nothing is stripped.",
            source=SEED,
            maximum=PROMPT_MAXIMUM,
        ),
        Picture(
            name="scence_image",  # the spelling of CometAPI's page
            doc="A scene picture. The spelling is the service's; `scene_image` is accepted as well.",
            source=SEED,
            aliases=("scene_image",),
        ),
        Picture(name="style_image", doc="A style picture.", source=SEED),
        Integer(
            name="n",
            doc="The number of pictures.",
            source=SEED,
            minimum=IMAGES_MINIMUM,
            maximum=IMAGES_MAXIMUM,
            default=DEFAULT_IMAGES.value,
        ),
        Choice(
            name="aspect_ratio",
            doc="The width of the pictures to their height.",
            source=SEED,
            options=ASPECT_RATIOS,
            default=DEFAULT_ASPECT_RATIO.value,
        ),
        CallbackUrl(
            name="callback_url",
            doc="The URL to which the service posts the task on every change of its status.",
            source=SEED,
        ),
        Text(
            name="external_task_id",
            doc="The caller's own id of the task, unique within the account.",
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
        # Kling's pages have only this spelling; the alias serves code that is written for CometAPI.
        scence_image=replace(
            cast("Picture", MULTI_IMAGE.field("scence_image")),
            name="scene_image",
            aliases=("scence_image",),
            doc="A scene picture. CometAPI's spelling `scence_image` is accepted as well.",
            source=KLING_PAGE,
        ),
        model_name=replace(
            cast("Choice", MULTI_IMAGE.field("model_name")),
            options=Fact((MODEL_V2.value, MODEL_V2_1.value), MODEL_V2_1.source),
        ),
    ),
)
