"""The file of a snapshot: who was settled on which list, and who was erased, as keyed hashes in an SQLite database.

It belongs to one run at a time: SQLite's own lock of the file, which ends with the process, is held from start to end.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sqlite3
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from target_sendgrid.audience.fingerprints import Hashes, tables
from target_sendgrid.errors import Code, ConfigError, LocalFileError, Problem
from target_sendgrid.wording import words_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Collection, Iterable, Iterator

ERASED_DAYS = 90
"""How long erased people are remembered."""

_APPLICATION_ID = 0x54534753
_VERSION = 1
_SALT_BYTES = 16
_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID_AT = 68
"""Place of the application id in the first page of a database."""

_SCHEMA = (
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_VERSION}",
    "CREATE TABLE made_for (salt BLOB NOT NULL, account BLOB NOT NULL, check_value BLOB NOT NULL)",
    "CREATE TABLE lists (number INTEGER PRIMARY KEY, list_id TEXT NOT NULL UNIQUE)",
    """CREATE TABLE people (
        person INTEGER, list INTEGER, value INTEGER NOT NULL, place INTEGER NOT NULL, day INTEGER NOT NULL,
        PRIMARY KEY (person, list)
    ) WITHOUT ROWID""",
    "CREATE TABLE aliases (alias INTEGER, person INTEGER, PRIMARY KEY (alias, person)) WITHOUT ROWID",
    "CREATE TABLE erased (person INTEGER PRIMARY KEY, day INTEGER NOT NULL)",
)
"""`aliases` has the further identifiers of people, by which they may leave a list.

A day is a number of days since 1970. The fingerprints of `people` are of the contact alone: those of one contact on two
lists are the same.
"""

_KEEP = "INSERT OR REPLACE INTO people VALUES (?, ?, ?, ?, ?)"
_FORGET_ALIASES = """DELETE FROM aliases WHERE person NOT IN (SELECT person FROM people)
    AND alias NOT IN (SELECT person FROM people)"""
_FORGET_OTHERS = "DELETE FROM people WHERE person = ? AND value != ?"


class SnapshotFile:
    """An open file, and what it holds of people who were settled or erased not too long ago.

    Args:
        path: The file. It is made where it is missing, unless it is only read.
        account: Names the account: a file is for one account alone.
        api_key: The account's key.
        today: The present day.
        max_age_days: After so many days people are forgotten.
        reads_only: Whether nothing is to be written.

    Raises:
        ConfigError: It is another account's, another run uses it, or it is no snapshot.
        LocalFileError: It can't be opened.
    """

    def __init__(
        self, path: str, account: str, api_key: str, *, today: int, max_age_days: int, reads_only: bool
    ) -> None:
        self._label = path
        self._account = account
        self._api_key = api_key
        self._first_day, self._today = today - max_age_days + 1, today
        self._reads_only = reads_only
        self.warning: Problem | None = None
        """Why nothing of the file can be used, so that everybody is sent; ``None`` where all is well."""
        self.is_new = True
        """Whether there was no file."""
        self.hashes = Hashes(api_key, b"")
        self.tables: dict[str, array[int]] = {}
        """The fingerprints of those who were settled (`tables`), by the id of their list."""
        self.erased: set[int] = set()
        """Hashes of what is remembered of those who were erased (`erased_names`)."""
        self.has_aliases = False
        """Whether somebody is known by several identifiers."""
        self._db = sqlite3.connect(":memory:", isolation_level=None)  # in place of a file that can't be used
        try:
            self._path = Path(path).expanduser()
            has_content = _check(self._path, path, reads_only=reads_only)
        except (OSError, ValueError, RuntimeError) as error:  # a null byte is a ValueError, no home a RuntimeError
            message = f"`snapshot_path`: {path} can't be used: {words_of(error)}."
            raise LocalFileError(message, "Check that the folder exists, and that the file is yours or new.") from None
        try:
            self._open(has_content=has_content)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, and free it for other runs."""
        self._db.close()

    def people_count(self) -> int:
        """Return the number of people."""
        sql = "SELECT COUNT(DISTINCT person) FROM people WHERE day BETWEEN ? AND ?"
        ((count,),) = self._rows(sql, (self._first_day, self._today))
        return count

    def people_with(self, alias: int) -> list[int]:
        """Return those who have a further identifier, by its hash."""
        return [person for (person,) in self._rows("SELECT person FROM aliases WHERE alias = ?", (alias,))]

    def present(self, people: Iterable[int]) -> list[int]:
        """Return those of some people who are in the file."""
        sql = "SELECT person FROM people WHERE person = ? LIMIT 1"
        return [found for person in people for (found,) in self._rows(sql, (person,))]

    def keep(self, people: Iterable[tuple[int, str, int, int]], aliases: Iterable[tuple[int, int]]) -> None:
        """Keep people who are settled.

        Args:
            people: Person, list, value and place of the fingerprint. In the order of persons this is fastest.
            aliases: Further identifiers, each with its person.
        """
        with self._transaction() as db:
            numbers: dict[str, int] = {}

            def number_of(list_id: str) -> int:
                if list_id not in numbers:
                    db.execute("INSERT OR IGNORE INTO lists (list_id) VALUES (?)", (list_id,))
                    (numbers[list_id],) = db.execute(
                        "SELECT number FROM lists WHERE list_id = ?", (list_id,)
                    ).fetchone()
                return numbers[list_id]

            rows = ((person, number_of(list_id), value, place, self._today) for person, list_id, value, place in people)
            db.executemany(_KEEP, rows)
            db.executemany("INSERT OR IGNORE INTO aliases VALUES (?, ?)", aliases)

    def forget_others(self, values: Iterable[tuple[int, int]]) -> None:
        """Forget what was settled of people, but for contacts with these fingerprints.

        Args:
            values: Person, and value of the fingerprint. In the order of persons this is fastest.
        """
        with self._transaction() as db:
            db.executemany(_FORGET_OTHERS, values)

    def forget(self, people: Iterable[int], list_ids: Collection[str] | None) -> None:
        """Forget people on some lists; ``None`` is for all lists."""
        with self._transaction() as db:
            if list_ids is None:
                db.executemany("DELETE FROM people WHERE person = ?", ((person,) for person in people))
                return
            sql = "DELETE FROM people WHERE person = ? AND list = (SELECT number FROM lists WHERE list_id = ?)"
            db.executemany(sql, ((person, list_id) for person in people for list_id in list_ids))

    def keep_erased(self, people: Iterable[int]) -> None:
        """Keep who is erased, by the hashes of `erased_names`."""
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO erased VALUES (?, ?)", ((person, self._today) for person in people))

    def forget_erased(self, people: Iterable[int]) -> None:
        """Forget that people were erased."""
        with self._transaction() as db:
            db.executemany("DELETE FROM erased WHERE person = ?", ((person,) for person in people))

    # Opening

    def _open(self, *, has_content: bool) -> None:
        """Connect to the file, and replace it where it can't be used.

        Raises:
            ConfigError: It is another account's, or another run uses it.
            LocalFileError: It can't be written.
        """
        if has_content:
            self.is_new = False
            try:
                self._connect()
                self.warning = self._unusable()
                if self.warning is None:
                    self._load()
                    return
            except sqlite3.DatabaseError as error:
                if _is_locked(error):
                    raise self._in_use() from None
                if isinstance(error, sqlite3.OperationalError) and not self._reads_only:  # such as a full disk
                    raise self._failed("used", error) from None
                self.warning = self._damaged(error)
            self.close()
        try:
            self._make(replaces=has_content)
        except (OSError, sqlite3.Error) as error:
            if _is_locked(error):
                raise self._in_use() from None
            raise self._failed("made", error) from None

    def _connect(self) -> None:
        """Connect, and keep others from using the file until it is closed."""
        mode = "ro" if self._reads_only else "rw"
        self._db = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}", uri=True, isolation_level=None, timeout=0
        )
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        if not self._reads_only:
            self._db.execute("BEGIN EXCLUSIVE")
            self._db.execute("COMMIT")

    def _unusable(self) -> Problem | None:
        """Return why the content can't be used.

        Raises:
            ConfigError: It is another account's.
        """
        db = self._db
        if db.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            what = f"`snapshot_path`: {self._label} is of another version of this target"
            return Problem(f"{what}: everybody is sent once more, and nobody knows any more who was erased.")
        made_for = db.execute("SELECT salt, account, check_value FROM made_for").fetchone()
        if made_for is None:
            message = "a row is missing"
            raise sqlite3.DatabaseError(message)
        salt, account, check_value = made_for
        if account != _account_hash(self._account, salt):
            what = f"`snapshot_path`: {self._label} is of another account, region, subuser or sandbox."
            next_step = "Give each account a file of its own, or delete this one: everybody is then sent once more."
            raise ConfigError(Problem(what, next_step), code=Code.SNAPSHOT)
        self.hashes = Hashes(self._api_key, salt)
        if check_value == self.hashes.check_value:
            return None
        has_erased = db.execute("SELECT 1 FROM erased LIMIT 1").fetchone() is not None
        forgets = ", and who was erased is forgotten" if has_erased else ""
        what = (
            f"`snapshot_path`: {self._label} was made with another API key, without which it says nothing: everybody is"
            f" sent once more{forgets}."
        )
        return Problem(what, "If it is of another account, give each account a file of its own.")

    def _load(self) -> None:
        """Read what the file holds, and forget what is too old."""
        db, days = self._db, (self._first_day, self._today)
        first_erased = self._today - ERASED_DAYS
        if not self._reads_only:
            db.execute("BEGIN")
            # A day to come is of a clock that was wrong.
            if db.execute("DELETE FROM people WHERE day NOT BETWEEN ? AND ?", days).rowcount:
                db.execute(_FORGET_ALIASES)
            db.execute("DELETE FROM erased WHERE day < ?", (first_erased,))
            db.execute("COMMIT")
        names = dict(db.execute("SELECT number, list_id FROM lists").fetchall())
        sql = "SELECT list, COUNT(*) FROM people WHERE day BETWEEN ? AND ? GROUP BY list"
        counts = dict(db.execute(sql, days).fetchall())
        rows = db.execute("SELECT list, value, place FROM people WHERE day BETWEEN ? AND ?", days)
        self.tables = {names[number]: values for number, values in tables(counts, rows).items()}
        self.erased = {person for (person,) in db.execute("SELECT person FROM erased WHERE day >= ?", (first_erased,))}
        self.has_aliases = db.execute("SELECT 1 FROM aliases LIMIT 1").fetchone() is not None

    def _make(self, *, replaces: bool) -> None:
        """Make the file, or replace it; where nothing is to be written, make an empty one in memory.

        Args:
            replaces: Whether there is a file that can't be used. Any other may be one that another run has just made.
        """
        if self._reads_only:
            self._db = sqlite3.connect(":memory:", isolation_level=None)
        else:
            if replaces:
                for path in (self._path, Path(f"{self._path}-journal")):
                    path.unlink(missing_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            self._connect()
        salt = os.urandom(_SALT_BYTES)
        self.hashes = Hashes(self._api_key, salt)
        with self._transaction() as db:
            for sql in _SCHEMA:
                db.execute(sql)
            row = (salt, _account_hash(self._account, salt), self.hashes.check_value)
            db.execute("INSERT INTO made_for VALUES (?, ?, ?)", row)

    def _rows(self, sql: str, values: tuple[int, ...]) -> list[tuple[int]]:
        """Return what a query finds.

        Raises:
            LocalFileError: The file can't be read.
        """
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed("read", error) from None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all of something or nothing.

        Raises:
            LocalFileError: It can't be written.
        """
        db = self._db
        try:
            db.execute("BEGIN")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._failed("written", error) from None

    def _damaged(self, error: sqlite3.DatabaseError) -> Problem:
        """Return what is wrong with a file that can't be read."""
        if "readonly" in str(error):
            what = f"`snapshot_path`: a run was killed while it wrote {self._label}, which only a run can complete"
            return Problem(f"{what}: here, everybody counts as new.", "Run without `dry_run`, and nothing is lost.")
        what = f"`snapshot_path`: {self._label} is damaged ({error})"
        return Problem(f"{what}: everybody is sent once more, and nobody knows any more who was erased.")

    def _failed(self, verb: str, error: Exception) -> LocalFileError:
        why = words_of(error) if isinstance(error, OSError) else str(error)  # SQLite's own words quote no value
        what = f"`snapshot_path`: {self._label} can't be {verb}: {why}."
        return LocalFileError(what, "Make room on its disk, or delete it: everybody is then sent once more.")

    def _in_use(self) -> ConfigError:
        what = f"`snapshot_path`: another run uses {self._label}."
        next_step = f"Wait until it has ended, and run again. `fuser {self._label}` shows its process."
        return ConfigError(Problem(what, next_step), code=Code.SNAPSHOT)


def _check(path: Path, label: str, *, reads_only: bool) -> bool:
    """Check that a file may be used, and close it to others; return whether it has content.

    Nothing but a snapshot is ever touched: a wrong path may name a file that somebody needs.

    Raises:
        ConfigError: It is something else than a snapshot.
        OSError: It can't be opened, is not a plain file of ours, or can't be made.
    """
    access = os.O_RDONLY if reads_only else os.O_RDWR
    try:
        descriptor = os.open(path, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file")
        head = os.pread(descriptor, 100, 0)
        application_id = int.from_bytes(head[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big")
        if head and (not head.startswith(_MAGIC) or application_id != _APPLICATION_ID):
            what = f"`snapshot_path`: {label} is no snapshot, or its beginning is damaged."
            next_step = "Check the path. If it was a snapshot, delete it: everybody is then sent once more."
            raise ConfigError(Problem(what, next_step), code=Code.SNAPSHOT)
        if not reads_only:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return bool(head)


def _is_locked(error: Exception) -> bool:
    return "locked" in str(error)


def _account_hash(account: str, salt: bytes) -> bytes:
    return hashlib.blake2b(account.encode(), digest_size=16, salt=salt, person=b"account").digest()
