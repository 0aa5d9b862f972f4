"""The operations as tables: which fields a body has. A sibling route is one more table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, assert_never, cast

from kling_contracts.composite_fields import AnyField, read_field
from kling_contracts.constraints import Constraint, ExactlyOne, RequiredWhen
from kling_contracts.fields import CallbackUrl, Choice, Integer, Text
from kling_contracts.picture_fields import Picture, PictureList
from kling_contracts.rules import BODY_UNICODE, MODEL_UNKNOWN, WRONG_TYPE, Reading, Rule, Violation
from kling_contracts.vocabulary import (
    ASPECT_RATIOS,
    DEFAULT_ASPECT_RATIO,
    DEFAULT_IMAGES,
    IMAGES_MAXIMUM,
    IMAGES_MINIMUM,
    KLING_IDS,
    KLING_PAGE,
    MODEL_V2,
    MODEL_V2_1,
    PROMPT_MAXIMUM,
    SEED,
    SUBJECTS_MAXIMUM,
    SUBJECTS_MINIMUM,
    SUBJECTS_MINIMUM_KLING,
    SUCCESS_MESSAGE,
    UNITS_PER_IMAGE,
    Fact,
    IdStyle,
    ResultKind,
    Source,
)

BODY_TYPE: Final = Rule(
    id="body.type",
    sentence="the request body is a JSON object",
    source=SEED,
    wording=WRONG_TYPE,
    limit="object",
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One kind of task: the fields of its request, and how its task and results appear on the wire.

    `tail` is the official last part of its path; a gateway may offer it elsewhere too. `selector` names
    the body key whose presence picks this operation where several share a path. `result` is the key of
    `task_result` that holds the results, `ids` the style of its task ids, `success_word` the `message` of a
    successful reply. The create reply of a `synchronous` operation shows the ended task with its results.
    `constraints` are about several fields at once; those fields are optional, and at the top level.
    """

    name: str
    title: str
    doc: str
    tail: str
    fields: tuple[AnyField, ...]
    source: Source
    constraints: tuple[Constraint, ...] = ()
    selector: str | None = None
    units_per_image: Fact[int] = UNITS_PER_IMAGE
    result: ResultKind = ResultKind.IMAGES
    ids: IdStyle = KLING_IDS
    success_word: Fact[str] = SUCCESS_MESSAGE
    synchronous: bool = False

    @cached_property
    def keys(self) -> frozenset[str]:
        """Every key of the body that means something."""
        return frozenset(key for field in self.fields for key in field.names)

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """Every rule by its id, in order of declaration."""
        of_fields = (rule for field in self.fields for rule in field.rules)
        of_several = (constraint.rule for constraint in self.constraints)
        return {rule.id: rule for rule in (BODY_TYPE, *of_fields, *of_several, BODY_UNICODE)}

    @cached_property
    def defaults(self) -> Mapping[str, object]:
        """What the service takes for fields that were not given."""
        return {field.name: field.default for field in self.fields if field.default is not None}

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """The fields that hold values other than pictures, in order of declaration."""
        return tuple(field.name for field in self.fields if not isinstance(field, Picture | PictureList))

    def field(self, name: str) -> AnyField:
        return next(field for field in self.fields if field.name == name)

    def read(self, body: object, *, null_is_absent: bool = True) -> Reading:
        """Read a decoded JSON body: normalised values, pictures, all violations, notes. Pure."""
        reading = Reading(null_is_absent=null_is_absent)
        if not isinstance(body, dict):
            reading.violate(BODY_TYPE, "request body", body)
            return reading
        given = cast("dict[str, object]", body)
        for field in self.fields:
            if field.name in given or field.required or field.aliases:
                read_field(field, given, reading, reading.values)
        if self.constraints:
            names = self.given(given, null_is_absent=null_is_absent)
            for constraint in self.constraints:
                constraint.check(names, reading, self.defaults)
        if not given.keys() <= self.keys:
            self._read_unknown(given, reading)
        if reading.ignored:
            reading.finish()
        return reading

    def _read_unknown(self, given: Mapping[str, object], reading: Reading) -> None:
        for key, value in given.items():
            if key not in self.keys:
                path = ascii(key[:60])
                reading.ignore(path, key, value, f"unknown field ignored: {path}")

    def given(self, body: Mapping[str, object], *, null_is_absent: bool = True) -> frozenset[str]:
        """The declared names of the fields that have a value in the body, under any of their names."""
        absent = Reading(null_is_absent=null_is_absent).absent
        return frozenset(
            field.name
            for field in self.fields
            if any(name in body and not absent(body[name]) for name in field.names)
        )

    def completed(
        self, body: Mapping[str, object], value_of: Callable[[AnyField], object], keep: str = ""
    ) -> dict[str, object]:
        """A body under declared names, changed until it satisfies the constraints.

        `value_of` gives the values of added fields. Where constraints exclude fields, `keep` stays if it is
        one of them, else the first one given.
        """
        whole = dict(body)
        for constraint in self.constraints:
            given = self.given(whole)
            match constraint:
                case ExactlyOne(names=names):
                    kept = (
                        keep if keep in names else next((name for name in names if name in given), names[0])
                    )
                    if kept not in whole:
                        whole[kept] = value_of(self.field(kept))
                    for name in set(names) - {kept}:
                        whole.pop(name, None)
                case RequiredWhen(field=name):
                    values = self.read(whole).values
                    if name not in given and constraint.applies(given, values, self.defaults):
                        whole[name] = value_of(self.field(name))
                case _:
                    assert_never(constraint)
        return whole


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

OPERATIONS: Final = (MULTI_IMAGE, MULTI_IMAGE2IMAGE)


def validate(
    body: object, operation: Operation = MULTI_IMAGE, *, null_is_absent: bool = True
) -> tuple[Violation, ...]:
    """All violations of a decoded JSON body, in order of declaration; empty when it is valid.

    Pure; never raises, whatever the body. Shapes and limits are the page's (seed), the wordings mostly
    captured; each violation's rule names its own source.
    """
    return tuple(operation.read(body, null_is_absent=null_is_absent).violations)
