"""Image generation from a prompt and at most one reference picture.

On Kling it is the operation of `images/generations`. On CometAPI it shares that path with Multi-Image to
Image and is off by default (setting `operations`).
"""

from __future__ import annotations

from typing import Final

from kling_contracts.fields import Choice, Number, Text
from kling_contracts.image_fields import Picture
from kling_contracts.operations.base import Operation
from kling_contracts.operations.multi_image import MULTI_IMAGE
from kling_contracts.rules import MODEL_UNKNOWN
from kling_contracts.vocabulary import (
    FIDELITY_MAXIMUM,
    FIDELITY_MINIMUM,
    IMAGE_REFERENCES,
    KLING_GENERATION,
    MODEL_V3,
    MODELS_PLAIN,
    PROMPT_MAXIMUM,
    RESOLUTIONS,
    UNITS_PER_PLAIN_IMAGE,
    Fact,
)

_LONGEST: Final = Fact(PROMPT_MAXIMUM.value, KLING_GENERATION)

TEXT_TO_IMAGE: Final = Operation(
    name="text-to-image",
    title="Image Generation",
    doc="Generate pictures from a prompt and at most one reference picture.",
    tail="images/generations",
    source=KLING_GENERATION,
    units_per_image=UNITS_PER_PLAIN_IMAGE,
    fields=(
        Choice(
            name="model_name",
            doc="The model.",
            source=KLING_GENERATION,
            options=MODELS_PLAIN,
            default=MODEL_V3.value,
            wording=MODEL_UNKNOWN,
        ),
        Text(
            name="prompt",
            doc="Description of the pictures. The limit is in Unicode code points; nothing is stripped.",
            source=KLING_GENERATION,
            required=True,
            maximum=_LONGEST,
        ),
        Text(
            name="negative_prompt",
            doc="Description of things to avoid in the pictures.",
            source=KLING_GENERATION,
            maximum=_LONGEST,
        ),
        Picture(name="image", doc="A reference picture.", source=KLING_GENERATION),
        Choice(
            name="image_reference",
            doc="The part of the reference picture to use: the subject or the face.",
            source=KLING_GENERATION,
            options=IMAGE_REFERENCES,
        ),
        Number(
            name="image_fidelity",
            doc="How closely the result follows the reference picture.",
            source=KLING_GENERATION,
            minimum=FIDELITY_MINIMUM,
            maximum=FIDELITY_MAXIMUM,
        ),
        Number(
            name="human_fidelity",
            doc="How closely the result follows a face in the reference picture.",
            source=KLING_GENERATION,
            minimum=FIDELITY_MINIMUM,
            maximum=FIDELITY_MAXIMUM,
        ),
        Choice(
            name="resolution",
            doc="The size class of the pictures.",
            source=KLING_GENERATION,
            options=RESOLUTIONS,
        ),
        *(MULTI_IMAGE.field(name) for name in ("n", "aspect_ratio", "callback_url", "external_task_id")),
    ),
)
