"""The constants of the API with their sources: statuses, ratios, limits, models, error codes.

Every value is declared here once. A `Fact` pairs it with its `Source`, so that documents, error headers and
reports can state whether a rule is published, captured from the live service, or assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Generic, NamedTuple, Self, TypeVar

T = TypeVar("T")


class Origin(StrEnum):
    """The kind of evidence for a fact."""

    SEED = "seed"  # CometAPI's page of the endpoint, the document this project implements
    OFFICIAL = "official"  # Kling's own documentation
    RESELLER = "reseller"  # documentation of CometAPI (other pages) or of another reseller
    CAPTURED = "captured"  # seen in a published response of the live service
    STANDARD = "standard"  # a standard of the web (HTTP, URLs, CORS), or a rule of safety
    ASSUMED = "assumed"  # not documented or captured; this project's choice


class Confidence(StrEnum):
    """How likely it is that the live service agrees with a fact."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


_CONFIDENCE: Final = {
    Origin.SEED: Confidence.HIGH,
    Origin.OFFICIAL: Confidence.HIGH,
    Origin.CAPTURED: Confidence.HIGH,
    Origin.STANDARD: Confidence.HIGH,
    Origin.RESELLER: Confidence.MEDIUM,
    Origin.ASSUMED: Confidence.LOW,
}


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a fact: the kind of evidence and the title of the document."""

    origin: Origin
    reference: str

    @property
    def confidence(self) -> Confidence:
        """The confidence in a fact of this origin."""
        return _CONFIDENCE[self.origin]

    @property
    def assumed(self) -> bool:
        """Whether no source settles it; such a rule does not decide the verdict on a server."""
        return self.origin is Origin.ASSUMED

    def __str__(self) -> str:
        return f"{self.origin}: {self.reference}"


class Fact(NamedTuple, Generic[T]):
    """A value of the contract together with its source."""

    value: T
    source: Source


SEED: Final = Source(Origin.SEED, "CometAPI, Multi-Image to Image")
COMET_QUERY: Final = Source(Origin.RESELLER, "CometAPI, Individual Queries")
COMET_ERRORS: Final = Source(Origin.RESELLER, "CometAPI, error pages")
COMET_LATER: Final = Source(Origin.RESELLER, "CometAPI, later page of Multi-Image to Image")
COMET_LIVE: Final = Source(Origin.CAPTURED, "CometAPI answers, 2026")
KLING_PAGE: Final = Source(Origin.OFFICIAL, "Kling, Multi-Image to Image")
KLING_GENERATION: Final = Source(Origin.OFFICIAL, "Kling, Image Generation")
KLING_AUTH: Final = Source(Origin.OFFICIAL, "Kling, authentication")
KLING_ERRORS: Final = Source(Origin.OFFICIAL, "Kling, error codes")
KLING_CALLBACK: Final = Source(Origin.OFFICIAL, "Kling, callback protocol")
KLING_SLOTS: Final = Source(Origin.OFFICIAL, "Kling, concurrency rules")
KLING_UPDATES: Final = Source(Origin.OFFICIAL, "Kling, API change log")
KLING_LIVE: Final = Source(Origin.CAPTURED, "Kling answers, 2025-2026")
HTTP_STANDARD: Final = Source(Origin.STANDARD, "RFC 9110, HTTP Semantics")
URI: Final = Source(Origin.STANDARD, "RFC 3986, Uniform Resource Identifier")
SAFETY: Final = Source(Origin.STANDARD, "safety of keys and money")
ASSUMED: Final = Source(Origin.ASSUMED, "no source settles it")


class TaskStatus(StrEnum):
    """The four states of a task. Newer Kling APIs spell `succeed` as `succeeded`."""

    SUBMITTED = "submitted"
    PROCESSING = "processing"
    SUCCEED = "succeed"
    FAILED = "failed"

    @property
    def terminal(self) -> bool:
        """Whether the task has ended: its status never changes again."""
        return self in TERMINAL


TERMINAL: Final = frozenset({TaskStatus.SUCCEED, TaskStatus.FAILED})

ASPECT_RATIOS: Final[Fact[tuple[str, ...]]] = Fact(
    ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9"), SEED
)
DEFAULT_ASPECT_RATIO: Final = Fact("16:9", SEED)

# Output sizes are not documented: about 1,000 px, multiples of 8, in the exact ratio.
RESULT_PIXELS: Final = Fact(
    MappingProxyType(
        {
            "16:9": (1280, 720),
            "9:16": (720, 1280),
            "1:1": (1024, 1024),
            "4:3": (1152, 864),
            "3:4": (864, 1152),
            "3:2": (1248, 832),
            "2:3": (832, 1248),
            "21:9": (1344, 576),
        }
    ),
    ASSUMED,
)

SUBJECTS_MINIMUM: Final = Fact(2, SEED)
SUBJECTS_MINIMUM_KLING: Final = Fact(1, KLING_PAGE)
SUBJECTS_MAXIMUM: Final = Fact(4, SEED)
PROMPT_MAXIMUM: Final = Fact(2500, SEED)  # counted in Unicode code points: assumed
IMAGES_MINIMUM: Final = Fact(1, KLING_PAGE)
IMAGES_MAXIMUM: Final = Fact(9, KLING_PAGE)
DEFAULT_IMAGES: Final = Fact(1, SEED)

MODEL_V2: Final = Fact("kling-v2", SEED)
MODEL_V2_1: Final = Fact("kling-v2-1", KLING_PAGE)

MODEL_V3: Final = Fact("kling-v3", KLING_GENERATION)
MODELS_PLAIN: Final[Fact[tuple[str, ...]]] = Fact((MODEL_V2_1.value, MODEL_V3.value), KLING_GENERATION)
IMAGE_REFERENCES: Final[Fact[tuple[str, ...]]] = Fact(("subject", "face"), KLING_GENERATION)
RESOLUTIONS: Final[Fact[tuple[str, ...]]] = Fact(("1k", "2k"), KLING_GENERATION)
FIDELITY_MINIMUM: Final = Fact(0.0, KLING_GENERATION)
FIDELITY_MAXIMUM: Final = Fact(1.0, KLING_GENERATION)

# Pages of a list: page numbers, and entries on a page.
PAGE_FIRST: Final = Fact(1, KLING_PAGE)
PAGE_LAST: Final = Fact(1000, KLING_PAGE)
PAGE_SIZE_MINIMUM: Final = Fact(1, KLING_PAGE)
PAGE_SIZE_MAXIMUM: Final = Fact(500, KLING_PAGE)
DEFAULT_PAGE_SIZE: Final = Fact(30, KLING_PAGE)

# Not on the page of the seed, so no operation declares it; values other than {"enabled": true} are ignored.
WATERMARK: Final = Fact("watermark_info", KLING_PAGE)

MEGABYTE: Final = 1024 * 1024
INPUT_BYTES_MAXIMUM: Final = Fact(10 * MEGABYTE, KLING_PAGE)  # binary megabytes, decoded: assumed
INPUT_SIDE_MINIMUM: Final = Fact(300, KLING_PAGE)
INPUT_RATIO_MAXIMUM: Final = Fact(2.5, KLING_PAGE)  # 1:2.5 to 2.5:1, ends included: assumed

UNITS_PER_IMAGE: Final = Fact(16, KLING_UPDATES)
UNITS_PER_PLAIN_IMAGE: Final = Fact(8, KLING_LIVE)
RETENTION_DAYS: Final = Fact(30, KLING_PAGE)
# Four subjects, a scene and a style of 10 MB each are legal: 80 MB of base64.
BODY_MAXIMUM: Final = Fact(96 * MEGABYTE, ASSUMED)

SUCCESS_CODE: Final = 0
SUCCESS_MESSAGE: Final = Fact("SUCCEED", KLING_LIVE)

# Texts of `task_status_msg`, captured from failed tasks.
PIXELS_INVALID: Final = Fact("Image pixel is invalid", KLING_LIVE)
SHAPE_INVALID: Final = Fact(
    "The resolution or aspect ratio of the input image is invalid. "
    "Please ensure it meets the required specifications.",
    KLING_LIVE,
)
# Captured on a sibling route, for a URL that could not be fetched.
FILE_UNAVAILABLE: Final = Fact(
    "Something went wrong when we tried to get the contents of the file.", KLING_LIVE
)
RISK_CONTROL: Final = Fact("Failure to pass the risk control system", KLING_LIVE)


class ResultKind(StrEnum):
    """The key of `task_result` that contains the results of an operation.

    `key` is its plain string. `folder` and `extension` are parts of result URLs. `drawn` is true for
    pictures.
    """

    key: str
    folder: str
    extension: str
    drawn: bool

    def __new__(cls, key: str, folder: str, extension: str) -> Self:
        kind = str.__new__(cls, key)
        kind._value_ = key
        # Attributes: every response reads them, and properties and enum members as keys are much slower.
        kind.key, kind.folder, kind.extension, kind.drawn = key, folder, extension, folder == "image"
        return kind

    IMAGES = ("images", "image", "png")
    SERIES_IMAGES = ("series_images", "image", "png")
    VIDEOS = ("videos", "video", "mp4")
    AUDIOS = ("audios", "audio", "mp3")


class IdStyle(NamedTuple):
    """The format of task ids: snowflakes, whose bits above the lowest `low_bits` are a time in milliseconds.

    The time counts from `epoch_ms`, which is in Unix milliseconds.
    """

    name: str
    epoch_ms: int
    low_bits: int
    source: Source


# Derived from eight captured pairs of id and `created_at`: 18 digits today.
KLING_IDS: Final = IdStyle("kling", 1_568_028_518_780, 22, KLING_LIVE)
# CometAPI's own ids on some routes, from two captured pairs: 19 digits.
COMET_IDS: Final = IdStyle("cometapi", 1_288_834_974_657, 22, COMET_LIVE)

API_KEY_VARIABLE: Final = "COMETAPI_KEY"
# Variables that published clients of Kling read: access key and secret, or a plain key.
ACCESS_KEY_VARIABLE: Final = "KLING_ACCESS_KEY"
SECRET_KEY_VARIABLE: Final = "KLING_SECRET_KEY"
KLING_API_KEY_VARIABLE: Final = "KLING_API_KEY"
# Specific to kling-contracts: the key of another account, for the checks of account isolation.
SECOND_API_KEY_VARIABLE: Final = "KLING_SECOND_API_KEY"
BASE_URL_VARIABLE: Final = "KLING_BASE_URL"
# Specific to kling-mock: URL and token of a running one, which a test suite uses.
MOCK_URL_VARIABLE: Final = "KLING_MOCK_URL"
MOCK_TOKEN_VARIABLE: Final = "KLING_MOCK_TOKEN"

# Paths of kling-mock, which the API does not have. The response of the health path identifies the server;
# the header has the token of the control API.
CONTROL_PREFIX: Final = "/_mock"
HEALTH_PATH: Final = f"{CONTROL_PREFIX}/health"
TOKEN_HEADER: Final = "x-kling-mock-token"


class ErrorCode(NamedTuple):
    """One row of Kling's error table.

    `wording` is a `message` of that code, and `source` the source of the wording; the code and its HTTP
    status are official.
    """

    code: int
    status: int
    meaning: str
    wording: str
    source: Source


def _table(*rows: ErrorCode) -> MappingProxyType[int, ErrorCode]:
    return MappingProxyType({row.code: row for row in rows})


ERRORS: Final = _table(
    ErrorCode(1000, 401, "authentication failed", "Authentication failed", ASSUMED),
    ErrorCode(1001, 401, "Authorization header empty", "Authorization is empty", ASSUMED),
    ErrorCode(
        1002,
        401,
        "Authorization value invalid",
        "The token was expected to have 3 parts, but got 0",
        KLING_LIVE,
    ),
    ErrorCode(1003, 401, "token not yet valid", "The token is not yet valid", ASSUMED),
    ErrorCode(1004, 401, "token expired", "The token has expired", ASSUMED),
    ErrorCode(1100, 429, "account abnormal", "Account exception", ASSUMED),
    ErrorCode(1101, 429, "account in arrears", "Account in arrears", ASSUMED),
    ErrorCode(1102, 429, "resource pack used up", "Account balance not enough", KLING_LIVE),
    ErrorCode(1103, 403, "no permission for the resource", "No permission", ASSUMED),
    ErrorCode(1200, 400, "parameters invalid", "Request parameters are invalid", ASSUMED),
    ErrorCode(1201, 400, "wrong key or illegal value", "Parameter value is invalid", ASSUMED),
    ErrorCode(1202, 404, "HTTP method invalid", "The requested method is invalid", ASSUMED),
    ErrorCode(1203, 404, "resource does not exist", "The requested resource does not exist", ASSUMED),
    ErrorCode(1300, 400, "blocked by platform policy", "Blocked by platform policy", ASSUMED),
    ErrorCode(1301, 400, "content-security policy", RISK_CONTROL.value, ASSUMED),
    ErrorCode(1302, 429, "too many requests", "Too many requests", ASSUMED),
    ErrorCode(1303, 429, "concurrency limit", "parallel task over resource pack limit", KLING_SLOTS),
    ErrorCode(1304, 429, "IP allow-list policy", "IP is not in the allow list", ASSUMED),
    ErrorCode(5000, 500, "server error", "Internal server error", ASSUMED),
    ErrorCode(5001, 503, "unavailable", "Service temporarily unavailable", ASSUMED),
    ErrorCode(5002, 504, "internal timeout", "Internal timeout", ASSUMED),
)
