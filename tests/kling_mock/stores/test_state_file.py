"""State files that cannot be used are refused with one sentence, and stay as they are."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kling_mock import Fake, ManualClock, Request
from kling_mock.records import CallRecord
from kling_mock.stores import CallsKey, Change, StateNotKept, TasksKey
from kling_mock.stores.record_format import VERSION, Counter
from kling_mock.stores.sqlite import SqliteStore
from kling_mock.stores.state_file import APPLICATION_ID, StateFileRefused
from tests.kling_mock.stores.state_files import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSIONS = Path(__file__).with_name("state_versions")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory if there is one: creating a file waits for the disk."""
    if MEMORY is None:
        yield tmp_path
        return
    path = Path(MEMORY) / f"kling-{os.getpid()}-{tmp_path.name}"
    path.mkdir()
    yield path
    shutil.rmtree(path)


def opened(path: Path, **limits: Any) -> SqliteStore:
    return SqliteStore(path, ManualClock(), **{"retention": 100.0, "journal_bytes": 2**20, **limits})


def call(path: str = "/x", status: int = 200) -> CallRecord:
    return CallRecord(1.0, "a", "GET", path, (), None, status, None, None, None, None, ())


@pytest.fixture
def path(folder: Path) -> Path:
    """A state file with a few rows."""
    path = folder / "state.db"
    store = opened(path)
    for at in range(60):
        store.commit(Change((), (call(f"/{at}" + "x" * 400),)))
    store.close()
    return path


def change(path: Path, *statements: str) -> None:
    """Change a state file by other means."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def damages() -> dict[str, tuple[Callable[[Path], object], str]]:
    newer = f"PRAGMA user_version={VERSION + 1}"
    foreign = "it is not a state file of kling-mock; use another path"
    return {
        "text": (lambda path: path.write_text("hello, world\n" * 20), foreign),
        "short": (lambda path: path.write_bytes(b"SQLite format 3\0"), foreign),
        "another application": (lambda path: change(path, "PRAGMA application_id=7"), foreign),
        "newer": (
            lambda path: change(path, newer),
            f"it has version {VERSION + 1} of the format, and this kling-mock reads up to {VERSION}; upgrade",
        ),
        "cut": (
            lambda path: os.truncate(path, 5 * 4096),
            r"it is damaged \(.*\); restore a copy, or use another",
        ),
        "overwritten": (
            lambda path: overwrite(path, 3 * 4096, b"\x07" * 8192),
            r"it is damaged \(.*\); restore a copy, or use another",
        ),
        "no item": (
            lambda path: change(path, "UPDATE calls SET item=CAST('{}' AS BLOB) WHERE number=4"),
            r"it is damaged \(row 4: it is not a state item: .*\); restore",
        ),
        "another type": (
            lambda path: change(path, "UPDATE calls SET item=1 WHERE number=4"),
            r"it is damaged \(row 4: .*int.*\); restore",
        ),
        "no table": (lambda path: change(path, "DROP TABLE calls"), "no such table: calls"),
    }


@pytest.mark.parametrize(("damage", "reason"), damages().values(), ids=damages())
def test_a_file_that_cannot_be_used_is_refused(
    damage: Callable[[Path], object], reason: str, path: Path
) -> None:
    damage(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(StateFileRefused, match=f"^state file {path}: {reason}"):
            opened(path)
    assert path.read_bytes() == before


def test_a_path_without_a_file(folder: Path) -> None:
    with pytest.raises(
        StateFileRefused, match=r"none: its folder .*nowhere does not exist; create it first$"
    ):
        opened(folder / "nowhere" / "none")
    with pytest.raises(StateFileRefused, match=r"it is not a file; give the path of a file$"):
        opened(folder)


def test_a_file_of_another_process_is_refused(path: Path) -> None:
    """Another connection has the lock, as that of another process would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        StateFileRefused, match=r"another process uses it \(a running kling-mock\?\); stop that"
    ):
        opened(path)
    other.execute("COMMIT")
    other.close()
    opened(path).close()


def test_a_file_that_this_process_uses_is_refused(path: Path) -> None:
    store = opened(path)
    link = path.with_name("link.db")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(StateFileRefused, match="this process uses it already; close that fake"):
            opened(name)
    store.close()
    opened(path).close()


@pytest.mark.parametrize("which", ["file", "folder"])
def test_a_file_or_folder_that_cannot_be_written(
    which: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function of the system is replaced, since an administrator may write everywhere."""
    denied = path if which == "file" else path.parent
    before = path.read_bytes()
    monkeypatch.setattr(os, "access", lambda asked, _: asked != denied)
    reason = f"{denied} cannot be written; make the file and its folder writable, or use another file"
    with pytest.raises(StateFileRefused, match=f"^state file {path}: {reason}$"):
        opened(path)
    assert path.read_bytes() == before


def test_a_disk_that_refuses_to_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def read_only(name: str, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, **options)
        connection.execute("PRAGMA query_only=1")
        return connection

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(
        StateFileRefused, match=r"it cannot be written; make .* another file \(attempt to write"
    ):
        opened(path.with_name("new.db"))


def test_an_empty_file_is_a_new_one(folder: Path) -> None:
    (folder / "empty.db").touch()
    opened(folder / "empty.db").close()
    head = (folder / "empty.db").read_bytes()
    assert int.from_bytes(head[68:72]) == APPLICATION_ID
    assert int.from_bytes(head[60:64]) == VERSION


# -- writing


def test_a_full_disk_leaves_both_as_before(path: Path) -> None:
    store = opened(path)
    before = store.items()
    store._file._execute("PRAGMA max_page_count=1")  # SQLite raises it to the present number
    large = Change((), tuple(call("/" + "x" * 9000) for _ in range(20)))
    with pytest.raises(
        StateNotKept, match=rf"^state file {path}: not written: the disk is full; free some space"
    ):
        store.commit(large)
    assert store.items() == before
    store._file._execute("PRAGMA max_page_count=100000")
    assert store.commit(Change((), (call("/later"),))) is None
    calls = store.read((CallsKey(),))[CallsKey()]
    store.close()
    again = opened(path)
    assert again.read((CallsKey(),))[CallsKey()] == calls
    assert calls[-1].path == "/later"
    again.close()


def test_a_clock_that_is_not_kept_does_not_move(path: Path) -> None:
    store = opened(path)
    now = store.clock.now()
    store._file._connected.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
    with pytest.raises(
        StateNotKept, match="not written: not authorized; check the disk, or use another file"
    ):
        store.clock.advance(60)
    assert store.clock.now() == now
    store._file._connected.set_authorizer(None)
    store.clock.advance(60)
    store.close()
    again = opened(path)
    assert again.clock.now() == now + 60
    again.close()


def test_replacing_all_state_is_one_transaction(path: Path) -> None:
    store = opened(path)
    before = store.items()
    with pytest.raises(TypeError, match="cannot be kept"):
        store.load([Counter("a", 1), Counter("b", object())])  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] -- the point
    assert store.items() == before
    store.close()
    again = opened(path)
    assert again.items()[1:] == before[1:]
    again.close()


def test_a_closed_store_can_be_read_and_not_written(path: Path) -> None:
    store = opened(path)
    store.close()
    store.close()
    assert len(store.read((CallsKey(),))[CallsKey()]) == 60
    with pytest.raises(StateNotKept, match="it is closed; open it with a new Fake"):
        store.commit(Change((), (call(),)))
    store.clock.advance(1)  # the clock is no longer kept


def test_calls_that_were_dropped_are_removed_in_groups(path: Path) -> None:
    store = opened(path, journal_bytes=5_000)
    for _ in range(300):
        store.commit(Change((), (call(),)))
    kept = len(store.read((CallsKey(),))[CallsKey()])
    ((rows,),) = store._file._execute("SELECT count(*) FROM calls").fetchall()
    assert kept <= rows < kept + 70
    store.close()


def test_numbers_that_were_read_are_kept_with_the_next_change(path: Path) -> None:
    """A request whose change is lost with its process was not answered."""
    fake = Fake(store=opened(path), seed=5)
    fake.next.optional().fails("x")
    fake.next.optional().fails("y")
    fake._store.close()  # type: ignore[attr-defined]
    again = Fake(store=opened(path), seed=5)
    again.next.optional().fails("z")
    assert [rule.id for rule in again.scripts] == [0, 1, 2]
    again._store.close()  # type: ignore[attr-defined]
    again.forget_scripts()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_leaves_the_file_alone(path: Path) -> None:
    store = opened(path)
    child = os.fork()
    if child == 0:
        try:
            store.commit(Change((), (call("/child"),)))
        except StateNotKept:
            store.close()
            del store
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert path.with_name("state.db-wal").exists()
    store.commit(Change((), (call("/parent"),)))
    store.close()
    again = opened(path)
    assert [each.path for each in again.read((CallsKey(),))[CallsKey()]][-1] == "/parent"
    again.close()


# -- versions


def test_a_file_of_each_version_is_read(folder: Path) -> None:
    """The files were written by the kling-mock of that version, see `write_version`."""
    files = sorted(VERSIONS.glob("state-*.db"))
    assert [file.name for file in files] == [f"state-{each}.db" for each in range(1, VERSION + 1)]
    for file in files:
        copy = Path(shutil.copy(file, folder / file.name))
        store = opened(copy, retention=1e9)
        (task,) = store.read((TasksKey(),))[TasksKey()]
        assert (task.record.request.prompt, task.polls, task.record.account) == (
            "two at sea",
            1,
            "sk-mock-one",
        )
        assert task.plan.failure == "no luck"
        assert len(store.read((CallsKey(),))[CallsKey()]) == 2
        store.close()
        assert int.from_bytes(copy.read_bytes()[60:64]) == VERSION


def write_version(path: Path) -> None:
    """Write the file of the present version."""
    fake = Fake(store=opened(path), pace="polls:2")
    fake.next.fails("no luck")
    subjects = [{"subject_image": f"https://x.test/{name}.png"} for name in "ab"]
    body = json.dumps({"prompt": "two at sea", "subject_image_list": subjects}).encode()
    key = (("authorization", "Bearer sk-mock-one"),)
    create = "/kling/v1/images/generations"
    fake.handle(Request("POST", create, headers=key, body=body))
    fake.handle(Request("GET", f"{create}/{fake.task.id}", headers=key))
    fake._store.close()  # type: ignore[attr-defined]
    change(path, "PRAGMA journal_mode=DELETE", "VACUUM")


if __name__ == "__main__":
    target = VERSIONS / f"state-{VERSION}.db"
    target.unlink(missing_ok=True)
    write_version(target)
