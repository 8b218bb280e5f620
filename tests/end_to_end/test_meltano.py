"""`meltano run` as a user types it, on a copy of this project, with the target of this environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.readme import blocks
from tests.harness.runs import QUICK, SCRIPTS

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = Path(".meltano") / "sandbox.db"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project whose loader is the installed one, so that Meltano has nothing to install."""
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    meltano = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    (tmp_path / "meltano.yml").write_text(re.sub(r"    pip_url: .*\n", "", meltano), encoding="utf-8")
    return tmp_path


def meltano(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MELTANO")}
    environment |= {"PATH": os.pathsep.join([str(SCRIPTS), os.environ["PATH"]]), "NO_COLOR": "1"} | variables
    return subprocess.run(
        [str(SCRIPTS / "meltano"), *arguments],
        cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def account(project: Path) -> list[dict[str, Any]]:
    with SandboxServer(database=project / ACCOUNT, options=QUICK) as sandbox:
        return sandbox.contacts()


def test_the_demo_fills_both_lists_and_a_second_run_sends_nothing(project: Path) -> None:
    first = meltano(project, "run", "demo")
    assert first.returncode == 0, first.stderr
    (shown,) = blocks("## Quick start", "text")
    log = re.sub(r"done in [0-9.]+ s", "done in 2.4 s", first.stderr)
    assert [line for line in shown.splitlines() if line != "..." and line not in log] == []
    contacts = account(project)
    lists = [name for contact in contacts for name in contact["lists"]]
    assert (lists.count("Newsletter subscribers"), lists.count("Recent customers"), len(contacts)) == (690, 449, 990)

    again = meltano(project, "run", "demo")
    assert again.returncode == 0, again.stderr
    assert "0 distinct profiles, 0 import jobs" in again.stderr

    whole = meltano(project, "run", "--full-refresh", "demo")
    assert whole.returncode == 0, whole.stderr
    assert account(project) == contacts


def test_the_check_writes_its_findings_and_nothing_else(project: Path) -> None:
    checked = meltano(project, "invoke", "target-sendgrid:check")
    assert checked.returncode == 0, checked.stderr
    assert "ok       The list 'Recent customers' is missing: a run would create it." in checked.stdout
    assert not (project / ACCOUNT).exists()
    failed = meltano(project, "invoke", "target-sendgrid:check", TARGET_SENDGRID_CREATE_LIST="false")
    assert failed.returncode == 1
    assert "error    SendGrid has no list named 'Recent customers', and `create_list` is false." in failed.stdout


def test_a_dry_run_writes_nothing_and_leaves_the_state_as_it_is(project: Path) -> None:
    dry = meltano(project, "run", "demo", TARGET_SENDGRID_DRY_RUN="true")
    assert dry.returncode == 0, dry.stderr
    assert "712 received, 692 would be upserted (692 created, 0 updated, 0 unchanged), 12 duplicates" in dry.stderr
    assert "Nothing was written to SendGrid, and no state." in dry.stderr
    assert not (project / ACCOUNT).exists()
    first = meltano(project, "run", "demo")
    assert "712 received, 690 upserted" in first.stderr


def test_a_wrong_setting_is_named_in_meltanos_log(project: Path) -> None:
    run = meltano(project, "run", "demo", TARGET_SENDGRID_LIST_NAME="x" * 101)
    assert run.returncode == 1
    assert "`list_name` is longer than the 100 characters" in run.stderr
    assert "BrokenPipeError" not in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) < 20, run.stderr


def test_the_production_environment_asks_for_key_and_consent(project: Path) -> None:
    run = meltano(project, "--environment", "production", "run", "demo")
    assert run.returncode == 1
    assert "The setting `api_key` is missing" in run.stderr
    assert "Set `data_privacy_consent` to true" in run.stderr


def test_an_empty_variable_does_not_send_to_sendgrid_what_is_for_the_sandbox(project: Path) -> None:
    run = meltano(project, "run", "demo", TARGET_SENDGRID_API_URL="", TARGET_SENDGRID_DATA_PRIVACY_CONSENT="true")
    assert run.returncode == 1
    assert "The setting `api_url` is empty. Leave it out." in run.stderr


def test_other_empty_texts_are_as_if_not_given_and_no_cap_is_said_by_zero(project: Path) -> None:
    empty = dict.fromkeys(["LIST_NAME", "REPORT_PATH", "API_KEY", "FLATTENING_SEPARATOR"], "")
    variables = {f"TARGET_SENDGRID_{name}": value for name, value in (empty | {"PROFILE_CAP": "0"}).items()}
    run = meltano(project, "run", "demo", **variables)
    assert run.returncode == 0, run.stderr
    assert len(account(project)) == 990
