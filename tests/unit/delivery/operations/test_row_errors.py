"""Which contacts SendGrid complains about, in refused requests and in errors files."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery.operations import row_errors
from target_sendgrid.delivery.operations.row_errors import (
    failed_contacts,
    failed_in_job,
    is_about_lists,
    refused_contacts,
    unknown_fields,
)
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.errors import BadRequestError, ContactLimitError, SendGridError
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.client import JobStatus
from target_sendgrid.sendgrid.contact import encode, identity
from tests.harness.jobs import job_of

if TYPE_CHECKING:
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.contact import Contact

ORIGIN = Origin("people", 1)
PURPOSE = Purpose(upsert_kind(30_000, 3_500_000), ("L",))


def changes_of(*contacts: Contact) -> dict[str, Change]:
    changes = [Change(PURPOSE, identity(contact) or "", encode(contact), ORIGIN) for contact in contacts]
    return {change.identity: change for change in changes}


CHANGES = changes_of(
    {"email": "ada@example.com", "external_id": "1"},
    {"email": "bob@example.com", "external_id": "2"},
    {"external_id": "K7", "first_name": "invalid"},
)


def file_of(*rows: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


class TestRowsOfAnErrorsFile:
    @pytest.mark.parametrize(
        ("rows", "failed"),
        [
            ([["email", "error"], ["ada@example.com", "bad"]], {"ada@example.com": "bad"}),
            ([["error", "email"], ["bad", "ada@example.com"]], {"ada@example.com": "bad"}),
            ([["ada@example.com", "bad"]], {"ada@example.com": "bad"}),
            ([["ADA@Example.com ", " bad "]], {"ada@example.com": "bad"}),
            ([["k7", "bad"]], {"external_id K7": "bad"}),
            ([["ada@example.com", "", "bad", "worse"]], {"ada@example.com": "bad; worse"}),
            ([["ada@example.com"]], {"ada@example.com": ""}),
            ([["ada@example.com", 'said "no",\nreally']], {"ada@example.com": 'said "no",\nreally'}),
            ([["row", "email"], ["9", "ada@example.com"], ["8", "bob@example.com"]],
             {"ada@example.com": "9", "bob@example.com": "8"}),
        ],
    )  # fmt: skip
    def test_a_row_belongs_to_the_contact_that_a_cell_names(
        self, rows: list[list[str]], failed: dict[str, str]
    ) -> None:
        assert failed_contacts(file_of(*rows), CHANGES) == failed

    def test_a_row_that_names_one_contact_twice_belongs_to_it(self) -> None:
        rows = ["ada@example.com", "1", "bad"]
        assert list(failed_contacts(file_of(rows), CHANGES)) == ["ada@example.com"]

    def test_a_row_that_could_name_two_contacts_fails_neither(self) -> None:
        row_number_like_an_identifier = ["2", "ada@example.com", "bad"]
        assert failed_contacts(file_of(row_number_like_an_identifier), CHANGES) == {}

    @pytest.mark.parametrize("named", ["ab", "AB"])
    def test_identifiers_that_differ_in_case_only_are_distinguished_by_case(self, named: str) -> None:
        changes = changes_of({"external_id": "ab"}, {"external_id": "AB"})
        assert failed_contacts(file_of([named, "bad"]), changes) == {f"external_id {named}": "bad"}

    def test_a_row_whose_case_fits_neither_of_two_contacts_fails_neither(self) -> None:
        changes = changes_of({"external_id": "ab"}, {"external_id": "AB"})
        assert failed_contacts(file_of(["Ab", "bad"]), changes) == {}

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\n\n",
            b"zaphod@example.com,bad\n",
            b"<Error><Code>AccessDenied</Code></Error>",
            b"\xff\xfe\x00\x01",
            b'"',
        ],
    )
    def test_a_file_that_names_no_sent_contact_fails_none(self, content: bytes) -> None:
        assert failed_contacts(content, CHANGES) == {}

    def test_a_value_that_is_not_an_identifier_names_no_contact(self) -> None:
        assert failed_contacts(file_of(["row", "invalid"]), CHANGES) == {}

    def test_a_long_reason_is_cut(self) -> None:
        assert len(failed_contacts(file_of(["ada@example.com", "x" * 10_000]), CHANGES)["ada@example.com"]) == 500


class TestEncoding:
    def test_a_compressed_file_is_read(self) -> None:
        content = gzip.compress(file_of(["ada@example.com", "bad"]))
        assert failed_contacts(content, CHANGES) == {"ada@example.com": "bad"}

    def test_a_byte_order_mark_hides_no_contact(self) -> None:
        assert failed_contacts(b"\xef\xbb\xbfada@example.com,bad\n", CHANGES) == {"ada@example.com": "bad"}

    @pytest.mark.parametrize("cut", [2, 5, 12, 20, 30, -9, -1])
    def test_a_compressed_file_that_is_cut_or_broken_fails_no_contact(self, cut: int) -> None:
        content = gzip.compress(file_of(["ada@example.com", "bad"]))[:cut]
        assert failed_contacts(content, CHANGES) == {}

    def test_a_compressed_file_whose_content_is_broken_fails_no_contact(self) -> None:
        content = bytearray(gzip.compress(file_of(*[["ada@example.com", str(number)] for number in range(20_000)])))
        content[len(content) // 2] ^= 0xFF
        assert failed_contacts(bytes(content), CHANGES) == {}

    @pytest.mark.parametrize("kept", [10, 5_000])
    def test_compressed_content_that_cannot_be_unpacked_fails_no_contact(self, kept: int) -> None:
        content = gzip.compress(file_of(*[["ada@example.com", str(number)] for number in range(100_000)]))
        assert failed_contacts(content[:kept] + b"\xff" * 5_000, CHANGES) == {}

    def test_bytes_that_are_not_utf_8_affect_only_their_cell(self) -> None:
        assert list(failed_contacts(b"ada@example.com,b\xe4d\n", CHANGES)) == ["ada@example.com"]

    def test_rows_before_a_cell_that_is_too_large_are_read(self) -> None:
        content = file_of(["ada@example.com", "bad"]) + b'"' + b"x" * 200_000 + b'"\n'
        assert failed_contacts(content, CHANGES) == {"ada@example.com": "bad"}


FIRST_ROW = b"ada@example.com,bad\n"
LAST_ROW = b"\nbob@example.com,bad\n"


class TestHostileFiles:
    """Files that unpack to far more than any job has errors."""

    @pytest.mark.parametrize(
        "filling",
        [b",", b"x", b"\n", b'"', b'"\n",', b'"\n', b",\n", b"\r", b"\x00", "\u2028".encode(), b"x,\n"],
        ids=repr,
    )
    def test_a_huge_file_takes_little_memory_and_the_rows_before_count(
        self, monkeypatch: pytest.MonkeyPatch, filling: bytes
    ) -> None:
        monkeypatch.setattr(row_errors, "_MAX_ROWS", 5_000)  # tracing of memory takes long
        content = gzip.compress(FIRST_ROW + filling * (64_000_000 // len(filling)) + LAST_ROW, compresslevel=1)
        tracemalloc.start()
        try:
            assert failed_contacts(content, CHANGES) == {"ada@example.com": "bad"}
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        ("limit", "filling"),
        [
            ("_MAX_FILE_LENGTH", b"\n" * 200),
            ("_MAX_ROWS", b"\n" * 200),
            ("_MAX_CELLS", b",,,\n" * 50),
            ("_MAX_ROW_LENGTH", b"," * 200),
        ],
    )
    def test_a_file_is_read_up_to_a_limit(self, monkeypatch: pytest.MonkeyPatch, limit: str, filling: bytes) -> None:
        monkeypatch.setattr(row_errors, limit, 100)
        content = gzip.compress(FIRST_ROW + filling + LAST_ROW)
        assert failed_contacts(content, CHANGES) == {"ada@example.com": "bad"}

    def test_a_file_with_an_error_for_each_of_30_000_contacts_is_read_whole(self) -> None:
        changes = changes_of(*({"email": f"p{number}@example.com"} for number in range(30_000)))
        rows = [[email, *["x"] * 30] for email in changes]
        assert len(failed_contacts(file_of(*rows), changes)) == 30_000

    def test_many_long_rows_are_read(self) -> None:
        rows = [["zaphod@example.com", "x" * 100_000]] * 10
        assert failed_contacts(file_of(*rows) + LAST_ROW, CHANGES) == {"bob@example.com": "bad"}


class TestContactLimit:
    @pytest.mark.parametrize(
        "rows",
        [
            [["ada@example.com", "you have hit your contact limit"]],
            [["zaphod@example.com", "Contact Limit reached"]],
            [["you have hit your contact limit"]],
            [["bob@example.com", "bad"], ["ada@example.com", "bob@example.com", "contact limit"]],
        ],
        ids=str,
    )
    def test_a_row_about_it_blames_nobody(self, rows: list[list[str]]) -> None:
        with pytest.raises(ContactLimitError, match="reached the contact limit of its plan"):
            failed_contacts(gzip.compress(file_of(*rows)), CHANGES)

    @pytest.mark.parametrize("reason", ["value 'contact limit' is wrong", "value=Contact Limit", "contact_limit"])
    def test_a_value_in_a_reason_is_not_about_it(self, reason: str) -> None:
        changes = changes_of({"email": "ada@example.com", "last_name": "Contact Limit"}, {"email": "bob@example.com"})
        assert failed_contacts(file_of(["ada@example.com", reason]), changes) == {"ada@example.com": reason}

    def test_the_value_of_somebody_else_does_not_hide_it(self) -> None:
        changes = changes_of({"email": "ada@example.com", "last_name": "Contact Limit"}, {"email": "bob@example.com"})
        with pytest.raises(ContactLimitError):
            failed_contacts(file_of(["bob@example.com", "you have hit your contact limit"]), changes)

    def test_a_value_that_was_sent_and_is_repeated_is_not_about_it(self) -> None:
        changes = changes_of(
            {"external_id": "Contact Limit 1", "last_name": "Contact Limit", "custom_fields": {"e1_T": "contact limit"}}
        )
        rows = ["contact limit 1", "Contact Limit", "contact limit", "bad"]
        assert list(failed_contacts(file_of(rows), changes)) == ["external_id Contact Limit 1"]


class TestCase:
    """Letters are the same in any case, except that the Kelvin sign is no k, which is its lower case."""

    def test_an_email_in_another_case_names_its_contact(self) -> None:
        sent = "m\u00dcller@example.com"
        changes = changes_of({"email": sent})
        for named in (sent, sent.lower(), sent.upper()):
            message = f"email '{named}' is not valid"
            assert refused_contacts([("", message)], [sent, ADA]) == {sent: message}
            assert failed_contacts(file_of([named, "bad"]), changes) == {sent: "bad"}

    def test_an_email_whose_case_fits_neither_of_two_contacts_refuses_neither(self) -> None:
        people = ["m\u00dcller@example.com", "m\u00fcller@example.com"]
        assert refused_contacts([("", "email 'M\u00fcLLER@example.com' is not valid")], people) == {}
        details = [("", f"email '{people[1]}' is not valid")]
        assert list(refused_contacts(details, people)) == people[1:]

    @pytest.mark.parametrize("named", ["\u212a7", "K7\u0130"])
    def test_letters_like_ascii_letters_name_nobody_in_a_file(self, named: str) -> None:
        assert failed_contacts(file_of([named, "bad"]), CHANGES) == {}

    def test_letters_like_ascii_letters_name_their_own_contact(self) -> None:
        changes = changes_of({"external_id": "\u212a7"}, {"external_id": "k7"})
        failed = failed_contacts(file_of(["\u212a7", "one"], ["K7", "two"]), changes)
        assert failed == {"external_id \u212a7": "one", "external_id k7": "two"}

    def test_letters_like_ascii_letters_name_nobody_in_a_refusal(self) -> None:
        kelvin, plain = "email '\u212aim@example.com' is not valid", "email 'KIM@example.com' is not valid"
        people = ["kim@example.com", "\u212aim@example.com"]
        assert refused_contacts([("", kelvin)], people[:1]) == {}
        assert refused_contacts([("", kelvin), ("", plain)], people) == {people[0]: plain, people[1]: kelvin}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.binary(max_size=50).map(gzip.compress))
def test_no_file_causes_a_crash(content: bytes) -> None:
    assert set(failed_contacts(content, CHANGES)) <= set(CHANGES)


@given(st.permutations(["ada@example.com", "bob@example.com", "K7"]), st.lists(st.sampled_from(["bad", "1,2", '"'])))
def test_a_file_in_any_order_fails_every_contact_that_it_names(named: list[str], reasons: list[str]) -> None:
    rows = [[*reasons, name] for name in named]
    assert set(failed_contacts(file_of(*rows), CHANGES)) == set(CHANGES)


ADA, BOB, EVE = "ada@example.com", "bob@example.com", "external_id 7"
PEOPLE = [ADA, BOB, EVE]


class TestRefusedContacts:
    @pytest.mark.parametrize(
        "path", ["contacts[1].email", "contacts[1].identifier", "contacts[1]", "body.contacts[1].x"]
    )
    def test_an_index_names_a_contact_under_any_spelling(self, path: str) -> None:
        assert refused_contacts([(path, "it is not valid")], PEOPLE) == {BOB: "it is not valid"}

    def test_each_error_names_its_own_contact(self) -> None:
        details = [("contacts[0].email", "one"), ("contacts[2].external_id", "two")]
        assert refused_contacts(details, PEOPLE) == {ADA: "one", EVE: "two"}

    def test_the_index_is_used_before_the_quoted_email(self) -> None:
        details = [("contacts[2].identifier", f"email '{ADA}' is not valid")]
        assert list(refused_contacts(details, PEOPLE)) == [EVE]

    @pytest.mark.parametrize("path", ["", "contacts", "contacts[3].email", "contacts[-1].email", "contacts[x].email"])
    def test_without_a_usable_index_the_quoted_email_names_the_contact(self, path: str) -> None:
        message = "email 'BOB@example.com' is not valid"
        assert refused_contacts([(path, message)], PEOPLE) == {BOB: message}

    def test_an_index_of_thousands_of_digits_is_ignored(self) -> None:
        assert refused_contacts([(f"contacts[{'9' * 5000}].email", "no")], PEOPLE) == {}

    def test_one_message_may_quote_several_emails(self) -> None:
        message = f"email '{ADA}' is not valid, email '{BOB}' is not valid"
        assert set(refused_contacts([("", message)], PEOPLE)) == {ADA, BOB}

    @pytest.mark.parametrize("email", ["o'brien@example.com", "a'b'c@example.com"])
    def test_an_email_may_contain_a_quote(self, email: str) -> None:
        assert list(refused_contacts([("", f"email '{email}' is not valid")], [email])) == [email]

    def test_an_email_that_was_not_sent_names_no_contact(self) -> None:
        assert refused_contacts([("", "email 'zaphod@example.com' is not valid")], PEOPLE) == {}

    @pytest.mark.parametrize("details", [[], [("", "invalid JSON")], [("", "invalid input")], [("list_ids[0]", "no")]])
    def test_a_refusal_without_index_and_email_names_no_contact(self, details: list[tuple[str, str]]) -> None:
        assert refused_contacts(details, PEOPLE) == {}

    @given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30))))
    def test_no_message_refuses_a_contact_that_was_not_sent(self, details: list[tuple[str, str]]) -> None:
        assert set(refused_contacts(details, PEOPLE)) <= set(PEOPLE)


class TestRefusedAddresses:
    @pytest.mark.parametrize(
        ("message", "named"),
        [
            ("Email_address ada@example.com is not valid", ["ada@example.com"]),
            ("email_address ADA@example.com is not valid", ["ada@example.com"]),
            ("email 'ada@example.com' is not valid", ["ada@example.com"]),
            ('Bad address: "ada@example.com".', ["ada@example.com"]),
            ("refused: <ada@example.com>, o'ada@example.com", ["ada@example.com", "o'ada@example.com"]),
            ("Email_address o'ada@example.com is not valid", ["o'ada@example.com"]),
            ('Email_address "ada b"@example.com is not valid', ['"ada b"@example.com']),
            ("Email_address ada@example.com.au is not valid", []),
            ("Email_address xada@example.com is not valid", []),
            ("Email_address x.ada@example.com is not valid", []),
            ("Email_address 'z'@example.com is not valid", ["'z'@example.com"]),
            ("Some addresses are not valid", []),
            ("", []),
        ],
    )
    def test_an_address_is_named_whole_with_or_without_quotation_marks(self, message: str, named: list[str]) -> None:
        sent = ["ada@example.com", "o'ada@example.com", '"ada b"@example.com', "'z'@example.com"]
        refused = row_errors.refused_addresses([("email_addresses", message)], sent)
        assert refused == dict.fromkeys(named, message)

    def test_each_reason_of_an_address_is_returned_once(self) -> None:
        details = [("", "a@x.com is bad"), ("", "a@x.com is worse"), ("", "a@x.com is bad")]
        assert row_errors.refused_addresses(details, ["a@x.com"]) == {"a@x.com": "a@x.com is bad; a@x.com is worse"}

    def test_an_address_whose_case_fits_neither_of_two_names_neither(self) -> None:
        details = [("", "Email_address ÖÄ@x.com is not valid")]
        assert row_errors.refused_addresses(details, ["Öä@x.com", "öÄ@x.com"]) == {}


class TestUnknownFields:
    def test_unknown_custom_fields_are_returned(self) -> None:
        details = [("", "other"), ("", "invalid custom field ids supplied - e1_T,e2_N")]
        assert unknown_fields(details) == ["e1_T", "e2_N"]

    @pytest.mark.parametrize("details", [[], [("", 'custom field "e1_N" cannot be null')], [("", "invalid JSON")]])
    def test_other_refusals_are_not_about_unknown_fields(self, details: list[tuple[str, str]]) -> None:
        assert unknown_fields(details) == []


class TestLists:
    @pytest.mark.parametrize("details", [[("list_ids", "no")], [("list_ids[1]", "")], [("", "invalid list id: 7")]])
    def test_a_refusal_about_a_list_is_recognised(self, details: list[tuple[str, str]]) -> None:
        assert is_about_lists(details)

    @pytest.mark.parametrize("details", [[], [("contacts[0].email", "no")], [("", "invalid input")]])
    def test_other_refusals_are_not_about_lists(self, details: list[tuple[str, str]]) -> None:
        assert not is_about_lists(details)


class TestWholeText:
    def test_the_whole_text_joins_all_errors(self) -> None:
        details = [("contacts[0].email", "no"), ("", "invalid input")]
        assert BadRequestError("", details).sendgrid_message() == "contacts[0].email: no; invalid input"

    def test_a_long_text_is_cut(self) -> None:
        assert len(BadRequestError("", [("", "x" * 10_000)]).sendgrid_message()) == 500


class Downloads:
    """A stub of the client whose downloads succeed or fail."""

    def __init__(self, answer: bytes | SendGridError) -> None:
        self.answer = answer
        self.links: list[str] = []

    def download(self, url: str) -> bytes:
        self.links.append(url)
        if isinstance(self.answer, SendGridError):
            raise self.answer
        return self.answer


def failed(answer: bytes | SendGridError, *, link: str | None = "link", says_contact_limit: bool = False) -> list[str]:
    """Return whom the errors file of a job of Ada and Contact Limit names."""
    job = job_of("ada", "contact limit" if says_contact_limit else "bob")
    client = Downloads(answer)
    job_status = JobStatus("errored", 0, 1, link, says_contact_limit=says_contact_limit)
    named = failed_in_job(cast("Client", client), job, job_status)
    assert client.links == ([link] if link else [])
    return list(named)


class TestJobs:
    def test_the_file_behind_the_link_is_read(self) -> None:
        assert failed(b"ada@example.com,bad\n") == ["ada@example.com"]

    def test_without_a_link_nobody_is_named(self) -> None:
        assert failed(b"ada@example.com,bad\n", link=None) == []

    def test_a_file_that_cannot_be_had_names_nobody(self) -> None:
        assert failed(SendGridError("It can't be had.")) == []

    def test_words_about_the_contact_limit_that_a_contact_has_do_not_end_the_run(self) -> None:
        assert failed(b"ada@example.com,bad\n", says_contact_limit=True) == ["ada@example.com"]

    def test_other_words_about_the_contact_limit_end_the_run(self) -> None:
        job_status = JobStatus("errored", 0, 1, None, says_contact_limit=True)
        with pytest.raises(ContactLimitError):
            failed_in_job(cast("Client", Downloads(b"")), job_of("ada"), job_status)
