"""The account's tables in SQLite, and one locked connection to them."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE keys (key TEXT PRIMARY KEY, scopes TEXT NOT NULL);
CREATE TABLE lists (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    created_at REAL NOT NULL);
CREATE TABLE fields (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    field_type TEXT NOT NULL, ready_at REAL NOT NULL);
CREATE TABLE contacts (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    email TEXT, phone_number_id TEXT, external_id TEXT, anonymous_id TEXT,
    profile TEXT NOT NULL, custom TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL);
CREATE UNIQUE INDEX contact_email ON contacts (email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX contact_phone ON contacts (phone_number_id) WHERE phone_number_id IS NOT NULL;
CREATE UNIQUE INDEX contact_external ON contacts (external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX contact_anonymous ON contacts (anonymous_id) WHERE anonymous_id IS NOT NULL;
CREATE TABLE alternate_emails (
    email TEXT NOT NULL, contact INTEGER NOT NULL, PRIMARY KEY (email, contact)) WITHOUT ROWID;
CREATE INDEX alternate_by_contact ON alternate_emails (contact);
CREATE TABLE members (
    list INTEGER NOT NULL, contact INTEGER NOT NULL, PRIMARY KEY (list, contact)) WITHOUT ROWID;
CREATE INDEX member_by_contact ON members (contact);
CREATE TABLE billed_deletions (month TEXT PRIMARY KEY, contacts INTEGER NOT NULL);
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, requested INTEGER NOT NULL,
    submitted_at REAL NOT NULL, counts_at REAL NOT NULL, final_at REAL,
    payload BLOB, trouble TEXT NOT NULL, applied INTEGER NOT NULL DEFAULT 0,
    created INTEGER, updated INTEGER, deleted INTEGER, errored INTEGER, failure TEXT,
    errors BLOB, errors_signature TEXT, errors_expire_at REAL);
CREATE INDEX job_waiting ON jobs (final_at) WHERE applied = 0;
"""

_ADDED_TABLES = """
CREATE TABLE IF NOT EXISTS exports (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, lists TEXT NOT NULL, contacts INTEGER NOT NULL,
    submitted_at REAL NOT NULL, ready_at REAL NOT NULL, expires_at REAL NOT NULL,
    signature TEXT NOT NULL, trouble TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS export_files (
    export TEXT NOT NULL, part INTEGER NOT NULL, content BLOB NOT NULL, PRIMARY KEY (export, part));
CREATE TABLE IF NOT EXISTS list_counts (list INTEGER NOT NULL, at REAL NOT NULL, contacts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS suppression_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, is_default INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS suppressions (
    number INTEGER PRIMARY KEY, email TEXT NOT NULL, group_id INTEGER NOT NULL, created_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS suppression_email ON suppressions (group_id, email);
CREATE TABLE IF NOT EXISTS erasures (email TEXT PRIMARY KEY, erased_at REAL NOT NULL) WITHOUT ROWID;
"""
"""Tables that a file of an earlier release lacks. They are added when it is opened."""

_EMPTIED = (
    *("lists", "fields", "contacts", "alternate_emails", "members", "billed_deletions", "jobs"),
    *("exports", "export_files", "list_counts"),
    *("suppression_groups", "suppressions", "erasures"),
    "sqlite_sequence",
)


class UnusableDatabaseError(Exception):
    """The database file cannot be opened or is not the sandbox's. The message is one sentence for the user."""


class Transaction:
    """The outermost block of writes in progress."""

    is_kept = True

    def undo(self) -> None:
        """Forget the writes when the block ends."""
        self.is_kept = False


class Store:
    """One SQLite connection, shared by the server's threads under one lock.

    Args:
        path: The database file; `None` keeps everything in memory.
        read_only: Whether to open an existing file without changing it.

    Raises:
        UnusableDatabaseError: The file cannot be opened or is not the sandbox's.
    """

    def __init__(self, path: Path | None = None, *, read_only: bool = False) -> None:
        self.lock = threading.RLock()
        self.path = path
        try:
            self._connection = _opened(path, read_only=read_only)
        except (OSError, sqlite3.Error) as error:
            message = f"The sandbox database {path} cannot be opened: {error}."
            raise UnusableDatabaseError(message) from error

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Make all writes inside one unit: kept when the block ends, undone when it raises or asks for it. Nests."""
        with self.lock:
            transaction = Transaction()
            if self._connection.in_transaction:
                yield transaction
                return
            self._connection.execute("BEGIN")
            try:
                yield transaction
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT" if transaction.is_kept else "ROLLBACK")

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undo all writes inside the block when it ends, which shows what would happen."""
        with self.transaction():
            self._connection.execute("SAVEPOINT look")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK TO look")
                self._connection.execute("RELEASE look")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:  # noqa: ANN401 - SQLite's own types
        """Return every row of a query."""
        with self.lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:  # noqa: ANN401 - SQLite's own types
        """Return the first row of a query."""
        with self.lock:
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def number(self, sql: str, *values: Any) -> int:  # noqa: ANN401 - SQLite's own types
        """Return the first column of the first row, 0 for nothing."""
        found = self.row(sql, *values)
        return int(found[0] or 0) if found is not None else 0

    def run(self, sql: str, *values: Any) -> int:  # noqa: ANN401 - SQLite's own types
        """Run a statement; return the number of rows changed."""
        with self.lock:
            return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, values: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement once for each tuple of values."""
        with self.lock:
            self._connection.executemany(sql, values)


def _opened(path: Path | None, *, read_only: bool) -> sqlite3.Connection:
    if path is None:
        target = ":memory:"
    elif read_only:
        target = f"{path.resolve().as_uri()}?mode=ro"
    else:
        # The file holds personal data: only its owner may read it. A link could lead anywhere and is not followed.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
        target = (path.parent.resolve() / path.name).as_uri()
    connection = sqlite3.connect(target, uri=path is not None, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        _check(connection, read_only=read_only)
        if path is not None and not read_only:
            for suffix in ("", "-wal", "-shm"):
                file = Path(f"{path}{suffix}")
                if file.exists():
                    file.chmod(0o600)
        if not read_only:
            _prepare(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, *, read_only: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION and (_has_tables(connection) or read_only):
        message = f"it is not a sandbox database of this version (schema {version}, not {SCHEMA_VERSION})"
        raise sqlite3.DatabaseError(message)


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = MEMORY")
    if not _has_tables(connection):
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    connection.executescript(f"BEGIN; {_ADDED_TABLES} COMMIT;")


def emptied(store: Store) -> None:
    """Delete everything except the keys."""
    with store.transaction():
        for table in _EMPTIED:
            store.run(f"DELETE FROM {table}")  # noqa: S608 - names of our own


def memory_or_file(text: str | None) -> Path | None:
    """Read a `--database` value: nothing and `:memory:` mean in memory."""
    return None if text in {None, "", ":memory:"} else Path(str(text)).expanduser()
