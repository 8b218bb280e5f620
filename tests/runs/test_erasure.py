"""Rows that are deleted at the source delete contacts, or erase people, where that is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import PEOPLE, record, schema, state
from tests.harness.removals import counts_of, deleted, members, on_list

if TYPE_CHECKING:
    from tests.harness.account import Account

CONTACTS = "/v3/marketing/contacts"
ERASE = "/v3/recipients/erasejob"
KEYED = schema(id="string", email={"type": ["string", "null"]}, first_name={"type": ["string", "null"]})
MAPPING = {"external_id": "id", "email": "email", "first_name": "first_name"}


def crowd(account: Account, count: int = 120) -> None:
    """Fill the account, so that a few deletions are less than the guard withholds."""
    account.sandbox.seed(contacts=[{"email": f"member{number}@x.com"} for number in range(count)])


def erased(*names: str) -> set[str]:
    return {f"{name}@x.com" for name in names}


@pytest.mark.parametrize("act", ["delete_contact", "erase"])
@pytest.mark.parametrize("mode", ["upsert", "update", "remove", "mirror"])
def test_a_deleted_row_takes_the_person_out_of_the_account(account: Account, act: str, mode: str) -> None:
    members(account, "ada", "bob")
    rows = [record(email="bob@x.com"), deleted(email=" Ada@x.com")]
    run = account.run(PEOPLE, *rows, {"type": "STATE", "value": {}}, on_delete=act, sync_mode=mode)
    assert run.exit_code == 0, run.log
    assert account.emails() == ["bob@x.com"]
    assert account.sandbox.erased() == (erased("ada") if act == "erase" else set())
    assert counts_of(run)["erased" if act == "erase" else "deleted_contacts"] == 1
    assert run.states == ["{}"]


def test_people_without_a_contact_are_erased_all_the_same_but_not_deleted(account: Account) -> None:
    run = account.run(PEOPLE, deleted(email="ada@x.com"), state(1), on_delete="erase")
    assert account.sandbox.erased() == erased("ada")
    assert counts_of(run) == {"received": 1, "erased": 1}
    run = account.run(PEOPLE, deleted(email="ada@x.com"), state(1), on_delete="delete_contact")
    assert counts_of(run) == {"received": 1, "not_found": 1}


def test_the_addresses_that_only_sendgrid_knows_are_erased(account: Account) -> None:
    members(account, "ada", external_id="1")
    members(account, "new", external_id="2")
    rows = [deleted(id="1"), deleted(id="2", email="old@x.com"), deleted(id="3")]
    run = account.run(KEYED, *rows, state(1), field_mapping=MAPPING, on_delete="erase")
    assert run.exit_code == 0, run.log
    assert account.emails() == []
    assert account.sandbox.erased() == erased("ada", "new", "old")
    assert counts_of(run) == {"received": 3, "erased": 2, "not_found": 1}


def test_an_address_that_is_somebody_elses_now_is_not_erased(account: Account) -> None:
    members(account, "ada", external_id="2")
    run = account.run(KEYED, deleted(id="1", email="ada@x.com"), state(1), field_mapping=MAPPING, on_delete="erase")
    assert run.exit_code == 0, run.log
    assert (account.emails(), account.sandbox.erased()) == (["ada@x.com"], set())
    assert counts_of(run) == {"received": 1, "not_found": 1}


def test_erased_people_do_not_come_back_through_a_later_row(account: Account) -> None:
    streams = {"people": {"on_delete": "erase"}, "guests": {"on_delete": "ignore"}}
    rows = [record(email="ada@x.com"), deleted(email="ada@x.com"), record(email="ada@x.com", first_name="Ada")]
    guests = [
        schema("guests", email="string"),
        record("guests", email="Ada@x.com"),
        record("guests", email="bob@x.com"),
    ]
    run = account.run(
        PEOPLE, *rows, *guests, state(1), streams={name: {"list_name": "All", **own} for name, own in streams.items()}
    )
    assert run.exit_code == 0, run.log
    assert account.emails() == ["bob@x.com"]
    assert counts_of(run) == {"received": 3, "upserted": 1, "erased": 1, "erased_before": 1}
    assert counts_of(run, "guests")["erased_before"] == 1
    assert "Stream 'guests': 1 record is of people who are to be erased, and were not sent." in run.log


def test_somebody_else_with_the_address_of_an_erased_person_is_sent(account: Account) -> None:
    rows = [deleted(id="1", email="ada@x.com"), record(id="2", email="ada@x.com"), record(id="1", email="new@x.com")]
    run = account.run(KEYED, *rows, state(1), field_mapping=MAPPING, on_delete="erase")
    assert run.exit_code == 0, run.log
    assert counts_of(run)["erased_before"] == 1
    assert [(one["email"], one["external_id"]) for one in account.sandbox.contacts()] == [("ada@x.com", "2")]


def test_a_later_row_keeps_a_contact_from_being_deleted(account: Account) -> None:
    members(account, "ada", "bob")
    rows = [deleted(email="ada@x.com"), deleted(email="bob@x.com"), record(email="ada@x.com", first_name="Ada")]
    run = account.run(PEOPLE, *rows, state(1), on_delete="delete_contact")
    assert on_list(account) == "a"
    assert counts_of(run) == {"received": 3, "upserted": 1, "duplicates": 1, "deleted_contacts": 1}


@pytest.mark.parametrize("act", ["delete_contact", "erase"])
def test_several_rows_of_a_person_count_once(account: Account, act: str) -> None:
    members(account, "ada")
    run = account.run(PEOPLE, *[deleted(email="ada@x.com")] * 3, state(1), on_delete=act)
    assert counts_of(run) == {"received": 3, "duplicates": 2, "erased" if act == "erase" else "deleted_contacts": 1}


def test_the_contact_is_deleted_before_the_person_is_erased(account: Account) -> None:
    members(account, "ada")
    account.run(PEOPLE, deleted(email="ada@x.com"), state(1), on_delete="erase")
    asked = [f"{request['method']} {request['path'].split('?')[0]}" for request in account.sandbox.requests()]
    writes = [one for one in asked if one in {f"DELETE {CONTACTS}", f"POST {ERASE}"}]
    assert writes == [f"DELETE {CONTACTS}", f"POST {ERASE}"]


def test_suppressions_of_erased_people_stay(account: Account) -> None:
    members(account, "ada")
    account.sandbox.suppress("ada@x.com")
    account.run(PEOPLE, deleted(email="ada@x.com"), state(1), on_delete="erase")
    assert account.sandbox.suppressed() == erased("ada")


def test_streams_do_different_things_with_deleted_rows(account: Account) -> None:
    members(account, "ada", "bob", "cy", "dee")
    acts = {"a": "ignore", "b": "remove_from_list", "c": "delete_contact", "d": "erase"}
    streams = {name: {"on_delete": act, "list_name": "Everybody"} for name, act in acts.items()}
    opened = [schema(name, email="string") for name in acts]
    rows = [{**deleted(email=f"{name}@x.com"), "stream": name[0]} for name in ("ada", "bob", "cy", "dee")]
    run = account.run(*opened, *rows, state(1), streams=streams)
    assert run.exit_code == 0, run.log
    assert (on_list(account), account.emails()) == ("a", ["ada@x.com", "bob@x.com"])
    assert account.sandbox.erased() == erased("dee")


def test_a_deletion_by_another_stream_does_not_hide_the_address_from_an_erasure(account: Account) -> None:
    members(account, "ada", external_id="1")
    streams = {"a": {"on_delete": "delete_contact"}, "b": {"on_delete": "erase"}}
    rows = [{**deleted(id="1"), "stream": name} for name in streams]
    opened = [{**KEYED, "stream": name} for name in streams]
    run = account.run(*opened, *rows, state(1), field_mapping=MAPPING, streams=streams)
    assert run.exit_code == 0, run.log
    assert (account.emails(), account.sandbox.erased()) == ([], erased("ada"))
    assert (counts_of(run, "a"), counts_of(run, "b")) == ({"received": 1, "not_found": 1}, {"received": 1, "erased": 1})


# The guard


@pytest.mark.parametrize("act", ["delete_contact", "erase"])
@pytest.mark.parametrize(("gone", "others", "is_allowed"), [(10, 0, True), (11, 98, True), (11, 97, False)])
def test_more_than_a_tenth_of_the_account_is_not_deleted(
    account: Account, act: str, gone: int, others: int, *, is_allowed: bool
) -> None:
    names = [f"gone{number}" for number in range(gone)]
    members(account, *names)
    crowd(account, others)
    rows = [record(email="new@x.com"), state(1), *(deleted(email=f"{name}@x.com") for name in names), state(2)]
    run = account.run(PEOPLE, *rows, on_delete=act)
    assert len(account.emails()) == others + 1 + (0 if is_allowed else gone)
    assert len(account.sandbox.erased()) == (gone if is_allowed and act == "erase" else 0)
    assert (run.exit_code, run.states[-1]) == ((0, '{"n": 2}') if is_allowed else (1, '{"n": 1}'))
    if not is_allowed:
        assert run.report["error_codes"] == ["too-many-removals"]
        done = "erased" if act == "erase" else "deleted"
        assert (
            f"11 people were not {done}, since that would be 11 in this run, of an account with 109 contacts" in run.log
        )
        run = account.run(PEOPLE, *rows[2:], on_delete=act, max_removals=11)
        assert (run.exit_code, len(account.emails())) == (0, others + 1)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_never_more_than_the_ceiling_are_deleted(account: Account, most: int) -> None:
    members(account, "ada", "bob")
    run = account.run(
        PEOPLE,
        *(deleted(email=f"{one}@x.com") for one in ("ada", "bob")),
        state(1),
        on_delete="erase",
        max_removals=most,
    )
    assert (run.exit_code, len(account.emails()), len(account.sandbox.erased())) == (
        (0, 0, 2) if most == 2 else (1, 2, 0)
    )


def test_people_of_whom_there_is_nothing_to_delete_do_not_count(account: Account) -> None:
    members(account, "ada")
    rows = [deleted(email=f"gone{number}@x.com") for number in range(30)]
    run = account.run(PEOPLE, *rows, deleted(email="ada@x.com"), state(1), on_delete="delete_contact")
    assert counts_of(run) == {"received": 31, "deleted_contacts": 1, "not_found": 30}


# Bad addresses, failures


def test_a_bad_address_does_not_keep_others_from_being_erased(account: Account) -> None:
    crowd(account)
    members(account, "ada", "bob")
    account.sandbox.add_fault("refusal", path=ERASE, contacts=["bob@x.com"], times=None)
    run = account.run(PEOPLE, deleted(email="ada@x.com"), deleted(email="bob@x.com"), state(1), on_delete="erase")
    assert run.exit_code == 0, run.log
    assert account.sandbox.erased() == erased("ada")
    assert not set(account.emails()) & erased("ada", "bob")
    assert account.reasons() == [(3, "refused_by_sendgrid")]


@pytest.mark.parametrize("path", [CONTACTS, ERASE])
def test_no_state_covers_what_could_not_be_erased(account: Account, path: str) -> None:
    members(account, "ada")
    method = {"method": "DELETE"} if path == CONTACTS else {"method": "POST"}
    account.sandbox.add_fault("status", path=path, status=503, times=None, **method)
    rows: list[dict[str, Any]] = [record(email="bob@x.com"), state(1), deleted(email="ada@x.com"), state(2)]
    run = account.run(PEOPLE, *rows, on_delete="erase")
    assert (run.exit_code, run.states) == (1, ['{"n": 1}'])
    assert account.sandbox.erased() == set()
    account.sandbox.clear_faults()
    run = account.run(PEOPLE, *rows[2:], on_delete="erase")
    assert (run.exit_code, account.emails(), account.sandbox.erased()) == (0, ["bob@x.com"], erased("ada"))


def test_nobody_is_erased_after_bad_input(account: Account) -> None:
    members(account, "ada")
    run = account.run(PEOPLE, deleted(email="ada@x.com"), state(1), {"type": "NONSENSE"}, on_delete="erase")
    assert (run.exit_code, run.states) == (1, [])
    assert (account.emails(), account.sandbox.erased()) == (["ada@x.com"], set())


@pytest.mark.parametrize("act", ["delete_contact", "erase"])
def test_a_dry_run_says_how_many_would_be_deleted(account: Account, act: str) -> None:
    members(account, "ada", "bob")
    rows = [deleted(email="ada@x.com"), deleted(email="cy@x.com")]
    run = account.run(PEOPLE, *rows, state(1), on_delete=act, dry_run=True)
    assert run.exit_code == 0, run.log
    assert ("2 would be erased" if act == "erase" else "1 would be deleted as a contact, 1 not found") in run.log
    assert len(account.emails()) == 2
    run = account.run(PEOPLE, *rows, state(1), on_delete=act, dry_run=True, max_removals=0)
    assert run.exit_code == 1
    assert "`max_removals` is 0, which forbids it" in run.log


def test_twelve_thousand_erasures_with_bad_addresses_take_few_requests(account: Account) -> None:
    bad = [f"person{number}@x.com" for number in range(0, 12_000, 400)]
    account.sandbox.add_fault("refusal", path=ERASE, contacts=bad, times=None)
    rows = (deleted(email=f"person{number}@x.com") for number in range(12_000))
    run = account.run(PEOPLE, *rows, state(1), on_delete="erase", max_removals=12_000)
    assert run.exit_code == 0, run.log
    assert len(account.sandbox.erased()) == 11_970
    assert run.report["streams"]["people"]["erased"] == 11_970
    assert run.report["streams"]["people"]["rejected"] == {"refused_by_sendgrid": 30}
    assert account.count("POST", ERASE) <= 6
