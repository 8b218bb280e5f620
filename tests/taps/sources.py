"""Where the taps read from: files, and servers that are started for the tests. All of them hold the same people."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADA: dict[str, Any] = {
    "email": "ada@example.com",
    "first_name": "Zoë",
    "city": "London",
    "custom_fields": {
        "ltv": 19.99,
        "points": 12345678.125,
        "visits": 3,
        "joined_at": "2024-02-29T10:00:00Z",
        "is_vip": "true",
    },
    "lists": ["Everybody"],
}
"""What becomes of the first row of each source."""

GRACE = {"email": "grace@example.com", "lists": ["Everybody"]}
"""What becomes of the second row, of which all columns that may be empty are."""

JOAN = {"email": "joan@example.com", "custom_fields": {"ltv": 0.07}, "lists": ["Everybody"]}
"""What becomes of the row that `Source.add` adds."""

_AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""Credentials for a server that asks for some and checks none."""

_ROLE = {"account_id": "123456789012", "external_id": "none", "role_name": "reader"}
"""The settings with which singer-io's taps ask AWS for a role."""

_CSV_HEADER = "Id,Email,First name,City,LTV,Points,Visits,Joined at,Is VIP,Born,Note\r\n"

_CSV = (
    "\ufeff"  # as spreadsheets write it
    + _CSV_HEADER
    + "1,ada@example.com,Zoë,London,19.99,12345678.125,3,2024-02-29T10:00:00Z,true,1815-12-10,"
    + '"a ""note"",\r\nof two lines"\r\n'
    + "2,grace@example.com,,,,,,,,,\r\n"
)

_CSV_OF_JOAN = _CSV_HEADER + "3,joan@example.com,,,0.07,,,,,,\r\n"

_DOCUMENTS: list[dict[str, Any]] = [
    {
        "id": 1,
        "email": "ada@example.com",
        "given_name": "Zoë",
        "profile": {"home": {"city": "London"}},
        "ltv": 19.99,
        "points": 12345678.125,
        "visits": 3,
        "joined_at": "2024-02-29T12:00:00+02:00",
        "is_vip": True,
        "tags": ["a", "b"],
        "note": "text",
    },
    {"id": 2, "email": "grace@example.com", "note": 7},
]

_DOCUMENT_OF_JOAN: dict[str, Any] = {"id": 3, "email": "joan@example.com", "ltv": 0.07}

_POSTGRES_TABLE = """
CREATE TABLE customers (
    id integer PRIMARY KEY, email text, given_name varchar(40), profile jsonb, ltv numeric(10, 2), points numeric,
    visits numeric(5), joined_at timestamptz, is_vip boolean,
    born date, seen timestamp, opens time, odd numeric, ratio double precision, tags text[], scores integer[],
    account uuid, note json, photo bytea);
INSERT INTO customers VALUES
    (1, 'ada@example.com', 'Zoë', '{"home": {"city": "London"}}', 19.99, 12345678.125, 3,
        '2024-02-29 12:00:00+02', true, '1815-12-10', '2024-02-29 12:00:00', '10:00', 'NaN', 'NaN', '{a,b}', '{1,2}',
        '6f1e9f0e-93a5-4c1e-8d0c-7b5b6a4f1c11', '[1]', 'x');
INSERT INTO customers (id, email) VALUES (2, 'grace@example.com');
SELECT pg_create_logical_replication_slot('pipelinewise_postgres', 'wal2json');
"""

_MARIADB_TABLE = """
CREATE TABLE customers (
    id int PRIMARY KEY, email varchar(200), given_name varchar(40), city varchar(40), ltv decimal(10, 2),
    points decimal(20, 3), visits decimal(5), joined_at datetime, is_vip tinyint(1),
    born date, opens time, ratio double, size bigint unsigned, kind enum('a', 'b'), flags bit(1), note json);
INSERT INTO customers VALUES
    (1, 'ada@example.com', 'Zoë', 'London', 19.99, 12345678.125, 3, '2024-02-29 10:00:00', 1,
        '1985-12-10', '10:00', 0.1, 18446744073709551615, 'a', 1, '[1]');
INSERT INTO customers (id, email) VALUES (2, 'grace@example.com');
"""

_SQL_OF_JOAN = "INSERT INTO customers (id, email, ltv) VALUES (3, 'joan@example.com', 0.07);"


def _no_sql(_: str) -> None:
    message = "The source is not a database."
    raise NotImplementedError(message)


class Source(NamedTuple):
    """What a tap reads from.

    Attributes:
        config: The settings that say where it is, for all taps that read it.
        add: Adds a person.
        environment: Variables that the tap needs.
        run_sql: Runs SQL, if the source is a database.
    """

    config: dict[str, Any]
    add: Callable[[], None]
    environment: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    run_sql: Callable[[str], None] = _no_sql


def csv_files(folder: Path) -> Source:
    """A folder with a CSV file; another one is added."""
    (folder / "1.csv").write_text(_CSV, encoding="utf-8", newline="")

    def add() -> None:
        path = folder / "2.csv"
        path.write_text(_CSV_OF_JOAN, encoding="utf-8", newline="")
        newer = (folder / "1.csv").stat().st_mtime + 60
        os.utime(path, (newer, newer))  # taps compare seconds

    file = {"path": str(folder / "*.csv"), "format": "csv", "table_name": "people", "primary_keys": ["id"]}
    return Source({"files": [file]}, add)


def jsonl_file(folder: Path) -> Source:
    """A file of JSON lines, to which one is added."""
    path = folder / "people.jsonl"
    path.write_text("".join(f"{json.dumps(document)}\n" for document in _DOCUMENTS), encoding="utf-8")

    def add() -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_DOCUMENT_OF_JOAN) + "\n")
        newer = path.stat().st_mtime + 60
        os.utime(path, (newer, newer))

    return Source({"path": str(path), "stream_name": "people", "primary_keys": ["id"]}, add)


def s3_bucket(endpoint: str) -> Source:
    """A bucket with a CSV file; another one is added."""

    def put(name: str, content: str) -> None:
        _request(endpoint, "s3", "PUT", name, content)

    put("people", "")  # the bucket
    put("people/1.csv", _CSV)
    table = {
        "table_name": "people",
        "search_prefix": "",
        "search_pattern": ".csv",
        "key_properties": "Id",
        "date_overrides": "Joined at",
        "delimiter": ",",
    }
    config = {"start_date": "2000-01-01T00:00:00Z", "bucket": "people", "tables": json.dumps([table])}
    environment = {"AWS_ENDPOINT_URL": endpoint, **_AWS}
    return Source(_ROLE | config, lambda: put("people/2.csv", _CSV_OF_JOAN), environment)


def dynamodb_table(endpoint: str) -> Source:
    """A table, to which an item is added."""

    def call(operation: str, **parameters: Any) -> None:
        target = {"X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        _request(endpoint, "dynamodb", "POST", "", json.dumps(parameters), **target)

    def put(document: dict[str, Any]) -> None:
        call("PutItem", TableName="people", Item=_attribute(document)["M"])

    call(
        "CreateTable",
        TableName="people",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for document in _DOCUMENTS:
        put(document)
    config = _ROLE | {"region_name": _AWS["AWS_DEFAULT_REGION"]}
    return Source(config, lambda: put(_DOCUMENT_OF_JOAN), {"AWS_ENDPOINT_URL": endpoint, **_AWS})


@contextlib.contextmanager
def aws_server() -> Iterator[str]:
    """A server that answers like S3, DynamoDB and STS. Yields its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextlib.contextmanager
def postgres_server() -> Iterator[Source]:
    """A PostgreSQL server with a table, whose changes can be read from its log too."""
    programs = max(Path("/usr/lib/postgresql").glob("*/lib/wal2json.so")).parents[1] / "bin"
    port, password = _free_port(), secrets.token_hex()
    with _folder("postgres") as (folder, user):
        data, log = folder / "data", folder / "log"
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c wal_level=logical"
        client = [str(programs / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-h", str(folder), "-p", str(port)]

        def run(program: str, *arguments: str) -> None:
            subprocess.run([programs / program, "-D", data, *arguments], check=True, stdout=subprocess.DEVNULL, **user)

        def run_sql(sql: str) -> None:
            command = [*client, "-U", "postgres"]
            subprocess.run(command, input=sql.encode(), check=True, stdout=subprocess.DEVNULL)

        # The folder is closed to other users, and so the socket in it needs no password.
        run("initdb", "--auth-local=trust", "--auth-host=scram-sha-256", "--username=postgres", "--no-sync")
        run("pg_ctl", "start", "--wait", "-l", str(log), "-o", options)
        try:
            run_sql(f"ALTER ROLE postgres PASSWORD '{password}'; {_POSTGRES_TABLE}")
            config = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": password}
            yield Source(config, lambda: run_sql(_SQL_OF_JOAN), run_sql=run_sql)
        finally:
            run("pg_ctl", "stop", "-m", "immediate")


@contextlib.contextmanager
def mariadb_server() -> Iterator[Source]:
    """A MariaDB server with a table, whose changes can be read from its log too."""
    port, password = _free_port(), secrets.token_hex()
    with _folder("mysql") as (folder, user):
        data, socket_file = f"--datadir={folder / 'data'}", f"--socket={folder / 'socket'}"
        client = ["--no-defaults", socket_file]
        owner = f"--auth-root-socket-user={getpass.getuser()}"  # who needs no password at the socket
        install = ["mariadb-install-db", "--no-defaults", data, owner]
        listening = [f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve"]
        logging = ["--server-id=1", "--log-bin=changes", "--binlog-format=ROW"]
        start = ["mariadbd", "--no-defaults", data, socket_file, *listening, *logging]

        def run_sql(sql: str) -> None:
            command = ["mariadb", *client, "--default-character-set=utf8mb4", "test"]
            subprocess.run(command, input=sql.encode(), check=True)

        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, **user)
        with (folder / "log").open("wb") as log, subprocess.Popen(start, stderr=log, **user) as server:
            try:
                subprocess.run(["mariadb-admin", *client, "--wait=30", "ping"], check=True, stdout=subprocess.DEVNULL)
                account = f"CREATE USER tap@127.0.0.1 IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO tap@127.0.0.1;"
                run_sql(account + _MARIADB_TABLE)
                config = {"host": "127.0.0.1", "port": port, "user": "tap", "password": password, "database": "test"}
                yield Source(config, lambda: run_sql(_SQL_OF_JOAN), run_sql=run_sql)
            finally:
                server.kill()


@contextlib.contextmanager
def _folder(owner: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Make a folder for a server, which may not run as root.

    Args:
        owner: Name of the user that a server of root runs as.

    Yields:
        The folder, and the arguments of `subprocess` for that user.
    """
    # Not in pytest's own folder, which other users can't enter.
    with tempfile.TemporaryDirectory() as name:
        user: dict[str, Any] = {"cwd": name}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(owner)
            user |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            shutil.chown(name, owner)
        yield Path(name), user


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _request(endpoint: str, service: str, method: str, path: str, body: str, **headers: str) -> None:
    """Send a request to `aws_server`, which looks at the signature's scope and not at the signature."""
    scope = f"Credential={_AWS['AWS_ACCESS_KEY_ID']}/20200101/{_AWS['AWS_DEFAULT_REGION']}/{service}/aws4_request"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"
    requests.request(method, f"{endpoint}/{path}", data=body.encode(), headers=headers, timeout=30).raise_for_status()


def _attribute(value: object) -> dict[str, Any]:
    """Return a value as DynamoDB writes it."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": str(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, list):
        return {"L": [_attribute(item) for item in value]}
    assert isinstance(value, dict)
    return {"M": {name: _attribute(item) for name, item in value.items()}}
