from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery.operations import errors_file
from target_sendgrid.delivery.operations.errors_file import failed_contacts
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import Entry, encode

ORIGIN = Origin("people", 1)
ENTRIES = {
    "ada@example.com": Entry(encode({"email": "ada@example.com", "external_id": "1"}), ORIGIN),
    "bob@example.com": Entry(encode({"email": "bob@example.com", "external_id": "2"}), ORIGIN),
    "external_id K7": Entry(encode({"external_id": "K7", "first_name": "invalid"}), ORIGIN),
}


def file_of(*rows: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


class TestRows:
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
        assert failed_contacts(file_of(*rows), ENTRIES) == failed

    def test_a_row_that_names_one_contact_twice_belongs_to_it(self) -> None:
        rows = ["ada@example.com", "1", "bad"]
        assert list(failed_contacts(file_of(rows), ENTRIES)) == ["ada@example.com"]

    def test_a_row_that_could_mean_two_contacts_is_pinned_on_nobody(self) -> None:
        row_number_like_an_identifier = ["2", "ada@example.com", "bad"]
        assert failed_contacts(file_of(row_number_like_an_identifier), ENTRIES) == {}

    @pytest.mark.parametrize("named", ["ab", "AB"])
    def test_identifiers_that_differ_in_case_only_are_told_apart_by_case(self, named: str) -> None:
        entries = {f"external_id {key}": Entry(encode({"external_id": key}), ORIGIN) for key in ("ab", "AB")}
        assert failed_contacts(file_of([named, "bad"]), entries) == {f"external_id {named}": "bad"}

    def test_a_case_that_nobody_has_is_pinned_on_nobody_where_two_differ_in_case(self) -> None:
        entries = {f"external_id {key}": Entry(encode({"external_id": key}), ORIGIN) for key in ("ab", "AB")}
        assert failed_contacts(file_of(["Ab", "bad"]), entries) == {}

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
    def test_a_file_that_names_nobody_who_was_sent_pins_nothing(self, content: bytes) -> None:
        assert failed_contacts(content, ENTRIES) == {}

    def test_a_value_that_is_no_identifier_names_nobody(self) -> None:
        assert failed_contacts(file_of(["row", "invalid"]), ENTRIES) == {}

    def test_a_reason_is_cut(self) -> None:
        assert len(failed_contacts(file_of(["ada@example.com", "x" * 10_000]), ENTRIES)["ada@example.com"]) == 500


class TestEncoding:
    def test_a_compressed_file_is_read(self) -> None:
        content = gzip.compress(file_of(["ada@example.com", "bad"]))
        assert failed_contacts(content, ENTRIES) == {"ada@example.com": "bad"}

    def test_a_byte_order_mark_hides_nobody(self) -> None:
        assert failed_contacts(b"\xef\xbb\xbfada@example.com,bad\n", ENTRIES) == {"ada@example.com": "bad"}

    @pytest.mark.parametrize("cut", [2, 5, 12, 20, 30, -9, -1])
    def test_a_compressed_file_that_is_cut_or_broken_pins_nothing(self, cut: int) -> None:
        content = gzip.compress(file_of(["ada@example.com", "bad"]))[:cut]
        assert failed_contacts(content, ENTRIES) == {}

    def test_a_compressed_file_is_unpacked_up_to_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(errors_file, "_MAX_FILE_BYTES", 100)
        content = gzip.compress(b"ada@example.com,bad\n" + b"\n" * 10_000_000 + b"bob@example.com,bad\n")
        assert failed_contacts(content, ENTRIES) == {"ada@example.com": "bad"}

    def test_bytes_that_are_no_utf_8_spoil_only_their_cell(self) -> None:
        assert list(failed_contacts(b"ada@example.com,b\xe4d\n", ENTRIES)) == ["ada@example.com"]

    def test_what_was_read_before_a_cell_beyond_all_measure_stands(self) -> None:
        content = file_of(["ada@example.com", "bad"]) + b'"' + b"x" * 200_000 + b'"\n'
        assert failed_contacts(content, ENTRIES) == {"ada@example.com": "bad"}


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.binary(max_size=50).map(gzip.compress))
def test_no_file_is_a_crash(content: bytes) -> None:
    assert set(failed_contacts(content, ENTRIES)) <= set(ENTRIES)


@given(st.permutations(["ada@example.com", "bob@example.com", "K7"]), st.lists(st.sampled_from(["bad", "1,2", '"'])))
def test_a_file_of_any_order_pins_everybody_it_names(named: list[str], reasons: list[str]) -> None:
    rows = [[*reasons, name] for name in named]
    assert set(failed_contacts(file_of(*rows), ENTRIES)) == set(ENTRIES)
