"""The vocabulary, typed by hand a second time: values, texts, sources, statuses."""

from __future__ import annotations

from importlib import import_module

from kling_contracts.vocabulary import RESULT_PIXELS, Fact, Origin, Source, TaskStatus


def test_figures_are_as_typed_here() -> None:
    """Every value of the vocabulary, under its name."""
    vocabulary = import_module("kling_contracts.vocabulary")
    facts = {name: each.value for name, each in vars(vocabulary).items() if isinstance(each, Fact)}
    assert {name: value for name, value in facts.items() if isinstance(value, int | float)} == {
        "SUBJECTS_MINIMUM": 2,
        "SUBJECTS_MINIMUM_KLING": 1,
        "SUBJECTS_MAXIMUM": 4,
        "PROMPT_MAXIMUM": 2500,
        "IMAGES_MINIMUM": 1,
        "IMAGES_MAXIMUM": 9,
        "DEFAULT_IMAGES": 1,
        "FIDELITY_MINIMUM": 0.0,
        "FIDELITY_MAXIMUM": 1.0,
        "PAGE_FIRST": 1,
        "PAGE_LAST": 1000,
        "PAGE_SIZE_MINIMUM": 1,
        "PAGE_SIZE_MAXIMUM": 500,
        "DEFAULT_PAGE_SIZE": 30,
        "INPUT_BYTES_MAXIMUM": 10_485_760,
        "INPUT_SIDE_MINIMUM": 300,
        "INPUT_RATIO_MAXIMUM": 2.5,
        "UNITS_PER_IMAGE": 16,
        "UNITS_PER_PLAIN_IMAGE": 8,
        "RETENTION_DAYS": 30,
        "BODY_MAXIMUM": 100_663_296,
    }
    assert {name: value for name, value in facts.items() if isinstance(value, str)} == {
        "DEFAULT_ASPECT_RATIO": "16:9",
        "WATERMARK": "watermark_info",
        "MODEL_V2": "kling-v2",
        "MODEL_V2_1": "kling-v2-1",
        "MODEL_V3": "kling-v3",
        "SUCCESS_MESSAGE": "SUCCEED",
        "PIXELS_INVALID": "Image pixel is invalid",
        "SHAPE_INVALID": "The resolution or aspect ratio of the input image is invalid. "
        "Please ensure it meets the required specifications.",
        "FILE_UNAVAILABLE": "Something went wrong when we tried to get the contents of the file.",
        "RISK_CONTROL": "Failure to pass the risk control system",
    }
    variables = {value for name, value in vars(vocabulary).items() if name.endswith("_VARIABLE")}
    assert variables == {
        *("COMETAPI_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_API_KEY", "KLING_BASE_URL"),
        *("KLING_SECOND_API_KEY", "KLING_MOCK_URL", "KLING_MOCK_TOKEN"),
    }
    assert vocabulary.SUCCESS_CODE == 0
    assert (vocabulary.KLING_IDS.epoch_ms, vocabulary.KLING_IDS.low_bits) == (1_568_028_518_780, 22)
    assert (vocabulary.COMET_IDS.epoch_ms, vocabulary.COMET_IDS.low_bits) == (1_288_834_974_657, 22)


def test_result_sizes_have_their_ratios_exactly() -> None:
    """Sides are multiples of eight, the area about a million pixels, and the ratio exact."""
    for ratio, (width, height) in RESULT_PIXELS.value.items():
        across, down = map(int, ratio.split(":"))
        assert width * down == height * across
        assert width % 8 == height % 8 == 0
    assert [width * height for width, height in RESULT_PIXELS.value.values()] == [
        *(921_600, 921_600, 1_048_576, 995_328, 995_328, 1_038_336, 1_038_336, 774_144),
    ]


def test_evidence_has_its_confidence() -> None:
    found = {origin.value: Source(origin, "x").confidence.value for origin in Origin}
    assert found == {
        "seed": "high",
        "official": "high",
        "captured": "high",
        "reseller": "medium",
        "standard": "high",
        "assumed": "low",
    }
    assert str(Source(Origin.SEED, "a page")) == "seed: a page"


def test_the_two_ends_are_final() -> None:
    assert {status.value: status.terminal for status in TaskStatus} == {
        "submitted": False,
        "processing": False,
        "succeed": True,
        "failed": True,
    }
