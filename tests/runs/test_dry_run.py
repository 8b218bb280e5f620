"""Dry runs: what they tell, and that they only read, whatever the input is."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.delivery.dry_run import MAX_LOOKED_UP
from tests.harness.messages import LAST_STATE, PEOPLE, record, schema, singer, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.harness.runs import Finished

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
NOTHING_WRITTEN = "Nothing was written to SendGrid, and no state."


@pytest.fixture(autouse=True)
def _nothing_is_written(account: Account) -> Iterator[None]:
    """Check after each test that the account is as the test left it, and that no file was made but the report."""
    yield
    account.check_only_reads()
    assert account.sandbox.jobs() == []
    assert not account.rejected_path.exists()


def dry(account: Account, *messages: Any, **config: Any) -> Finished:
    """Run dry."""
    run = account.run(*messages, dry_run=True, **config)
    assert run.states == []
    assert NOTHING_WRITTEN in run.log
    return run


def test_contacts_are_told_apart_by_what_a_run_would_do(account: Account) -> None:
    account.sandbox.seed(
        lists=["Everybody"],
        contacts=[{"email": ADA, "first_name": "Ada", "lists": ["Everybody"]}, {"email": BOB, "first_name": "Bob"}],
    )
    run = dry(
        account,
        PEOPLE,
        record(email=ADA, first_name="Ada"),
        record(email=BOB, first_name="Bob"),
        record(email=EVE, first_name="Eve"),
        LAST_STATE,
    )
    assert run.exit_code == 0
    assert "3 received, 3 would be upserted (1 created, 1 updated, 1 unchanged)." in run.log
    assert run.report["dry_run"]["streams"] == {"people": {"looked_up": 3, "created": 1, "updated": 1, "unchanged": 1}}
    assert run.report["dry_run"]["requests"] == 1
    assert run.report["import_jobs"] == 0


def test_what_a_run_would_create_is_named_and_not_created(account: Account) -> None:
    run = dry(
        account,
        schema("one", email="string", spent="number"),
        schema("two", email="string", spent="number"),
        record("one", email=ADA, spent=1),
        record("two", email=ADA, spent=2),
        create_custom_fields=True,
        field_mapping={"email": "email", "spent": "spent"},
        streams={"two": {"list_name": "Others"}},
    )
    assert run.exit_code == 0
    assert "A run would create the custom field 'spent' of type Number, by the schema of property 'spent'." in run.log
    assert "A run would create 2 lists: Everybody, Others." in run.log
    assert "A run would create 1 custom field: spent." in run.log
    assert "Created" not in run.log
    assert run.report["dry_run"]["new_lists"] == ["Everybody", "Others"]
    assert [stream["list_id"] for stream in run.report["streams"].values()] == [None, None]
    assert account.sandbox.contacts() == []


def test_rejected_records_are_named_and_counted_as_in_a_run(account: Account) -> None:
    run = dry(account, PEOPLE, record(email="nobody"), record(email=ADA), LAST_STATE, max_rejected_percent=0)
    assert run.exit_code == 1
    assert "1 would be upserted (1 created, 0 updated, 0 unchanged), 1 rejected (invalid_email 1)." in run.log
    assert "Rejected records are in" not in run.log
    error = run.log.splitlines()[-1]
    assert error.startswith(
        "Dry run, so nothing was sent or written. What a run would say: 1 of 2 records was rejected"
    )


@pytest.mark.parametrize(("on_profile_cap", "exit_code"), [("fail", 1), ("truncate", 0)])
def test_people_over_the_cap(account: Account, on_profile_cap: str, exit_code: int) -> None:
    people = [record(email=email) for email in (ADA, BOB, EVE)]
    run = dry(account, PEOPLE, *people, LAST_STATE, profile_cap=2, on_profile_cap=on_profile_cap)
    assert run.exit_code == exit_code
    assert "3 received, 2 would be upserted (2 created, 0 updated, 0 unchanged), 1 over the cap." in run.log


def test_duplicates_are_counted_as_in_a_run(account: Account) -> None:
    run = dry(account, PEOPLE, record(email=ADA), record(email=ADA))
    assert "2 received, 1 would be upserted (1 created, 0 updated, 0 unchanged), 1 duplicate." in run.log


def test_of_a_large_batch_a_sample_is_looked_up(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_sendgrid.delivery.dry_run.MAX_LOOKED_UP", 4)
    account.sandbox.seed(contacts=[{"email": f"p{number}@example.com"} for number in range(0, 12, 2)])
    run = dry(account, PEOPLE, *(record(email=f"p{number}@example.com") for number in range(12)))
    assert (
        "a sample of 4 of 12 contacts is looked up, in 1 request; SendGrid takes about 200 of them a minute" in run.log
    )
    assert "12 would be upserted (about 6 created, 6 updated, 0 unchanged, by a sample of 4)" in run.log


def test_a_batch_of_the_usual_size_takes_20_look_ups(account: Account) -> None:
    people = (record(email=f"p{number}@example.com") for number in range(MAX_LOOKED_UP + 1))
    dry(account, PEOPLE, *people)
    assert account.count("POST", "/search/emails") <= MAX_LOOKED_UP // 100


def test_the_first_contacts_are_shown_masked_and_never_in_the_log(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    run = dry(account, PEOPLE, *(record(email=f"{letter}da@example.com", first_name="Zoë") for letter in "abcd"))
    assert capsys.readouterr().err.splitlines()[-4:] == [
        "The first contacts of stream 'people', masked:",
        "  email: a•••@e•••.com, first_name: Z•••",
        "  email: b•••@e•••.com, first_name: Z•••",
        "  email: c•••@e•••.com, first_name: Z•••",
    ]
    assert "•••" not in run.log


def test_the_numbers_of_a_real_run_are_foretold(account: Account) -> None:
    run = dry(account, PEOPLE, record(email=ADA), record(email=BOB), batch_size_rows=1)
    assert "A run would send 2 contacts in 2 requests" in run.log
    assert "takes about 1 minute, if the tap is not slower." in run.log


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [LAST_STATE],
        [PEOPLE, b"Traceback\n"],
        [PEOPLE, record(email=ADA), b'{"type": "RECORD"'],
        [PEOPLE, record(email=ADA), state(1), schema("people", mail="string"), record(email=BOB)],
        [record(email=ADA)],
    ],
    ids=["empty", "only a state", "no json", "half a line", "another schema", "no schema"],
)
def test_any_input_only_reads(account: Account, lines: list[Any]) -> None:
    dry(account, *lines)


def test_a_failing_look_up_fails_the_dry_run(account: Account) -> None:
    account.sandbox.add_fault("status", method="POST", path="*/search/*", status=403, body={}, times=None)
    run = dry(account, PEOPLE, record(email=ADA), LAST_STATE)
    assert run.exit_code == 1
    assert "1 NOT CONFIRMED" in run.log


class TestCommandLine:
    LINES = singer(PEOPLE, record(email=ADA, first_name="Ada"), LAST_STATE)

    def test_the_option_is_the_setting(self, account: Account) -> None:
        self.check_dry([*account.command(), "--dry-run"], account)

    @pytest.mark.parametrize("given", ["true", "1", "TRUE"])
    def test_the_variable_counts_where_the_environment_is_not_read(self, account: Account, given: str) -> None:
        self.check_dry(["env", f"TARGET_SENDGRID_DRY_RUN={given}", *account.command()], account)

    def test_the_option_counts_more_than_the_variable(self, account: Account) -> None:
        """Meltano sets the variable to the default, which is false."""
        command = ["env", "TARGET_SENDGRID_DRY_RUN=false", *account.command(), "--config", "ENV", "--dry-run"]
        self.check_dry(command, account)

    @pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
    def test_a_log_that_can_not_be_written_changes_no_exit_code(self, account: Account, redirection: str) -> None:
        command = ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *account.command(), "--dry-run"]
        run = subprocess.run(command, input=self.LINES, capture_output=True, check=False, timeout=120)
        assert (run.returncode, run.stdout) == (0, b"")

    def check_dry(self, command: list[str], account: Account) -> None:
        """Run a command, and check that it was a dry run."""
        run = subprocess.run(command, input=self.LINES, capture_output=True, check=False, timeout=120)
        assert (run.returncode, run.stdout) == (0, b"")
        assert NOTHING_WRITTEN in run.stderr.decode()
        assert run.stderr.decode().splitlines()[-1] == "  email: a•••@e•••.com, first_name: A•••"
        assert json.loads(account.report_path.read_bytes())["dry_run"]["streams"]["people"]["created"] == 1
