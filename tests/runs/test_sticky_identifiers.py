"""Contacts that have more identifiers in SendGrid than the stream maps: found, completed and sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness.messages import record

if TYPE_CHECKING:
    from tests.harness.account import Account

REFUSALS = pytest.mark.parametrize("refusal", ["row_error", "400"])

SEARCHES = "/v3/marketing/contacts/search/"


def people(count: int) -> list[str]:
    return [f"p{number}@example.com" for number in range(count)]


def seed(account: Account, emails: list[str], refusal: str, **identifiers: str) -> None:
    account.sandbox.set_options(omitted_identifier=refusal)
    account.sandbox.seed(
        contacts=[
            {"email": email, "external_id": f"ext-{number}"}
            | {kind: f"{value}{number:03}" for kind, value in identifiers.items()}
            for number, email in enumerate(emails)
        ]
    )


@REFUSALS
@pytest.mark.parametrize("count", [1, 10, 11, 250])
def test_everybody_may_lack_an_identifier(account: Account, count: int, refusal: str) -> None:
    seed(account, people(count), refusal)
    run = account.load(*people(count))
    assert (run.exit_code, account.rejected()) == (0, []), run.log
    assert account.emails("Everybody") == sorted(people(count))
    assert len(account.puts()) == 2
    assert account.count("POST", SEARCHES) == -(-count // 100)


@REFUSALS
def test_all_identifiers_that_sendgrid_has_are_sent(account: Account, refusal: str) -> None:
    seed(account, people(3), refusal, anonymous_id="an", phone_number_id="+14155550")
    run = account.load(*people(3))
    assert (run.exit_code, account.rejected()) == (0, []), run.log
    assert [contact["phone_number_id"] for contact in account.sandbox.contacts("Everybody")] == [
        "+14155550000", "+14155550001", "+14155550002",
    ]  # fmt: skip


@REFUSALS
def test_a_person_is_looked_up_once_in_a_run(account: Account, refusal: str) -> None:
    seed(account, people(2), refusal)
    run = account.load(*people(2) * 4, batch_size_rows=2)
    assert (run.exit_code, account.rejected()) == (0, []), run.log
    assert account.count("POST", SEARCHES) == 1
    assert len(account.puts()) == 3  # the second batch is complete at once


@REFUSALS
def test_a_contact_may_be_found_by_another_identifier_than_the_email(account: Account, refusal: str) -> None:
    seed(account, people(2), refusal, anonymous_id="an")
    run = account.send(
        [record(first_name=f"ext-{number}", email=None) for number in (0, 1)] * 2,
        field_mapping={"external_id": "first_name"},
        batch_size_rows=2,
    )
    assert (run.exit_code, account.rejected()) == (0, []), run.log
    assert account.emails("Everybody") == people(2)
    assert account.count("POST", SEARCHES) == 1


@REFUSALS
def test_who_is_known_by_no_identifier_of_the_record_is_created(account: Account, refusal: str) -> None:
    seed(account, people(1), refusal)
    run = account.load("p0@example.com", "new@example.com")
    assert run.exit_code == 0, run.log
    assert account.emails("Everybody") == ["new@example.com", "p0@example.com"]


@REFUSALS
def test_only_those_are_rejected_who_can_not_be_completed(account: Account, refusal: str) -> None:
    account.sandbox.set_options(omitted_identifier=refusal)
    account.sandbox.seed(
        contacts=[{"email": "a@example.com", "external_id": "1"}, {"email": "b@example.com", "anonymous_id": "2"}]
    )
    run = account.send(
        [record(email="a@example.com", first_name="9"), record(email="b@example.com", first_name="8")],
        field_mapping={"email": "email", "external_id": "first_name"},
    )
    assert run.exit_code == 0, run.log
    assert account.rejected_lines() == [2]
    assert account.emails("Everybody") == ["b@example.com"]
