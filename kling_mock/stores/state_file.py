"""A state file: numbered rows in an SQLite database that one process uses over one connection.

With several connections SQLite 3.7.0 to 3.51.2 may lose commits in WAL mode. A write is one transaction; it
survives the end of the process at any moment, and the latest ones may be lost with a loss of power
(`synchronous=NORMAL`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, Self
from weakref import WeakSet

from kling_contracts.explained_error import ExplainedError
from kling_contracts.redaction import escape_controls
from kling_mock.stores import StateNotKept
from kling_mock.stores.record_format import VERSION, Item, decode, decode_present, encode, in_order

Row = tuple[int, bytes]
Table = Literal["rows", "calls"]


class _Statements(NamedTuple):
    """The statements about one table."""

    create: str
    select: str
    insert: str
    update: str
    delete: str
    clear: str

    @classmethod
    def of(cls, table: Table) -> Self:
        return cls(
            f"CREATE TABLE {table} (number INTEGER PRIMARY KEY, item BLOB NOT NULL)",
            f"SELECT number, item FROM {table} ORDER BY number",  # noqa: S608 -- the name of a table of ours
            f"INSERT OR REPLACE INTO {table} VALUES (?,?)",  # noqa: S608 -- the same
            f"UPDATE {table} SET item=? WHERE number=?",  # noqa: S608 -- the same
            f"DELETE FROM {table} WHERE number=?",  # noqa: S608 -- the same
            f"DELETE FROM {table}",  # noqa: S608 -- the same
        )


# Calls have a table of their own: the oldest are dropped all the time, which leaves gaps between other rows.
ROWS: Final = _Statements.of("rows")
CALLS: Final = _Statements.of("calls")


class Gone(NamedTuple):
    """The numbers of rows and calls to remove."""

    rows: Sequence[int] = ()
    calls: Sequence[int] = ()


NOTHING_GONE: Final = Gone()

APPLICATION_ID: Final = 0x4B4C4D53  # "KLMS"
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER: Final = 100
_NOT_WRITABLE: Final = "cannot be written; make the file and its folder writable, or use another file"
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
# The pages of the log that are moved into the file at once; fewer cost more for each commit.
_CHECKPOINT: Final = 2_000


class StateFileRefused(ExplainedError, ValueError):
    """A state file that cannot be used; the message names the file, the reason and a remedy."""


class StateFile:
    """An open state file. Its methods must not be called by two threads at once.

    Raises StateFileRefused if the path is not a state file that this process can use; an existing file is
    then unchanged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._name = escape_controls(self.path)
        self._connection: sqlite3.Connection | None = None
        version = self._check_header()
        try:
            self._open()
            self._prepare(version)
        except sqlite3.Error as error:
            self.close()
            raise self._refused(_reason(error)) from error
        except BaseException:
            self.close()
            raise
        self._stat = Path(self.path).stat()
        _open_files.add(self)

    def uses(self, stat: os.stat_result) -> bool:
        """Whether this is the open file of `stat`."""
        return self._connection is not None and os.path.samestat(self._stat, stat)

    def _refused(self, reason: str) -> StateFileRefused:
        return StateFileRefused(f"state file {self._name}: {reason}")

    def _check_header(self) -> int | None:
        """The version of an existing file, None for a new one. Opening a foreign one would change it."""
        path = Path(self.path)
        folder = path.parent
        if not folder.is_dir():
            raise self._refused(f"its folder {escape_controls(str(folder))} does not exist; create it first")
        if path.exists() and not path.is_file():
            raise self._refused("it is not a file; give the path of a file")
        # SQLite writes its log beside the file.
        for needed in (path, folder) if path.exists() else (folder,):
            if not os.access(needed, os.R_OK | os.W_OK):
                raise self._refused(f"{escape_controls(str(needed))} {_NOT_WRITABLE}")
        if not path.exists():
            return None
        # Opening it here would also release the lock of this process.
        if any(each.uses(path.stat()) for each in _open_files):
            raise self._refused("this process uses it already; close that fake, or use another file")
        with path.open("rb") as file:
            head = file.read(_HEADER)
        if not head:
            return None
        application, version = (int.from_bytes(head[at : at + 4]) for at in (68, 60))
        if len(head) < _HEADER or not head.startswith(_MAGIC) or application != APPLICATION_ID:
            raise self._refused("it is not a state file of kling-mock; use another path")
        self._check_version(version)
        return version

    def _check_version(self, version: int) -> None:
        if version > VERSION:
            raise self._refused(
                f"it has version {version} of the format, and this kling-mock reads up to {VERSION}; "
                "upgrade kling-mock, or use another file"
            )

    def _open(self) -> None:
        self._connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        # In this mode no other process gets a connection, and the index of the log is not shared memory.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._connection.execute("BEGIN IMMEDIATE")

    def _prepare(self, version: int | None) -> None:
        execute = self._execute
        if version is None:
            execute(ROWS.create)
            execute(CALLS.create)
            execute(f"PRAGMA application_id={APPLICATION_ID}")
            execute(f"PRAGMA user_version={VERSION}")
        else:
            ((found,),) = execute("PRAGMA user_version").fetchall()  # after the recovery of the log
            self._check_version(found)
            if found < VERSION:
                self._migrate(found)
        execute("COMMIT")
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=NORMAL")
        execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT}")

    def _migrate(self, version: int) -> None:
        for table in (ROWS, CALLS):
            for number, line in self._execute(table.select).fetchall():
                try:
                    item = decode(line, version)
                except (ValueError, TypeError) as error:
                    raise self._damaged(number, error) from error
                if item is None:
                    self._execute(table.delete, (number,))
                else:
                    self._execute(table.update, (encode(item), number))
        self._execute(f"PRAGMA user_version={VERSION}")

    def _execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._connected.execute(statement, values)

    def read(self, table: _Statements) -> tuple[list[int], list[Item]]:
        """The numbers of all rows, in order, and their items. Raises StateFileRefused for a damaged file."""
        numbers: list[int] = []
        items: list[Item] = []
        number = 0
        try:
            for number, line in self._execute(table.select):
                items.append(decode_present(line))
                numbers.append(number)
        except sqlite3.Error as error:
            raise self._refused(_reason(error)) from error
        except (ValueError, TypeError) as error:
            raise self._damaged(number, error) from error
        return numbers, items

    def _damaged(self, number: int, error: Exception) -> StateFileRefused:
        reason = f"it is damaged (row {number}: {error!s:.200}); restore a copy, or use another file"
        return self._refused(reason)

    def write(self, rows: Sequence[Row], calls: Sequence[Row] = (), gone: Gone = NOTHING_GONE) -> None:
        """Write rows and calls by their numbers and remove others, in one transaction.

        Raises StateNotKept if it fails; then nothing is written.
        """
        connection = self._connected
        try:
            if gone is NOTHING_GONE and not (rows and calls):  # one statement is one transaction
                _insert(connection, ROWS, rows)
                _insert(connection, CALLS, calls)
                return
            with connection:  # commits or rolls back
                connection.execute("BEGIN IMMEDIATE")
                if gone is not NOTHING_GONE:
                    for table, numbers in ((ROWS, gone.rows), (CALLS, gone.calls)):
                        connection.executemany(table.delete, [(number,) for number in numbers])
                _insert(connection, ROWS, rows)
                _insert(connection, CALLS, calls)
        except sqlite3.Error as error:
            raise self._not_written(error) from error

    def replace(self, rows: Iterable[Row], calls: Iterable[Row]) -> None:
        """Replace all rows, in one transaction. Raises StateNotKept if it fails; then nothing changes."""
        connection = self._connected
        try:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for table, new in ((ROWS, rows), (CALLS, calls)):
                    connection.execute(table.clear)
                    connection.executemany(table.insert, new)
        except sqlite3.Error as error:
            raise self._not_written(error) from error

    @property
    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StateNotKept(f"state file {self._name}: it is closed; open it with a new Fake")
        return self._connection

    def _not_written(self, error: sqlite3.Error) -> StateNotKept:
        return StateNotKept(f"state file {self._name}: not written: {_reason(error)}")

    def close(self) -> None:
        """Close the file; its log becomes part of it. Without effect if it is closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """Forget the connection in a forked child, where closing it would change the file of the parent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            import ctypes  # only here: it takes a while

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))

    def __del__(self) -> None:
        self.close()


def _insert(connection: sqlite3.Connection, table: _Statements, rows: Sequence[Row]) -> None:
    if len(rows) == 1:
        connection.execute(table.insert, rows[0])
    elif rows:
        statement = table.insert + ",(?,?)" * (len(rows) - 1)
        connection.execute(statement, [value for row in rows for value in row])


def read_items(path: str | os.PathLike[str]) -> list[Item]:
    """All items of a state file that no process uses. Raises StateFileRefused, also if it does not exist."""
    if not Path(path).exists():
        raise StateFileRefused(f"state file {escape_controls(os.fspath(path))}: it does not exist")
    file = StateFile(path)
    try:
        _, items = file.read(ROWS)
        _, calls = file.read(CALLS)
    finally:
        file.close()
    return in_order([*items, *calls])


def _reason(error: sqlite3.Error) -> str:
    """The reason of an error of SQLite, and a remedy."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return "another process uses it (a running kling-mock?); stop that one, or use another file"
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full; free some space"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"it {_NOT_WRITABLE} ({error})"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"it is damaged ({error}); restore a copy, or use another file"
    return f"{error}; check the disk, or use another file"


_open_files: Final[WeakSet[StateFile]] = WeakSet()


def _abandon_all() -> None:
    for file in list(_open_files):
        file.abandon()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_abandon_all)
