"""What `kling-mock serve` shows: how to reach it, and a line for each call. Colours on a terminal only."""

from __future__ import annotations

from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from contracts.gateways import COMETAPI
from contracts.vocabulary import API_KEY_VARIABLE, BASE_URL_VARIABLE, TaskStatus
from kling_mock import __version__
from kling_mock.doors.asgi import ASGIApp
from kling_mock.fake import Fake
from kling_mock.records import CallRecord
from kling_mock.replies import Reply, Request

COLOURS = {
    TaskStatus.SUBMITTED: "cyan",
    TaskStatus.PROCESSING: "yellow",
    TaskStatus.SUCCEED: "green",
    TaskStatus.FAILED: "red",
}


class _ToldApp(ASGIApp):
    """An app that tells of each call that it has answered."""

    def __init__(self, fake: Fake, console: Console) -> None:
        super().__init__(fake)
        self._console = console

    async def answer(self, fake: Fake, request: Request) -> Reply:
        reply = await super().answer(fake, request)
        self._console.tell(request, reply, fake)
        return reply


class Console:
    """The terminal side of a served fake."""

    def __init__(self, fake: Fake, *, quiet: bool) -> None:
        self._fake = fake
        self._quiet = quiet
        self._terminal = Terminal(highlight=False)

    def app(self) -> ASGIApp:
        return ASGIApp(self._fake) if self._quiet else _ToldApp(self._fake, self)

    def greet(self, url: str) -> None:
        settings = self._fake.settings
        key = settings.keys[0] if settings.keys else "any"
        self._terminal.print(f"[bold]kling-mock {__version__}[/] serves [bold cyan]{url}[/]", soft_wrap=True)
        facts = Table.grid(padding=(0, 2))
        keys = Text(", ".join(settings.keys) or "any")
        if "sk-mock-*" in settings.keys:
            keys.append("   (each key is an account of its own)", style="dim")
        facts.add_row("  keys", keys)
        facts.add_row("  pace", Text(str(settings.pace)))
        facts.add_row("  your code", Text(f"{BASE_URL_VARIABLE}={url} {API_KEY_VARIABLE}={key}"))
        facts.add_row("  create", Text(f"POST {COMETAPI.create_path}"))
        facts.add_row("  query", Text(f"GET {COMETAPI.create_path}/<task_id>"))
        facts.add_row("  stop", Text("Ctrl-C"))
        self._terminal.print(facts)
        self._terminal.print()

    def tell(self, request: Request, reply: Reply, fake: Fake) -> None:
        calls = fake.calls
        call = calls[-1] if calls else None
        line = Text(f"{request.method:<4} {request.path[:100]} ", no_wrap=True)
        line.append(str(reply.status), style="green" if reply.status < 400 else "red")
        if call is not None and call.path == request.path and call.status == reply.status:
            line.append_text(_detail(call))
        self._terminal.print(line, soft_wrap=True)

    def farewell(self) -> None:
        tasks = self._fake.tasks
        done = sum(task.status.terminal for task in tasks)
        self._terminal.print(f"\nstopped: {len(tasks)} tasks, {done} of them finished")


def _detail(call: CallRecord) -> Text:
    if call.rule is not None:
        return Text(f"  refused by {call.rule}", style="yellow")
    if call.shown is None:
        return Text("")
    text = Text(f"  {call.shown}", style=COLOURS[call.shown])
    return text.append(f"  task {call.task_id}", style="dim") if call.method == "POST" else text
