"""The check: what it finds, in which words, and that it only reads. `Account.check` checks the latter each time."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.check import SILENT_SECONDS, findings
from target_sendgrid.target import TargetSendGrid
from tests.harness.clocks import SandboxClock
from tests.harness.messages import PEOPLE, record, schema, singer, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.account import Account
    from tests.harness.runs import Checked


def of_level(checked: Checked, level: str) -> list[str]:
    return [sentence for found, sentence in checked.findings if found == level]


def test_good_settings_without_a_tap(account: Account) -> None:
    checked = account.check(field_mapping={"email": "mail"})
    assert checked.exit_code == 0
    assert {level for level, _ in checked.findings} == {"ok"}
    assert of_level(checked, "ok") == [
        f"Rejected records can be written to {account.rejected_path}.",
        "The API key is valid at 127.0.0.1 and has access to Marketing.",
        "The account has 0 custom fields.",
        "The list 'Everybody' is missing: a run would create it.",
        ("The account has 0 contacts, and SendGrid bills 0 this month. A run may add up to 100,000 (`profile_cap`)."
        " Compare that with the contact limit of your plan, which SendGrid's API does not tell."),
        "The clock of this machine agrees with SendGrid's.",
        ("No schemas are checked: standard input is empty. Pipe a tap into the check to have the mapping of each stream"
        " checked by its schema."),
        "The field mapping for all streams has only fields that can be filled.",
    ]  # fmt: skip
    assert "did the tap fail?" not in checked.log


@pytest.mark.parametrize("streams", [{}, {"people": {}, "*": {"enabled": False}}], ids=["all", "one"])
def test_the_mapping_of_all_streams_is_checked_where_a_stream_may_use_it(
    account: Account, streams: dict[str, Any]
) -> None:
    checked = account.check(field_mapping={"email": "mail", "nickname": "x"}, streams=streams)
    (error,) = of_level(checked, "error")
    assert error.startswith("Stream '*': SendGrid has no contact field 'nickname'.")


def test_the_mapping_of_all_streams_is_not_checked_where_none_uses_it(account: Account) -> None:
    streams = {"people": {"field_mapping": {"email": "mail"}}, "*": {"enabled": False}}
    assert account.check(field_mapping={"nickname": "x"}, streams=streams).exit_code == 0


def test_all_errors_are_found_in_one_check(account: Account) -> None:
    missing = account.folder / "missing"
    checked = account.check(
        PEOPLE,
        schema("guests", mail="string"),
        schema("orders", id={"type": "nothing"}),
        rejected_records_path=str(missing / "rejected.jsonl"),
        report_path=str(missing / "report.json"),
        create_list=False,
        streams={"guests": {"field_mapping": {"emial": "mail"}}, "clients": {"field_mapping": {"nickname": "x"}}},
    )
    assert checked.exit_code == 1
    errors = "\n".join(of_level(checked, "error"))
    for words in (
        "no report can be written to",
        "rejected.jsonl can't be opened for appending",
        "SendGrid has no list named 'Everybody', and `create_list` is false.",
        "Stream 'guests': SendGrid has no contact field 'emial'. Did you mean 'email'?",
        "Stream 'guests' has no field that identifies a contact",
        "Stream 'orders' has no field that identifies a contact",
        "Stream 'clients': SendGrid has no contact field 'nickname'.",
    ):
        assert words in errors
    assert any(sentence.startswith("Stream 'people' would fill list") for sentence in of_level(checked, "ok"))
    (warning,) = of_level(checked, "warning")
    assert warning == "The entry 'clients' in the setting `streams` is for no stream that came. Check its spelling."


def test_settings_that_are_wrong_are_findings(account: Account) -> None:
    checked = account.check(create_list="yes", listname="x")
    assert checked.exit_code == 1
    assert [level for level, _ in checked.findings] == ["error", "error"]
    assert account.sandbox.requests() == []


def test_a_wrong_key_is_the_last_finding(account: Account) -> None:
    checked = account.check(PEOPLE, api_key="SG.wrong.key")
    assert checked.exit_code == 1
    (error,) = of_level(checked, "error")
    assert error.startswith("SendGrid refused the API key (401)")
    assert "SG.wrong" not in str(checked)


def test_a_key_without_the_scope(account: Account) -> None:
    checked = account.check(api_key=account.sandbox.add_key(("mail.send",)))
    assert checked.exit_code == 1
    assert "does not list the scope `marketing.read`" in of_level(checked, "warning")[0]
    assert "forbids this API key to read custom fields (403)" in of_level(checked, "error")[0]


def test_contacts_are_counted(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "a@example.com"}, {"email": "b@example.com"}])
    checked = account.check(profile_cap=0)
    sentence = (
        "The account has 2 contacts, and SendGrid bills 2 this month. A run may add any number (`profile_cap` is 0)."
    )
    assert any(found.startswith(sentence) for found in of_level(checked, "ok"))


def test_a_failing_count_is_only_a_warning(account: Account) -> None:
    account.sandbox.add_fault(
        "status", method="GET", path="/v3/marketing/contacts/count", status=403, body={}, times=None
    )
    checked = account.check()
    assert checked.exit_code == 0
    assert of_level(checked, "warning")[0].startswith("SendGrid forbids this API key to count contacts (403).")


@pytest.mark.parametrize(
    ("skew", "level", "words"),
    [
        (61, "warning", "The clock of this machine is 61 s ahead of SendGrid's. Set it"),
        (-3600, "warning", "The clock of this machine is 3,600 s behind SendGrid's. Set it"),
        (59, "ok", "The clock of this machine agrees"),
    ],
)
def test_the_clock_is_compared_with_sendgrids(
    account: Account, monkeypatch: pytest.MonkeyPatch, skew: float, level: str, words: str
) -> None:
    now = account.clock.now
    monkeypatch.setattr(account.clock, "now", lambda: int(now()) + skew)  # SendGrid tells whole seconds
    assert any(sentence.startswith(words) for sentence in of_level(account.check(), level))


@pytest.mark.parametrize("date", ["yesterday", ""])
def test_an_answer_without_a_usable_date_says_nothing_of_the_clock(account: Account, date: str) -> None:
    body, headers = {"contact_count": 0, "billable_count": 0}, {"Date": date}
    path = "/v3/marketing/contacts/count"
    account.sandbox.add_fault("status", method="GET", path=path, status=200, body=body, headers=headers)
    checked = account.check()
    assert checked.exit_code == 0
    assert "clock" not in str(checked.findings)


class TestStreams:
    """SCHEMA messages on standard input."""

    def test_a_stream_is_shown_with_its_list_and_mapping(self, account: Account) -> None:
        checked = account.check(PEOPLE, record(email="a@example.com"), state(1), PEOPLE)
        assert checked.exit_code == 0
        sentence = "Stream 'people' would fill list 'Everybody': email <- email, first_name <- first_name."
        assert of_level(checked, "ok").count(sentence) == 1

    def test_fields_that_a_run_would_create_have_their_type(self, account: Account) -> None:
        creates = "a run would create it"
        checked = account.check(
            schema(email="string", spent="number", seen={"type": "string", "format": "date"}),
            create_custom_fields=True,
            field_mapping={"email": "email", "spent": "spent", "seen": "seen"},
        )
        assert [sentence.partition(" is missing: ") for sentence in of_level(checked, "ok")[-2:]] == [
            (
                "The custom field 'spent'",
                " is missing: ",
                f"{creates}, of type Number, by the schema of property 'spent'.",
            ),
            ("The custom field 'seen'", " is missing: ", f"{creates}, of type Date, by the schema of property 'seen'."),
        ]

    def test_a_field_whose_name_is_nearly_that_of_another_is_warned_about(self, account: Account) -> None:
        mapping = {"email": "email", "adres_line_1": "street"}
        checked = account.check(create_custom_fields=True, field_mapping=mapping)
        assert of_level(checked, "warning") == [
            (
                "The custom field 'adres_line_1' is missing: a run would create it, of a type that the tap's schema"
                " decides. Did you mean 'address_line_1'?"
            )
        ]

    def test_properties_that_fill_no_field_are_named(self, account: Account) -> None:
        assert "Stream 'people': not used: score." in of_level(account.check(PEOPLE), "ok")

    def test_without_schemas_only_the_mapping_can_tell_the_type(self, account: Account) -> None:
        mapping = {"email": "email", "spent": {"property": "spent", "type": "Number"}, "seen": "seen"}
        checked = account.check(create_custom_fields=True, field_mapping=mapping)
        assert of_level(checked, "ok")[-2:] == [
            "The custom field 'spent' is missing: a run would create it, of type Number, as `field_mapping` says.",
            "The custom field 'seen' is missing: a run would create it, of a type that the tap's schema decides.",
        ]

    def test_two_streams_that_ask_for_different_types_are_warned_about(self, account: Account) -> None:
        checked = account.check(
            schema("one", email="string", spent="number"),
            schema("two", email="string", spent="string"),
            create_custom_fields=True,
            field_mapping={"email": "email", "spent": "spent"},
        )
        assert of_level(checked, "warning") == [
            (
                "Streams ask for the new custom field 'spent' as Number and as Text: the stream that comes first"
                " decides. Choose the type with `type` in the field mapping."
            )
        ]

    def test_more_fields_than_an_account_may_have(self, account: Account) -> None:
        account.sandbox.seed(fields={f"field_{number}": "Text" for number in range(500)})
        mapping = {"email": "email", "spent": "spent"}
        checked = account.check(create_custom_fields=True, field_mapping=mapping)
        (error,) = of_level(checked, "error")
        assert "needs 1 new custom field: the account would have 501, and it may have 500." in error

    def test_more_fields_of_several_streams_than_an_account_may_have(self, account: Account) -> None:
        account.sandbox.seed(fields={f"field_{number}": "Text" for number in range(499)})
        streams = {name: {"field_mapping": {"email": "email", f"of_{name}": "x"}} for name in ("a", "b")}
        checked = account.check(create_custom_fields=True, streams=streams)
        assert of_level(checked, "error") == [
            (
                "With the new ones, the account would have 501 custom fields, and it may have 500. Map fewer"
                " properties, or delete custom fields in SendGrid."
            )
        ]

    def test_a_property_that_the_schema_does_not_list(self, account: Account) -> None:
        people = schema(email="string")
        checked = account.check(people, field_mapping={"email": "email", "city": "town"})
        assert of_level(checked, "warning") == [
            (
                "Stream 'people': the tap's schema does not list property 'town' (for city). If no record has it,"
                " correct the mapping."
            )
        ]

    def test_streams_that_are_left_out(self, account: Account) -> None:
        checked = account.check(
            schema("logs", id="integer"),
            schema("gone", id="integer"),
            streams={"logs": {"enabled": False}},
            stream_maps={"gone": None},
        )
        assert checked.exit_code == 0
        assert "Stream 'logs' is left out: nothing of it is sent." in of_level(checked, "ok")
        assert "Stream 'gone' is left out: nothing of it is sent." in of_level(checked, "ok")

    def test_stream_maps_come_before_the_mapping(self, account: Account) -> None:
        checked = account.check(
            schema("raw", mail="string"),
            stream_maps={"raw": {"email": "mail.lower()", "__else__": None, "__alias__": "clean"}},
        )
        assert "Stream 'clean' would fill list 'Everybody': email <- email." in of_level(checked, "ok")

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            (b"Traceback\n", "Line 1 of standard input is not valid JSON."),
            (
                singer(record(email="a")),
                "Line 1 of standard input belongs to stream 'people', which has no SCHEMA yet.",
            ),
        ],
        ids=["no json", "no schema"],
    )
    def test_input_that_would_end_a_run(self, account: Account, lines: bytes, words: str) -> None:
        (error,) = of_level(account.check(lines), "error")
        assert error.startswith(words)
        assert error.endswith("Fix the tap.")

    def test_input_without_any_schema(self, account: Account) -> None:
        (warning,) = of_level(account.check(state(1)), "warning")
        assert warning.startswith("There is no SCHEMA message on standard input.")


def test_a_silent_pipe_is_not_waited_for_without_end(account: Account) -> None:
    class PassingClock(SandboxClock):
        """A clock that moves each time that it is read, since nothing sleeps while a pipe is silent."""

        def monotonic(self) -> float:
            self.slept_seconds += SILENT_SECONDS
            return super().monotonic()

    reader, writer = os.pipe()
    try:
        with os.fdopen(reader, "rb") as file:
            clock = PassingClock(account.sandbox)
            found = [*findings(lambda: TargetSendGrid(clock=clock, config=account.settings()), file)]
    finally:
        os.close(writer)
    assert "No SCHEMA message has come on standard input for 60 s." in [finding.what for finding in found]


class TestCommandLine:
    def run(
        self, account: Account, *arguments: str, lines: bytes = b"", **config: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the check as a process."""
        run = subprocess.run(
            [*account.command(**config), "--check", *arguments],
            input=lines.decode(), capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        account.check_only_reads()
        assert account.sandbox.api_key not in run.stdout + run.stderr
        return run

    def test_one_line_for_each_finding(self, account: Account) -> None:
        run = self.run(account, lines=singer(PEOPLE))
        assert run.returncode == 0
        lines = run.stdout.splitlines()
        assert (
            "ok       Stream 'people' would fill list 'Everybody': email <- email, first_name <- first_name." in lines
        )
        warnings = [line for line in lines if line.startswith("warning")]
        assert all("The clock of this machine is" in line for line in warnings)  # the sandbox's is moved by other tests
        found = "1 warning" if warnings else "0 warnings"
        assert lines[-1] == f"The check has found 0 errors and {found}. Nothing was written to SendGrid."

    def test_json(self, account: Account) -> None:
        run = self.run(account, "--format", "json", create_list=False)
        assert run.returncode == 1
        found = [json.loads(line) for line in run.stdout.splitlines()]
        assert {tuple(finding) for finding in found} == {("level", "what", "next_step", "code")}
        assert [finding["level"] for finding in found].count("error") == 1

    def test_a_format_that_it_does_not_have(self, account: Account) -> None:
        run = self.run(account, "--format", "markdown")
        assert (run.returncode, run.stdout) == (1, "")
        assert "`--check` writes lines or, with `--format json`, JSON: it has no other format." in run.stderr

    def test_a_file_of_messages(self, account: Account) -> None:
        path = account.folder / "messages.jsonl"
        path.write_bytes(singer(PEOPLE))
        assert "would fill list 'Everybody'" in self.run(account, "--input", str(path)).stdout

    def test_an_embedded_sandbox_that_has_no_file_yet_gets_none(self, account: Account, tmp_path: Path) -> None:
        run = self.run(account, api_url=f"sandbox:{tmp_path}/account.db")
        assert (run.returncode, (tmp_path / "account.db").exists()) == (0, False)
        assert "valid at the embedded sandbox" in run.stdout

    def test_an_embedded_sandbox_whose_file_is_empty_leaves_it_so(self, account: Account, tmp_path: Path) -> None:
        database = tmp_path / "account.db"
        database.touch()
        run = self.run(account, api_url=f"sandbox:{database}")
        assert (run.returncode, database.read_bytes()) == (0, b"")

    def test_no_path_forges_a_line(self, account: Account) -> None:
        run = self.run(account, report_path=str(account.folder / "x\nok       \x1b[2Jforged.json"))
        assert run.returncode == 0
        assert "x\\nok       \\u001b[2Jforged.json." in run.stdout.splitlines()[0]

    def test_closed_standard_output_is_one_sentence(self, account: Account) -> None:
        command = [*account.command(), "--check"]
        run = subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command], capture_output=True, check=False, timeout=120
        )
        assert run.returncode == 1
        words = "The findings can't be written: standard output is closed. [local-file]"
        assert run.stderr.decode().splitlines()[-1].endswith(words)


def test_a_stream_whose_name_is_misspelt_in_stream_maps(account: Account) -> None:
    checked = account.check(schema("custmers", email="string"), stream_maps={"customers": {"email": "md5(email)"}})
    assert checked.exit_code == 1
    (error,) = of_level(checked, "error")
    assert error.startswith("Stream 'custmers' has no entry in `stream_maps`, but nearly the name of")


@pytest.mark.parametrize("first", ["contacts", "broken"])
def test_an_entry_whose_stream_has_come_is_not_misspelt(account: Account, first: str) -> None:
    people = schema("contacts", email="string") if first == "contacts" else schema("contacts", id="integer")
    messages = [people, schema("contracts", email="string")]
    checked = account.check(*messages, streams={"contacts": {"list_name": "Contacts"}})
    assert "contracts" not in str(of_level(checked, "error"))
    assert any(sentence.startswith("Stream 'contracts' would fill") for sentence in of_level(checked, "ok"))
    assert checked.exit_code == (first == "broken")


def test_an_entry_of_stream_maps_for_no_stream_is_a_warning(account: Account) -> None:
    checked = account.check(PEOPLE, stream_maps={"guests": None, "*_old": None})
    assert of_level(checked, "warning") == [
        f"The entry '{entry}' in the setting `stream_maps` is for no stream that came. Check its spelling."
        for entry in ("guests", "*_old")
    ]
    assert "never came" not in checked.log


def test_a_later_schema_of_a_stream_is_checked_too(account: Account) -> None:
    checked = account.check(PEOPLE, schema(email="object"), PEOPLE, record(email="x"))
    (error,) = of_level(checked, "error")
    assert error.startswith("Stream 'people': property 'email' is an object")


CONSENT: dict[str, Any] = {
    "skip_suppressed": True,
    "subscription_property": "status\u200b",
    "unsubscribed_values": ["no\u200b", False, 1.5, *range(2, 9)],
    "streams": {
        "people": {},
        "guests": {"on_delete": "erase", "suppression_group_id": 1, "unsubscribed_values": [True]},
        "others": {"on_delete": "delete_contact"},
        "rest": {"enabled": False, "on_delete": "erase"},
    },
}


def test_whom_a_run_would_unsubscribe_leave_out_delete_or_erase(account: Account) -> None:
    account.sandbox.add_group("News")
    checked = account.check(**CONSENT)
    assert checked.exit_code == 0
    found = [one for one in of_level(checked, "ok") if ": a run would " in one and "The list" not in one]
    assert found == [
        (
            "`subscription_property` and `unsubscribed_values`: a run would put people on the list of global"
            " unsubscribes whose records have one of these values in 'status\\u200b': \"no\\u200b\", false, 1.5, 2, 3,"
            " 4, 5, 6, 7, 8."
        ),
        (
            "`subscription_property` and `streams.guests.unsubscribed_values`: a run would put people on the"
            " unsubscribe group 1 (`streams.guests.suppression_group_id`) whose records have one of these values in"
            " 'status\\u200b': true."
        ),
        (
            "`streams.guests.on_delete` is `erase`: a run would delete the contacts of rows that are deleted at the"
            " source, and have SendGrid erase what it holds about these people."
        ),
        (
            "`streams.others.on_delete` is `delete_contact`: a run would delete the contacts of rows that are deleted"
            " at the source."
        ),
        (
            "`skip_suppressed`: a run would send nobody who has unsubscribed from everything or from the unsubscribe"
            " group of their stream. Before the first record it would read all of them: one request for 500, and 1 for"
            " groups."
        ),
    ]


def test_the_check_does_not_read_who_is_suppressed(account: Account) -> None:
    checked = account.check(skip_suppressed=True)
    assert (
        "`skip_suppressed`: a run would send nobody who has unsubscribed from everything. Before the first record it"
        " would read all of them: one request for 500, and 0 for groups."
    ) in of_level(checked, "ok")
    assert account.count("GET", "suppression") == 0


def test_a_check_without_such_settings_does_not_mention_them(account: Account) -> None:
    assert not any("unsubscribe" in sentence or "erase" in sentence for _, sentence in account.check().findings)
