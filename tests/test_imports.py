"""The import table of all packages: allowed imports of each module, at module level and inside functions."""

from __future__ import annotations

import pytest

from tests.import_graph import (
    FOLDERS,
    MODULES,
    PACKAGES,
    Import,
    all_imports,
    circle_in,
    graph,
    imports,
    libraries_of,
    part_of,
)
from tests.rows import each_row

# Allowed imports between the packages; `kling_mock.demo` uses the client.
DIRECTION: dict[str, set[str]] = {
    "kling_contracts": set(),
    "kling_client": {"kling_contracts"},
    "kling_mock": {"kling_contracts"},
}
DEMO = "kling_mock.demo"

# Third-party libraries that modules may import; other modules import only the standard library and the
# project. The row of a folder applies to its modules without their own row.
LIBRARIES = {
    "kling_client.console": {"rich"},
    "kling_client.credentials": {"jwt"},
    "kling_client.callbacks": {"standardwebhooks"},  # lazy: at the first signed callback
    "kling_client.http": {"httpx"},  # and httpx2, if its caller has loaded it
    "kling_contracts.compiled_readers": {"msgspec"},
    "kling_contracts.client_suite": {"hypothesis", "pytest"},
    "kling_contracts.strategies.fields": {"hypothesis"},
    "kling_contracts.strategies.objects": {"hypothesis"},
    "kling_contracts.strategies.images": {"hypothesis"},
    "kling_contracts.schemathesis_hooks": {"schemathesis"},
    "kling_contracts.strategies": {"hypothesis"},
    "kling_contracts.verify.credentials": {"jwt"},
    "kling_contracts.verify.reports.terminal": {"rich"},
    "kling_contracts.verify.runner": {"httpx"},
    "kling_contracts.verify.transport": {"httpx"},
    # msgspec (JSON, records) has no dependencies.
    **{
        f"kling_mock.{name}": {"msgspec"}
        for name in (
            "auth",
            "callbacks.dispatcher",
            "callbacks.queue",
            "commands",
            "control",
            "control_api",
            "remote.view",
            "decision",
            "decisions",
            "delivery",
            "documents",
            "faults",
            "fetched_pictures",
            "header_facts",
            "changed_replies",
            "heavy_requests",
            "http",
            "images.metadata",
            "images.urls",
            "journal_limits",
            "matching",
            "scenarios.loaded_scenario",
            "outcomes",
            "plan",
            "queries",
            "rate",
            "records",
            "reply_faults",
            "routing",
            "render",
            "request_decisions",
            "scripts.rule_builder",
            "service",
            "stores",
            "stores.redis.commands",
            "stores.redis.replies",
            "stores.redis.transfer",
            "task_request",
            "timing.clock",
        )
    },
    "kling_mock.completion": {"shtab"},  # lazy
    "kling_mock.demo": {"rich"},
    "kling_mock.help_command": {"rich"},  # lazy: for a page on a terminal
    "kling_mock.remote.connection": {"httpx", "msgspec"},  # httpx lazy: with the first Remote
    "kling_mock.doors.webhook_connection": {"httptools"},
    "kling_mock.webhook_secret": {"standardwebhooks"},  # lazy: at the first signed callback
    "kling_mock.state_transfer": {"httpx", "rich"},  # lazy
    "kling_mock.doors.httpx": {"httpx", "httpx2"},
    "kling_mock.doors.httpx_delivery": {"anyio"},  # lazy: at the first pause or fetched picture
    "kling_mock.doors.asgi_delivery": {"anyio"},  # the same
    "kling_mock.doors.control": {"anyio"},  # lazy: at the first stream of events
    "kling_mock.doors.requests": {"requests", "urllib3"},
    "kling_mock.doors.respx_router": {"httpx", "respx"},
    "kling_mock.doors.asgi": {"msgspec"},
    "kling_mock.doors.limits": {"msgspec"},
    "kling_mock.doors.workers": {"trio"},  # under trio only, whose threads answer heavy requests
    "kling_mock.doors.connection": {"uvicorn"},
    "kling_mock.doors.request_parser": {"httptools", "msgspec"},
    "kling_mock.doors.server": {"uvicorn"},
    "kling_mock.images.draw": {"PIL"},
    "kling_mock.images.fonts": {"PIL"},
    "kling_mock.images.text": {"PIL"},  # imported only by images.draw
    "kling_mock.plugin_options": {"pytest"},
    "kling_mock.pytest_plugin": {"pytest"},
    "kling_mock.images.thumbnails": {"PIL"},  # only with the setting `thumbnails`
    "kling_mock.tokens": {"jwt"},  # lazy: at the first token
    "kling_mock.faker": {"faker"},
    "kling_mock.stores.redis": {"hiredis", "redis"},
}

# Modules that may import transports (`doors`): only inside functions (`lazy`) or at module level (`eager`).
DOORS = {
    "kling_mock.fake": (
        "lazy",
        {
            "httpx",
            "httpx_interception",
            "requests",
            "respx_router",
            "asgi",
            "server",
            "webhook_sender",
        },
    ),
    "kling_mock.request_handler": ("lazy", {"picture_client"}),
    "kling_mock.callbacks.receivers": ("lazy", {"webhook_client"}),
    "kling_mock.doors.webhook_sender": ("lazy", {"webhook_client"}),
    "kling_mock.doors.webhook_client": ("eager", {"webhook_connection"}),
    "kling_mock.doctor.surroundings": ("lazy", {"listening", "origins"}),
    "kling_mock.serve_command": ("lazy", {"listening", "server", "tls"}),
    # The parts of the socket server; what it shares with the ASGI application is in that.
    "kling_mock.doors.server": ("eager", {"connection", "limits", "listening", "tls"}),
    "kling_mock.doors.listening": ("eager", {"origins"}),
    "kling_mock.doors.connection": (
        "eager",
        {
            "asgi",
            "asgi_exchange",
            "asgi_types",
            "limits",
            "origins",
            "request_parser",
            "responses",
            "socket_delivery",
            "socket_stream",
        },
    ),
    "kling_mock.doors.asgi_exchange": (
        "eager",
        {"asgi_types", "request_parser", "responses", "socket_stream"},
    ),
    "kling_mock.doors.socket_delivery": ("eager", {"socket_stream"}),
    "kling_mock.doors.socket_stream": ("eager", {"limits"}),
    "kling_mock.doors.request_parser": ("eager", {"limits", "origins"}),
    "kling_mock.doors.tls": ("eager", {"limits"}),
    "kling_mock.doors.asgi": (
        "eager",
        {"asgi_delivery", "asgi_types", "control", "index_page", "limits", "origins", "workers"},
    ),
    "kling_mock.doors.control": ("eager", {"asgi", "asgi_types", "origins", "workers"}),
    "kling_mock.doors.asgi_delivery": ("eager", {"asgi_types"}),
    "kling_mock.shared_server": ("eager", {"asgi", "server"}),
    "kling_mock.doors.httpx": ("eager", {"httpx_delivery"}),
    "kling_mock.doors.httpx_delivery": ("eager", {"arrivals"}),
    "kling_mock.doors.requests": ("eager", {"arrivals"}),
    "kling_mock.doors.httpx_interception": ("eager", {"httpx", "httpx_pools"}),
    "kling_mock.doors.httpx_pools": ("eager", {"httpx", "httpx_delivery"}),
    "kling_mock.doors.respx_router": ("eager", {"httpx"}),
}

# Modules that may import the drawing of pictures.
DRAWERS = {
    "kling_mock.control_api.pictures": "lazy",
    "kling_mock.doctor.surroundings": "lazy",
    "kling_mock.images.draw": "eager",
    "kling_mock.images.text": "eager",
    "kling_mock.request_handler": "lazy",
}

# Packages that import their names on first use; at module level only for type checking.
POSTPONING = {"kling_contracts", "kling_contracts.verify", "kling_client", "kling_mock", "kling_mock.fake"}

# Entry points and modules with side effects; the core must not import them.
OUTSIDE = frozenset(
    f"kling_mock.{name}"
    for name in (
        "__main__",
        "cli",
        "completion",
        "console",
        "demo",
        "doctor.command",
        "doctor.report",
        "faker",
        "help_command",
        "plugin_options",
        "pytest_plugin",
        "serve_command",
        "shared_server",
        "state_transfer",
        "timing.real_sleeps",
        "timing.time_skipping",
    )
)

# Libraries for tests: a module that imports one may be imported only by modules that do so as well.
TESTING = {"hypothesis", "pytest", "schemathesis"}


def row_of(module: str) -> str | None:
    """The row of a module in LIBRARIES: its own, or that of the nearest folder."""
    while module:
        if module in LIBRARIES:
            return module
        module = module.rpartition(".")[0]
    return None


def test_the_graph_has_known_imports() -> None:
    """Counterexample: the parser finds known imports of all kinds."""
    assert set(LIBRARIES) | set(DOORS) | OUTSIDE <= set(MODULES)
    assert Import("kling_mock.doors.server", "uvicorn", "eager") in imports()
    assert Import("kling_mock.fake", "kling_mock.doors.server", "lazy") in imports()
    assert all(each.module != "kling_mock.doors.asgi" or each.name != "kling_mock.fake" for each in imports())
    assert len(imports()) > 200


@each_row("row", [None, *LIBRARIES])
def test_each_module_imports_the_libraries_of_its_row(row: str | None) -> None:
    """A module imports exactly the libraries of its row, including imports inside functions."""
    found = {module: libraries_of(module) for module in MODULES if row_of(module) == row}
    if row is None:
        assert {module: names for module, names in found.items() if names} == {}
    else:
        assert set[str]().union(*found.values()) == LIBRARIES[row]


def test_packages_import_each_other_in_one_direction() -> None:
    wrong = {
        (each.module, each.name)
        for each in imports()
        if (top := each.name.partition(".")[0]) in PACKAGES
        and top != (own := each.module.partition(".")[0])
        and top not in DIRECTION[own]
    }
    assert {module for module, _ in wrong} <= {DEMO}


def test_only_test_material_imports_test_material() -> None:
    """Modules that import Hypothesis or pytest are imported only by modules that do so as well."""
    testing = {module for module in MODULES if LIBRARIES.get(row_of(module) or "", set()) & TESTING}
    assert {"kling_contracts.strategies", "kling_contracts.client_suite.suite"} <= testing
    assert {each for each in imports() if each.name in testing and each.module not in testing} == set()


def test_only_listed_modules_import_doors() -> None:
    """Only the modules of DOORS import transports, lazily where the table requires it."""
    found: dict[str, set[tuple[str, str]]] = {}
    for each in imports():
        if each.name.startswith("kling_mock.doors."):
            door = each.name.removeprefix("kling_mock.doors.")
            found.setdefault(each.module, set()).add((each.kind, door))
    allowed = {
        module: {(each, door) for door in doors for each in (kind, "lazy")}
        for module, (kind, doors) in DOORS.items()
        if module in found
    }
    assert {module: doors - allowed.get(module, set()) for module, doors in found.items()} == {
        module: set() for module in found
    }


def test_the_control_api_is_imported_for_its_first_request() -> None:
    """A server starts, and answers the imitated service, without it."""
    outside = [
        each
        for each in imports()
        if each.name.startswith(("kling_mock.control_api", "kling_mock.doors.control"))
        and not each.module.startswith(("kling_mock.control_api", "kling_mock.remote"))
    ]
    found = {(each.module, each.kind) for each in outside if each.module != "kling_mock.doors.control"}
    assert found == {("kling_mock.doors.asgi", "lazy")}


def test_a_server_answers_its_first_request_without_modules_of_others() -> None:
    """Neither messages of clients, nor TLS, nor tables of HTML: they made its start slower."""
    start = ("cli", "serve_command", "fake", "console", "ready_file", "doors.server", "doors.webhook_sender")
    edges = graph([each for each in imports() if each.kind == "eager"], lambda name: name)
    found: set[str] = set()
    left = {f"kling_mock.{name}" for name in start}
    while left:
        found |= left
        left = set().union(*[edges.get(each, set()) for each in left]) - found
    assert {"kling_mock.doors.connection", "kling_contracts.wire_objects", "uvicorn"} <= found
    assert not {"kling_contracts.messages", "kling_mock.doors.tls", "html", "sqlite3", "httpx"} & found


def test_the_client_of_servers_is_imported_only_when_it_is_used() -> None:
    found = {
        (each.module, each.kind)
        for each in imports()
        if each.name.startswith("kling_mock.remote") and not each.module.startswith("kling_mock.remote")
    }
    assert found == {("kling_mock.pytest_plugin", "lazy")}


def test_pictures_are_drawn_only_when_one_is_wanted() -> None:
    drawing = {f"kling_mock.images.{name}" for name in ("draw", "fonts", "text")}
    found = {each.module: each.kind for each in imports() if each.name in drawing}
    assert found == DRAWERS


def test_tokens_are_read_only_when_one_comes() -> None:
    found = {(each.module, each.kind) for each in imports() if each.name == "kling_mock.tokens"}
    assert found == {("kling_mock.auth", "lazy"), ("kling_mock.control_api.kept_call", "lazy")}


def test_only_the_mock_reads_with_compiled_readers() -> None:
    found = {each.module for each in imports() if each.name == "kling_contracts.compiled_readers"}
    assert found == {"kling_mock.routing"}


def test_the_core_knows_nothing_of_what_users_start() -> None:
    core = {name for name in MODULES if name.startswith("kling_mock")} - OUTSIDE
    guilty = {
        each for each in imports() if each.module in core and each.name in OUTSIDE and each.kind == "eager"
    }
    assert guilty == set()


def test_the_core_replaces_no_function_of_time() -> None:
    """It reads the time that is active; what moves it (and needs asyncio) is imported by tests that do."""
    light = {f"kling_contracts.virtual_time.{name}" for name in ("functions", "threads")}
    found = {
        each.module
        for each in imports()
        if each.name.startswith("kling_contracts.virtual_time.")
        and each.name not in light
        and not each.module.startswith(("kling_contracts.virtual_time", "kling_contracts.client_suite"))
    }
    assert found == {"kling_mock.timing.real_sleeps", "kling_mock.timing.time_skipping"}


def eager_imports() -> list[Import]:
    """Imports at module level and for type checking, except those of lazy packages."""
    return [
        each
        for each in all_imports()
        if each.kind == "eager" or (each.kind == "types" and each.module not in POSTPONING)
    ]


def test_modules_import_each_other_in_no_circle() -> None:
    """The import graph of all modules has no cycle."""
    edges = graph(eager_imports(), lambda name: name if name in MODULES else None)
    assert len(edges) > 30
    assert circle_in(edges) == []


def test_the_arguments_of_a_command_are_read_without_an_http_library() -> None:
    """`--help`, and the message about a wrong argument, take half the time of a request."""
    edges = graph(
        [each for each in imports() if each.kind == "eager"], lambda name: name if name in MODULES else None
    )
    reached, rest = set[str](), ["kling_client.cli", "kling_contracts.cli", "kling_mock.cli"]
    while rest:
        module = rest.pop()
        if module not in reached:
            reached.add(module)
            rest += edges.get(module, set())
    assert "kling_client.config" in reached
    assert {each for each in reached if libraries_of(each) & {"httpx", "uvicorn", "PIL"}} == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_parts_of_a_folder_import_each_other_in_no_circle(folder: str) -> None:
    """The import graph of the modules and folders of a folder has no cycle."""
    edges = graph(eager_imports(), part_of(folder))
    assert circle_in(edges) == []


def test_a_circle_of_folders_is_found() -> None:
    """Counterexample: a cycle of folders without a cycle of modules."""
    edges = [
        Import("kling_mock.doors.asgi", "kling_mock.stores.memory", "eager"),
        Import("kling_mock.stores", "kling_mock.doors.server", "eager"),
    ]
    assert circle_in(graph(edges, lambda name: name)) == []
    assert set(circle_in(graph(edges, part_of("kling_mock")))) == {"kling_mock.doors", "kling_mock.stores"}
