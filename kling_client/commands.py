"""The commands of `kling-client`. Each returns an exit status and reports its result, also after an error."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from itertools import islice
from pathlib import Path
from typing import Final

from kling_client import flows
from kling_client.client import Client
from kling_client.config import DEFAULT_GATEWAY, configure, find_gateway
from kling_client.console import PROGRAM, Console, result_json, task_json
from kling_client.errors import ConfigError, InvalidRequest, KlingError, TaskFailed, WaitTimeout, printable
from kling_client.images import Image
from kling_client.preview import preview
from kling_client.request import CreateRequest, Draft, write
from kling_client.snapshot import TaskSnapshot
from kling_client.task import Task
from kling_contracts.help_links import help_line, kinds_of
from kling_contracts.vocabulary import PAGE_SIZE_MAXIMUM, TaskStatus


class Exit(IntEnum):
    """The exit statuses, documented for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 3
    ERROR = 4
    INTERRUPTED = 130


class _Client(Client):
    def submit(self, draft: Draft) -> Task:
        """Create a task from a request that is already encoded and checked."""
        return self._driver.run(flows.submit(self._config, draft, Task(id="", driver=self._driver)))


class Run:
    """One run of the command, with its progress so far, which the final report needs."""

    def __init__(self, options: Namespace) -> None:
        self.options = options
        self.console = Console(as_json=options.json)
        self.task: TaskSnapshot | None = None
        self.files: list[Path] = []
        self.creating = self.saving = False
        self.waiting_since: float | None = None

    def execute(self) -> Exit:
        """Run the command. Raises only BrokenPipeError, when the reader of stdout has closed it.

        The command to resume, with the id of the task, is then printed on stderr.
        """
        try:
            return self._execute()
        except BrokenPipeError:
            self._show_resume(Exit.ERROR)
            raise
        except OSError as error:  # of a file, or of stdout, which is discarded now
            return self._end(Exit.ERROR, error, _in_words(error))

    def _execute(self) -> Exit:
        try:
            return _COMMANDS[self.options.command](self)
        except InvalidRequest as error:
            message = "the request is invalid; nothing was sent"
            return self._end(Exit.USAGE, error, message, error.messages)
        except ConfigError as error:
            return self._end(Exit.ERROR if self.task else Exit.USAGE, error)
        except TaskFailed as error:
            self.task = error.task
            return self._end(Exit.FAILED, error)
        except WaitTimeout as error:
            self.task = error.task
            return self._end(Exit.TIMED_OUT, error, _timed_out(error))
        except KlingError as error:
            return self._end(Exit.ERROR, error)
        except KeyboardInterrupt as error:
            message = "interrupted"
            if self.creating:
                message += " before the response arrived; a task may have been created and billed"
            elif self.task is not None:
                message += "; the task continues"
            return self._end(Exit.INTERRUPTED, error, message)

    def generate(self) -> Exit:
        options = self.options
        # Arguments are checked before the client is created, which requires a key.
        draft = write(self._request(), find_gateway(options.gateway).main, check=True)
        if options.dry_run:
            return self._preview(draft)
        if not options.no_wait:
            _prepare(options.out)
        with self._client() as kling:
            self.creating = True
            task = kling.submit(draft)
            self.creating = False
            self._show_id(task)
            if options.no_wait:
                return self._end(Exit.OK)
            return self._finish(task)

    def get(self) -> Exit:
        with self._client() as kling:
            self.task = kling.get(self.options.task_id)
        self._show_id(self.task)
        return self._end(Exit.FAILED if self.task.status == TaskStatus.FAILED else Exit.OK)

    def wait(self) -> Exit:
        if self.options.out is not None:
            _prepare(self.options.out)
        with self._client() as kling:
            task = kling.task(self.options.task_id)
            self._show_id(task)
            return self._finish(task)

    def list_tasks(self) -> Exit:
        limit = self.options.limit
        flows.require_list(find_gateway(self.options.gateway))
        found: list[dict[str, object]] = []
        with self._client() as kling:
            for task in islice(kling.list(page_size=min(limit, PAGE_SIZE_MAXIMUM.value)), limit):
                if self.console.as_json:
                    found.append(task_json(task))
                else:
                    self.console.row(task)
        if self.console.as_json:
            self.console.value({"tasks": found})
        return Exit.OK

    def _client(self) -> _Client:
        options = self.options
        return _Client(gateway=options.gateway, base_url=options.base_url, timeout=options.timeout)

    def _request(self) -> CreateRequest:
        options = self.options
        given = [*options.images, options.scene, options.style]
        *subjects, scene, style = _pictures(given)
        return CreateRequest(
            images=[each for each in subjects if each is not None],
            prompt=options.prompt,
            aspect_ratio=options.aspect_ratio,
            n=options.n,
            scene=scene,
            style=style,
            model=options.model,
            callback_url=options.callback_url,
            external_task_id=options.external_id,
        )

    def _preview(self, draft: Draft) -> Exit:
        options = self.options
        config = configure(gateway=options.gateway, base_url=options.base_url, timeout=options.timeout)
        shown = preview(config, draft)
        if self.console.as_json:
            self.console.value(shown.to_json())
        else:
            self.console.text(str(shown))
            self.console.note("dry run: nothing was sent")
        return Exit.OK

    def _show_id(self, task: TaskSnapshot) -> None:
        """Print the id before anything else, so that a paid task can always be found again."""
        self.task = task
        self.console.fact("task", printable(task.id))
        if self.console.as_json:
            self.console.note(f"task {printable(task.id)}")

    def _finish(self, task: Task) -> Exit:
        options = self.options
        self.waiting_since = time.monotonic()
        with self.console.progress() as progress:

            def update(state: TaskSnapshot) -> None:
                self.task = state
                progress.status(state)

            done = task.wait(deadline=options.deadline, on_update=update)
            self.task = done
            if options.out is not None:
                self.saving = True
                self.files = done.save(options.out, overwrite=options.overwrite, on_bytes=progress.received)
        return self._end(Exit.OK)

    def _end(
        self,
        code: Exit,
        error: BaseException | None = None,
        message: str | None = None,
        details: Sequence[str] = (),
    ) -> Exit:
        """Report the result: facts on stdout, the error and the command to resume on stderr."""
        if message is None and error is not None:
            message = printable(str(error))
        resume = self._resume(code)
        if self.console.as_json:
            waited = None if self.waiting_since is None else time.monotonic() - self.waiting_since
            wrong = None if error is None else _error_json(error, message or "", details)
            shown = result_json(self.task, files=self.files, waited=waited, error=wrong, resume=resume)
            self.console.value(shown)
        else:
            self._show_facts(with_failure=error is None)
        if message is not None:
            self.console.error(message, details)
        if error is not None and message is not None:
            self.console.note(help_line(kinds_of(error), message))
        self._show_resume(code)
        return code

    def _show_resume(self, code: Exit) -> None:
        resume = self._resume(code)
        if resume is not None:
            self.console.resume(resume)

    def _show_facts(self, *, with_failure: bool) -> None:
        task = self.task
        if task is None or task.status is None:
            return
        self.console.fact("status", printable(str(task.status)))
        if task.failure and with_failure:
            self.console.fact("failure", printable(task.failure))
        for path in self.files:
            self.console.fact("file", path)
        if not self.files:
            for image in task.images:
                self.console.fact("image", printable(image.url))

    def _resume(self, code: Exit) -> list[str] | None:
        """The command that continues after this one; None without a task or with nothing left to do."""
        options, task = self.options, self.task
        waits = code in (Exit.TIMED_OUT, Exit.ERROR, Exit.INTERRUPTED)
        if task is None or not waits or (code is Exit.ERROR and task.status is None):
            return None
        words = [PROGRAM, "wait", task.id]
        if options.gateway != DEFAULT_GATEWAY:
            words += ["--gateway", options.gateway]
        if options.base_url is not None:
            words += ["--base-url", options.base_url]
        if getattr(options, "out", None) is not None:
            words += ["--out", str(options.out)]
        if self.saving or getattr(options, "overwrite", False):
            words += ["--overwrite"]  # files saved before belong to the same task
        return words


_COMMANDS: Final[Mapping[str, Callable[[Run], Exit]]] = {
    "generate": Run.generate,
    "get": Run.get,
    "wait": Run.wait,
    "list": Run.list_tasks,
}


def _pictures(given: list[str | None]) -> list[Image | None]:
    """Images by URL or path, in order. Raises ConfigError with every file that cannot be read."""
    found: list[Image | None] = []
    wrong: list[str] = []
    for text in given:
        try:
            found.append(None if text is None else _picture(text))
        except OSError as error:
            wrong.append(f"{text}: cannot be read: {error.strerror}")
        except ConfigError as error:  # its message begins with the file
            wrong.append(str(error))
        except ValueError as error:  # a NUL in the name
            wrong.append(f"{text}: cannot be read: {error}")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return found


def _picture(text: str) -> Image:
    is_url = text.lower().startswith(("http://", "https://"))
    return Image.from_url(text) if is_url else Image.from_path(text)


def _prepare(folder: Path) -> None:
    """Create the folder and check that it is writable, before a task is paid for. Raises ConfigError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ConfigError(f"--out: must be a folder; {folder} is a file") from error
    except OSError as error:
        raise ConfigError(f"--out: cannot create the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"--out: the folder {folder} is not writable")


def _in_words(error: OSError) -> str:
    """The file and the reason, without the number of the error."""
    reason = error.strerror or str(error)
    return printable(reason if error.filename is None else f"{error.filename}: {reason}")


def _timed_out(error: WaitTimeout) -> str:
    status = error.task.status or "unknown"
    message = f"task {error.task.id} has not finished after {error.waited:.1f} s (status: {status})"
    cause = error.__cause__
    return printable(message if cause is None else f"{message}; last query: {cause}")


def _error_json(error: BaseException, message: str, details: Sequence[str]) -> dict[str, object]:
    return {"kind": type(error).__name__, "message": message, "violations": list(details)}
