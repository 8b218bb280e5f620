"""Starting, stopping and restarting a sandbox, its database, and many callers at once."""

from __future__ import annotations

import ast
import contextlib
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from target_sendgrid.sandbox.account.store import UnusableDatabaseError
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from tests.sandbox.client import MARKETING, TIMEOUT_SECONDS, Client

ADA = {"email": "ada@example.com"}


def test_a_restart_keeps_the_account_its_key_and_its_pending_jobs(tmp_path: Path) -> None:
    database = tmp_path / "account.db"
    with SandboxServer(database=database, manual_clock=True) as sandbox, Client(sandbox) as client:
        key = sandbox.api_key
        field = client.make_field("plan", "Text")
        client.upsert({**ADA, "custom_fields": {field: "gold"}}, lists=[client.make_list()])
        waiting = client.put({"email": "b@example.com"})
    with SandboxServer(database=database, manual_clock=True) as sandbox, Client(sandbox) as client:
        assert sandbox.api_key == key
        assert client.job(waiting)["status"] == "pending"
        client.sandbox.settle()
        assert sandbox.contacts() == [
            {**ADA, "custom_fields": {"plan": "gold"}, "lists": ["People"]},
            {"email": "b@example.com", "lists": []},
        ]


def test_only_the_owner_can_read_the_database(tmp_path: Path) -> None:
    database = tmp_path / "account.db"
    with SandboxServer(database=database):
        assert stat.S_IMODE(database.stat().st_mode) == 0o600


def test_a_database_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    database = tmp_path / "account.db"
    with SandboxServer(database=database):
        pass
    database.chmod(0o644)
    with SandboxServer(database=database):
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("account.db*")} == {0o600}


def test_no_link_is_followed_to_a_database(tmp_path: Path) -> None:
    link = tmp_path / "account.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(UnusableDatabaseError, match="cannot be opened"):
        SandboxServer(database=link)
    assert not (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize("place", ["flask.Flask.dispatch_request", "target_sendgrid.sandbox.account.jobs.apply_due"])
def test_a_failure_of_the_sandbox_is_printed_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], place: str
) -> None:
    def fail(*_: object) -> None:
        message = "canary"
        raise KeyError(message)

    with SandboxServer() as sandbox:
        monkeypatch.setattr(place, fail)
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"{sandbox.url}{MARKETING}/lists", headers=headers, timeout=TIMEOUT_SECONDS)
        monkeypatch.undo()
    printed = capfd.readouterr().err
    assert "The sandbox failed: KeyError at test_server.py:" in printed
    assert "canary" not in printed


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    foreign.write_text("not a database, but a text that is longer than a header " * 10, encoding="utf-8")
    foreign.chmod(0o644)
    before = foreign.read_bytes()
    with pytest.raises(UnusableDatabaseError, match="cannot be opened"):
        SandboxServer(database=foreign)
    assert foreign.read_bytes() == before
    assert stat.S_IMODE(foreign.stat().st_mode) == 0o644


def test_a_key_has_the_shape_of_sendgrids() -> None:
    with SandboxServer() as sandbox:
        parts = sandbox.api_key.split(".")
    assert [len(part) for part in parts] == [2, 22, 43]


def test_a_given_key_is_accepted() -> None:
    with SandboxServer(api_key="SG.my.key") as sandbox, Client(sandbox) as client:
        assert client.call("GET", f"{MARKETING}/lists").status_code == 200


def test_contacts_put_by_several_threads_at_once_all_arrive() -> None:
    options = Options(job_counts_after_seconds=0, job_final_after_seconds=0, rate_limit_enabled=False)
    with SandboxServer(options=options) as sandbox:
        sandbox.seed(lists=["People"])
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        lists = requests.get(f"{sandbox.url}{MARKETING}/lists", headers=headers, timeout=TIMEOUT_SECONDS).json()

        def put(worker: int) -> None:
            with requests.Session() as session:
                for batch in range(5):
                    people = [{"email": f"{worker}-{batch}-{number}@example.com"} for number in range(50)]
                    everybody = [*people, {"email": "shared@example.com", "first_name": str(worker)}]
                    session.put(
                        f"{sandbox.url}{MARKETING}/contacts",
                        json={"list_ids": [lists["result"][0]["id"]], "contacts": everybody},
                        headers=headers,
                        timeout=TIMEOUT_SECONDS,
                    ).raise_for_status()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(8)))
        assert len(sandbox.contacts("People")) == 8 * 5 * 50 + 1
        assert {job["status"] for job in sandbox.jobs()} == {"completed"}


def test_stopping_ends_idle_connections() -> None:
    sandbox = SandboxServer()
    sandbox.start()
    with requests.Session() as session:
        session.get(f"{sandbox.url}/_sandbox/health", timeout=TIMEOUT_SECONDS)
        sandbox.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{sandbox.url}/_sandbox/health", timeout=TIMEOUT_SECONDS)


def test_a_server_that_never_started_can_be_stopped() -> None:
    SandboxServer().stop()


def test_with_a_manual_clock_no_time_passes() -> None:
    with SandboxServer(manual_clock=True, start_time=1_800_000_000.0) as sandbox:
        assert sandbox.now() == 1_800_000_000.0
        sandbox.advance(5)
        assert sandbox.now() == 1_800_000_005.0
        with pytest.raises(ValueError, match="forward"):
            sandbox.advance(-1)


def test_the_sandbox_imports_nothing_else_of_the_target() -> None:
    folder = Path(sys.modules[SandboxServer.__module__].__file__ or "").parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("target_sendgrid") or name.startswith("target_sendgrid.sandbox"), path
