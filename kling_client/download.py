"""Download the results of a task, as a flow: streamed, limited in size, without the key; no partial files."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Final
from urllib.parse import urljoin, urlsplit

from kling_client.config import Config
from kling_client.errors import ConfigError, DownloadError
from kling_client.flows import USER_AGENT
from kling_client.retry import read_retry_after
from kling_client.snapshot import TaskSnapshot
from kling_client.steps import Call, Failure, Flow, Head, Stage, read, send, sleep
from kling_contracts.image_files import read_header
from kling_contracts.web_urls import is_web_url

OnBytes = Callable[[int, int | None], object]

REDIRECTS: Final = 5
# For a whole attempt. A server that sends a byte now and then never exceeds the timeout of a single read.
SECONDS_PER_RESULT: Final = 600.0

_TYPES: Final[Mapping[str, str]] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/quicktime": ".mov",
    "audio/mpeg": ".mp3",
    "audio/mp3": ".mp3",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
}
_FORMATS: Final[Mapping[str, str]] = {"png": ".png", "jpeg": ".jpg"}
# Enough for the header of a PNG, and of a JPEG without a profile at its start.
_HEADER_BYTES: Final = 64
_NO_RESULT: Final = ("text/", "application/json", "application/xml")
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,5}")
# Digits of an index.
_WIDTH: Final = re.compile(r"0[1-9]d?")
_PLACEHOLDERS: Final = (
    "the placeholders are {task_id}, {index} (padded with zeros: {index:03}) and {ext}; a literal brace is "
    "written {{ or }}"
)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]|^\.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The folder for the results and the template of their file names."""

    folder: Path
    name: str
    overwrite: bool
    on_bytes: OnBytes | None

    def check_name(self) -> None:
        """Raise ConfigError unless the template has the documented placeholders only."""
        if not isinstance(self.name, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- users pass paths
            raise ConfigError(f"name: must be a string, not {type(self.name).__name__}")
        try:
            parsed = list(Formatter().parse(self.name))
        except ValueError as error:
            raise ConfigError(f"name: {_PLACEHOLDERS}; got {self.name!r} ({error})") from None
        for _, placeholder, width, conversion in parsed:
            if placeholder is None:
                continue
            padded = placeholder == "index" and _WIDTH.fullmatch(width or "")
            if placeholder not in ("task_id", "index", "ext") or conversion or (width and not padded):
                raise ConfigError(f"name: {_PLACEHOLDERS}; got {self.name!r}")

    def path(self, task_id: str, index: int, ext: str) -> Path:
        """The path for a result, always directly in the folder; unsafe characters of the id are replaced."""
        safe_id = _UNSAFE.sub("_", task_id)[:100]
        name = self.name.format(task_id=safe_id, index=index, ext=ext)
        if name in ("", ".", "..") or Path(name).name != name or "\0" in name:
            raise ConfigError(
                f"name: must be a file name without a folder; {self.name!r} results in {name!r}"
            )
        return self.folder / name

    def refuse_existing(self, path: Path) -> None:
        if not self.overwrite and path.exists():
            raise FileExistsError(
                f"{path} already exists; overwrite=True (on the command line --overwrite) replaces it"
            )


class _Broken(Exception):
    """A transfer that may be retried. `error` is raised if no retry is left; `retry_after` is in seconds."""

    def __init__(self, error: DownloadError, retry_after: float = 0.0) -> None:
        super().__init__()
        self.error, self.retry_after = error, retry_after


def save(config: Config, task: TaskSnapshot, destination: Destination) -> Flow[list[Path]]:
    """Download every result of a succeeded task; return the paths. A DownloadError names the task."""
    try:
        return (yield from _save(config, task, destination))
    except DownloadError as error:
        error.concerns(task.id, f"GET {error.place}" if error.url else None)
        raise


def _save(config: Config, task: TaskSnapshot, destination: Destination) -> Flow[list[Path]]:
    if not task.results:
        hint = "" if task.terminal else "; call save() on the task that wait() returns"
        raise DownloadError("", 0, f"task {task.id!r} has no results (status: {task.status}){hint}")
    destination.folder.mkdir(parents=True, exist_ok=True)
    destination.check_name()
    paths: list[Path] = []
    for index, url in _numbered(task):
        transfer = _Transfer(config, destination, url, drawn=not task.media)

        def name(ext: str, index: int = index) -> Path:
            path = destination.path(task.id, index, ext)
            if path in paths:
                raise ConfigError(
                    f"name: {destination.name!r} results in the same file {path.name!r} for two results; "
                    "use {index}"
                )
            return path

        paths.append((yield from transfer.persist(name)))
    return paths


def _numbered(task: TaskSnapshot) -> Iterator[tuple[int, str]]:
    """Index and URL of each result.

    Position instead of index for videos and audios, and if the indices of images are not 0 to n-1.
    """
    indices = [image.index for image in task.images]
    positions = list(range(len(task.results)))
    numbered = sorted(indices) == positions
    for index, result in zip(indices if numbered else positions, task.results, strict=True):
        yield index, result.url


@dataclass(slots=True)
class _Transfer:
    """The download of one result to a file. `drawn`: it is an image, not a video or audio."""

    config: Config
    destination: Destination
    url: str
    drawn: bool
    received: int = 0
    # The instant at which the present attempt ends.
    late: float = 0.0

    def persist(self, name: Callable[[str], Path]) -> Flow[Path]:
        """Download the result; restart from the beginning after a failure that may be temporary."""
        pauses = self.config.retry.pauses()
        while True:
            self.received = 0
            self.late = self.config.clock() + SECONDS_PER_RESULT
            try:
                head, start = yield from self._open()
                path = name(_extension(head, start if self.drawn else b"", self.url))
                yield from self._store(path, head, start)
            except _Broken as broken:
                pause = next(pauses, None)
                if pause is None or broken.retry_after > self.config.retry.max_retry_after:
                    raise broken.error from broken.error.__cause__
                yield from sleep(max(pause, broken.retry_after))
            else:
                return path

    def _open(self) -> Flow[tuple[Head, bytes]]:
        """Head and first bytes of the result, after following redirects."""
        at = self.url
        for _ in range(REDIRECTS + 1):
            if not is_web_url(at):
                raise self._error("not an http(s) URL")
            head = yield from send(self._call(at))
            if isinstance(head, Failure):
                raise self._failed(head)
            if head.status in (301, 302, 303, 307, 308) and head.headers.get("location"):
                at = self._redirected(at, head.headers["location"])
                continue
            self._require_file(head)
            start = b""
            while len(start) < _HEADER_BYTES and (chunk := (yield from self._read())):
                start += chunk
            if not start:
                raise _Broken(self._error("the response is empty"))
            return head, start
        raise self._error(f"more than {REDIRECTS} redirects")

    def _redirected(self, at: str, location: str) -> str:
        with suppress(ValueError):  # its message contains user and password
            return urljoin(at, location)
        raise self._error("redirect to an invalid URL")

    def _require_file(self, head: Head) -> None:
        if head.status == 429 or head.status >= 500:
            raise _Broken(self._error(f"HTTP {head.status}"), read_retry_after(head.headers) or 0.0)
        if head.status != 200:
            expired = "; result URLs expire, so it may be too old" if head.status in (403, 404, 410) else ""
            raise self._error(f"HTTP {head.status}{expired}")
        if head.encoding:
            raise self._error(f"Content-Encoding {head.encoding[:40]!r}, which was not requested")
        kind = head.headers.get("content-type", "").strip().lower()
        if kind.startswith(_NO_RESULT):
            wanted = "an image" if self.drawn else "a video or audio"
            raise self._error(f"Content-Type must be that of {wanted}, not {kind[:60]!r}")
        if (head.length or 0) > self.config.max_image_bytes:
            raise self._error(f"Content-Length {head.length} exceeds {self._limit}")

    def _store(self, path: Path, head: Head, chunk: bytes) -> Flow[None]:
        """Write the result to a temporary file in the same folder, and rename it when it is complete."""
        self.destination.refuse_existing(path)
        part = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as file:
                while chunk:
                    self._count(len(chunk), head.length)
                    file.write(chunk)
                    chunk = yield from self._read()
                if head.length is not None and self.received != head.length:
                    raise _Broken(self._error(f"incomplete: Content-Length is {head.length}"))
                file.flush()
                os.fsync(file.fileno())
            self.destination.refuse_existing(path)
            part.replace(path)
        except OSError as error:
            if error.errno is None or error.filename not in (None, str(part)):
                raise
            raise OSError(error.errno, error.strerror, str(path)) from error  # of the disk: name the file
        finally:
            part.unlink(missing_ok=True)

    def _count(self, size: int, total: int | None) -> None:
        self.received += size
        if self.received > self.config.max_image_bytes:
            raise self._error(f"exceeds {self._limit}")
        if self.destination.on_bytes is not None:
            self.destination.on_bytes(self.received, total)

    def _read(self) -> Flow[bytes]:
        chunk = yield from read()
        if isinstance(chunk, Failure):
            raise self._failed(chunk)
        if chunk and self.config.clock() > self.late:
            raise self._error(f"incomplete after {SECONDS_PER_RESULT:g} s")
        return chunk

    def _failed(self, failure: Failure) -> Exception:
        error = self._error(failure.reason)
        error.__cause__ = failure.error
        return error if failure.stage is Stage.IMPOSSIBLE else _Broken(error)

    @property
    def _limit(self) -> str:
        return f"max_image_bytes={self.config.max_image_bytes}"

    def _error(self, reason: str) -> DownloadError:
        return DownloadError(self.url, self.received, reason)

    def _call(self, url: str) -> Call:
        # The host of a result is not the service: it must not receive the key or any default header.
        accept = "image/*, */*" if self.drawn else "*/*"
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
        return Call(
            method="GET",
            url=url,
            headers=headers,
            timeout=self.config.timeout,
            private=False,
            total=max(self.late - self.config.clock(), self.config.timeout),
        )


def _extension(head: Head, start: bytes, url: str) -> str:
    """The file extension by the first bytes of an image, else by Content-Type, else by the URL."""
    picture = read_header(start)
    if picture is not None:
        return _FORMATS[picture.format]
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    suffix = Path(urlsplit(url).path).suffix
    return _TYPES.get(kind) or (suffix.lower() if _SUFFIX.fullmatch(suffix) else "")
