"""Every line of the README's recipes, as a new user copies it: in an empty home folder, with the clone in it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.readme import blocks
from tests.harness.runs import QUICK, SCRIPTS
from tools.docs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_MELTANO, IN_A_SHELL = "### In a Meltano project", "### In a shell"
MAPPING = "### A right mapping in a minute"
BEFORE, BAD_RECORDS = "## Look before you send", "## Bad records"
TARGET = "target-sendgrid --config target.json"
JQ = """\
import json, jq, sys
option, program, path = sys.argv[1:]
for value in jq.compile(program).input_text(open(path).read()):
    print(value if option == "-r" else json.dumps(value))
"""
"""The program `jq`, made of its library, which is a Python package."""

KEY = "SG.your.key"
RUN_ID = "4cb3f1e09d7a2b58"


class Home:
    """A new user's home folder, and a shell there.

    Args:
        folder: The folder, which is empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "target-sendgrid").symlink_to(ROOT)
        self.bin = folder / ".local" / "bin"
        self.bin.mkdir(parents=True)
        for name in ("meltano", "uv"):
            (self.bin / name).symlink_to(SCRIPTS / name)
        (self.bin / "jq").write_text(f"#!{sys.executable}\n{JQ}", encoding="utf-8")
        (self.bin / "jq").chmod(0o755)
        cache = subprocess.run([str(SCRIPTS / "uv"), "cache", "dir"], capture_output=True, text=True, check=True)
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        dropped = ("MELTANO", "TARGET_SENDGRID", "SENDGRID", "VIRTUAL_ENV", "UV_PROJECT")
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith(dropped)}
        self.environment |= {
            "HOME": str(folder), "PATH": os.pathsep.join([str(self.bin), str(SCRIPTS.resolve()), os.environ["PATH"]]),
            "UV_CACHE_DIR": cache.stdout.strip(), "UV_CONSTRAINT": str(ROOT / "constraints.txt"),
            "UV_BUILD_CONSTRAINT": str(ROOT / "build-constraints.txt"), "XDG_CONFIG_HOME": str(config),
            "NO_COLOR": "1", "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
        }  # fmt: skip

    def run(self, lines: str, *, folder: str = ".", exit_code: int = 0, **variables: str) -> str:
        """Run lines in a new shell, which stops at the first one that fails, and return all that they print."""
        process = subprocess.run(
            ["bash", "-e", "-c", lines],
            cwd=self.folder / folder, env=self.environment | variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert process.returncode == exit_code, process.stdout
        assert "Traceback" not in process.stdout
        return process.stdout

    def run_as_cron(self, line: str) -> int:
        """Run a line of a crontab as cron does, with its few variables, and return the exit code."""
        *_, command = line.strip().split(maxsplit=5)
        python = self.folder / "python"  # not every machine has the one that the sample tap needs in /usr/bin
        python.mkdir()
        (python / "python3").symlink_to(sys.executable)
        path = f"/usr/bin:/bin:{python}"
        environment = {"HOME": str(self.folder), "PATH": path, "SHELL": "/bin/sh", "LOGNAME": "somebody"}
        return subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.folder, env=environment, check=False, timeout=180
        ).returncode

    def looks(self, folder: str) -> str:
        """Start what shows the account in a browser, and return what it prints up to the link."""
        command = [str(self.bin / "meltano"), "invoke", "target-sendgrid:look"]
        with subprocess.Popen(
            command, cwd=self.folder / folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "token=" in line:
                    break
            os.killpg(process.pid, signal.SIGTERM)
        return "".join(lines)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "home"
    folder.mkdir()
    return Home(folder)


def correct(path: Path) -> None:
    """Give each rejected record an address that is right, and the run the id that the README names."""
    rejected = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for number, entry in enumerate(rejected):
        entry["run_id"] = RUN_ID
        entry["message"]["record"]["profile_email"] = f"corrected.{number}@example.com"
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in rejected), encoding="utf-8")


@contextlib.contextmanager
def pasted(mapping: Path, meltano: Path) -> Iterator[None]:
    """Put a suggested mapping into `meltano.yml` in place of the one there, and take it out again."""
    before = meltano.read_text(encoding="utf-8")
    project = yaml.safe_load(before)
    (suggested,) = yaml.safe_load(mapping.read_text(encoding="utf-8"))["plugins"]["loaders"]
    (loader,) = (one for one in project["plugins"]["loaders"] if one["name"] == suggested["name"])
    del loader["config"]["field_mapping"]
    loader["config"] |= suggested["config"]
    meltano.write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")
    yield
    meltano.write_text(before, encoding="utf-8")


def lists(database: Path) -> dict[str, int]:
    """Return how many contacts each list has in a sandbox's account."""
    with SandboxServer(database=database, options=QUICK) as sandbox:
        return members(sandbox)


def members(sandbox: SandboxServer) -> dict[str, int]:
    return dict(Counter(name for contact in sandbox.contacts() for name in contact["lists"]))


def test_the_recipe_for_meltano(home: Home) -> None:
    first, second, production = blocks(IN_MELTANO)
    (cron_line,) = blocks(IN_MELTANO, "crontab")
    check, dry_run = (block.splitlines()[1] for block in blocks(BEFORE))
    into_file, replay = blocks(BAD_RECORDS)
    project, account = home.folder / "people", home.folder / "people" / ".meltano" / "sandbox.db"

    (transcript,) = blocks(IN_MELTANO, "text")
    printed = home.run(first)
    assert [line for line in transcript.splitlines() if line not in printed] == []
    assert "token=" in home.looks("people")
    assert "Stream 'recent_customers' would fill list 'Customers'" in home.run(check, folder="people")
    assert "Dry run: nothing is written to SendGrid" in home.run(dry_run, folder="people")

    suggest, look = (line for block in blocks(MAPPING)[:2] for line in block.splitlines())
    (snippet,) = blocks(MAPPING, "yaml")
    home.run(suggest, folder="people")
    assert snippet in (project / "mapping.yml").read_text(encoding="utf-8")
    with pasted(project / "mapping.yml", project / "meltano.yml"):
        told = home.run(look, folder="people")
        assert "would fill list 'Newsletter subscribers': email <- profile_email, first_name <- given_name" in told
        assert "found 0 errors" in told

    *settings, run = second.splitlines()
    home.run("\n".join(settings), folder="people")
    assert "more than 100 distinct profiles" in home.run(
        run, folder="people", exit_code=1, TARGET_SENDGRID_PROFILE_CAP="100"
    )
    assert lists(account) == {"Customers": 993, "VIP": 99}
    home.run(run, folder="people")
    assert lists(account) == {"Customers": 993, "VIP": 449}
    assert "found 0 errors" in home.run("meltano invoke target-sendgrid-vip:check", folder="people")

    assert "Customers\tinvalid_email" in home.run(into_file, folder="people")
    correct(project / "corrected.jsonl")
    home.run(replay.replace(TARGET, "meltano invoke target-sendgrid"), folder="people")
    assert lists(account) == {"Customers": 1001, "VIP": 449}

    with SandboxServer(options=QUICK, api_key=KEY) as sendgrid:
        elsewhere = f"TARGET_SENDGRID_API_URL={sendgrid.url}\nMELTANO_CLI_DISABLE_VERSION_CHECK=true\n"
        (project / ".env").write_text(elsewhere, encoding="utf-8")
        assert "found 0 errors" in home.run(production, folder="people")
        assert members(sendgrid) == {"Customers": 993}
        assert home.run_as_cron(cron_line) == 0
    log = (project / "meltano.log").read_text(encoding="utf-8")
    assert "Run done in" in log
    assert "0 distinct profiles" in log


def test_the_recipe_for_a_shell(home: Home) -> None:
    install, config, script = blocks(IN_A_SHELL)
    check, dry_run = (block.splitlines()[0] for block in blocks(BEFORE))
    into_file, replay = blocks(BAD_RECORDS)
    home.run(install, folder="target-sendgrid")
    (home.bin / "tap-x").symlink_to(ROOT / "demo" / "tap_profiles.py")
    home.run(f"{config}echo '{{}}' > tap.json")

    assert "The check has found 0 errors" in home.run(check)
    assert "Dry run: nothing is written to SendGrid" in home.run(dry_run)
    assert "1 import job" in home.run(script)
    assert "0 distinct profiles" in home.run(script)
    assert "list 'Customers': 993 contacts" in home.run("target-sendgrid-sandbox show --database account.db")

    suggest, look = blocks(MAPPING)[2].splitlines()
    home.run(suggest)
    assert "would fill list 'Recent customers': email <- profile_email, first_name <- given_name" in home.run(look)

    assert "Customers\tinvalid_email" in home.run(into_file)
    correct(home.folder / "corrected.jsonl")
    home.run(replay)
    assert lists(home.folder / "account.db") == {"Customers": 1001}
