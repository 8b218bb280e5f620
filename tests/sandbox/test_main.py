"""The command line, as a process of its own."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from target_sendgrid.sandbox.options import Options, help_texts
from target_sendgrid.sandbox.server import SandboxServer
from tests.sandbox.client import MARKETING, TIMEOUT_SECONDS, Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-m", "target_sendgrid.sandbox"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [*COMMAND, "serve", "--port", "0", "--ready-json", "--until-stdin-closes", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process, json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_ready_json_is_one_line_after_which_requests_are_answered(tmp_path: Path) -> None:
    database = str(tmp_path / "account.db")
    with serving("--database", database) as (process, ready):
        headers = {"Authorization": f"Bearer {ready['api_key']}"}
        response = requests.get(f"{ready['url']}/v3/scopes", headers=headers, timeout=TIMEOUT_SECONDS)
        assert response.status_code == 200
        assert ready["database"] == database
        assert process.poll() is None


def test_a_database_outlives_its_sandbox_and_can_be_shown(tmp_path: Path) -> None:
    database = str(tmp_path / "account.db")
    with serving("--database", database, "--quick") as (_, ready):
        seed = {"contacts": [{"email": "ada@example.com", "lists": ["People"]}]}
        url, headers = f"{ready['url']}/_sandbox/seed", {"Sandbox-Token": ready["token"]}
        requests.post(url, json=seed, headers=headers, timeout=TIMEOUT_SECONDS).raise_for_status()
    with serving("--database", database) as (_, again):
        assert again["api_key"] == ready["api_key"]
    shown = run("show", "--database", database)
    assert "1 contacts" in shown.stdout
    assert "list 'People': 1 contacts" in shown.stdout
    assert json.loads(run("show", "--database", database, "--json").stdout)["contacts"] == 1


def test_a_database_shows_who_is_suppressed_or_erased(tmp_path: Path) -> None:
    database = tmp_path / "account.db"
    with SandboxServer(database=database) as sandbox:
        sandbox.suppress("ada@example.com", "joe@example.com")
        sandbox.suppress("ada@example.com", group_id=sandbox.add_group("News"))
    shown = run("show", "--database", str(database)).stdout
    assert "suppressed from all mail: 2, erased addresses: 0" in shown
    assert "  group 'News': 1 suppressions (1)" in shown
    found = json.loads(run("show", "--database", str(database), "--json").stdout)
    assert (found["suppressed"], found["groups"]) == (2, [{"name": "News", "id": 1, "suppressed": 1}])


def test_a_database_of_an_earlier_release_can_be_shown_and_served(tmp_path: Path) -> None:
    database = tmp_path / "account.db"
    with SandboxServer(database=database) as sandbox:
        for table in ("suppressions", "suppression_groups", "erasures"):
            sandbox.store.run(f"DROP TABLE {table}")
        earlier = ["mail.send", "marketing.read", "marketing.automation.read", "asm.groups.read"]
        sandbox.store.run("UPDATE keys SET scopes = ?", json.dumps(earlier, separators=(",", ":")))
        own_key = sandbox.add_key(("mail.send",))
    assert "suppressed from all mail: 0, erased addresses: 0" in run("show", "--database", str(database)).stdout
    with SandboxServer(database=database) as sandbox, Client(sandbox) as client:
        assert client.call("GET", "/v3/suppression/unsubscribes").json() == []
        headers = {"Authorization": f"Bearer {own_key}"}
        assert client.call("GET", "/v3/scopes", headers=headers).json() == {"scopes": ["mail.send"]}


def test_sigterm_ends_it_cleanly() -> None:
    with serving() as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_switches_are_flags() -> None:
    flags = ["--quick", "--overlong", "400", "--unknown-list-status", "400", "--no-rate-limit-enabled"]
    flags += ["--errors-file-columns", "email,reason", "--contact-quota", "9"]
    with serving(*flags) as (_, ready):
        url, headers = f"{ready['url']}/_sandbox/options", {"Sandbox-Token": ready["token"]}
        options = requests.get(url, headers=headers, timeout=TIMEOUT_SECONDS).json()
    assert (options["overlong"], options["unknown_list_status"], options["contact_quota"]) == ("400", 400, 9)
    assert options["errors_file_columns"] == ["email", "reason"]
    assert not options["rate_limit_enabled"]
    assert (options["job_final_after_seconds"], options["field_ready_after_seconds"]) == (0.2, 0.0)


def test_without_ready_json_it_says_how_to_use_it() -> None:
    command = [*COMMAND, "serve", "--port", "0", "--until-stdin-closes", "--key", "SG.my.key"]
    finished = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0
    assert "export TARGET_SENDGRID_API_URL=http://127.0.0.1:" in finished.stdout
    assert "export TARGET_SENDGRID_API_KEY=SG.my.key" in finished.stdout


def test_the_first_address_that_it_prints_is_that_of_the_api_and_a_later_one_the_link_to_the_page() -> None:
    command = [*COMMAND, "serve", "--port", "0", "--until-stdin-closes"]
    finished = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    first, *rest = re.findall(r"http://[^\s]+", finished.stdout)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", first)
    assert finished.stdout.startswith(f"The SendGrid sandbox listens on {first} ")
    assert re.fullmatch(re.escape(first) + r"/\?token=[\w-]{43}", rest[0])
    assert "token" not in " ".join(rest[1:])


def test_an_api_alone_prints_no_link() -> None:
    command = [*COMMAND, "serve", "--port", "0", "--until-stdin-closes", "--api-only"]
    finished = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    assert "token" not in finished.stdout
    with serving("--api-only") as (_, ready):
        assert ready["token"] is None
        assert requests.get(f"{ready['url']}/_sandbox/health", timeout=TIMEOUT_SECONDS).status_code == 404


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        finished = run("serve", "--port", port)
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"Error: The sandbox cannot listen on port {port}")
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "show"])
def test_an_unopenable_database_is_one_sentence(tmp_path: Path, command: str) -> None:
    finished = run(command, "--database", str(tmp_path / "nowhere" / "account.db"))
    assert finished.returncode == 1
    assert finished.stderr.startswith("Error: The sandbox database")
    assert finished.stderr.count("\n") == 1


def test_a_value_that_a_switch_does_not_take_is_one_sentence() -> None:
    finished = run("serve", "--port", "0", "--contact-quota", "many")
    assert finished.returncode == 1
    assert "contact_quota" in finished.stderr


def test_coverage_names_routes_and_gaps() -> None:
    finished = run("coverage")
    assert f"PUT {MARKETING}/contacts" in finished.stdout
    assert "CSV import." in finished.stdout


def test_every_switch_has_a_flag_and_a_help_text() -> None:
    text = run("serve", "--help").stdout
    assert all(f"--{name.replace('_', '-')}" in text for name in Options().as_dict())
    assert all(help_texts().values())


@pytest.mark.parametrize("arguments", [["--help"], ["serve"], ["coverage"]])
def test_without_the_extra_it_says_what_to_install(arguments: list[str]) -> None:
    program = "import sys; sys.modules['flask'] = None; from target_sendgrid.sandbox.__main__ import main; main()"
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "the module 'flask' is missing. Install the target with its extra `sandbox`" in finished.stderr
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "show"])
def test_a_database_can_be_named_as_in_the_setting_api_url(tmp_path: Path, command: str) -> None:
    database = tmp_path / "people account.db"
    with serving("--database", f"sandbox:{database}") as (_, ready):
        assert ready["database"] == str(database)
    assert database.is_file()
    assert run("show", "--database", f"sandbox:{database}").stdout == run("show", "--database", str(database)).stdout
    for address in ("sandbox", "sandbox:", "https://api.sendgrid.com"):
        finished = run(command, "--database", address)
        assert finished.returncode == 2
        assert "This `api_url` names no file." in finished.stderr
