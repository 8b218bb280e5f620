"""Look-ups: which contacts SendGrid holds as they were sent, and which identifiers it holds besides."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.job import BatchProgress, Job
from target_sendgrid.delivery.lookups import MAX_INVISIBLE_SECONDS, is_stored, stored, wait_until_confirmed
from target_sendgrid.delivery.operations.sticky import StickyIdentifiers
from target_sendgrid.delivery.operations.upsert import Upsert, upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import decode, encode, identity
from target_sendgrid.sendgrid.lists import ListTracker
from tests.harness.clocks import ManualClock
from tests.harness.jobs import job_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import Batch
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.contact import Contact

NAMES = {"e1_T": "Plan", "e2_N": "visits", "e3_D": "born_on"}


class ClientStub:
    """A client of an account in which each contact can be found from some time on."""

    def __init__(self, clock: ManualClock, **found: dict[str, Any]) -> None:
        self.clock = clock
        self.contacts = {name.replace("_", "@"): (0.0, contact) for name, contact in found.items()}
        self.searches: list[tuple[str, list[str]]] = []

    def hold(self, identifier: str, visible_after: float = 0.0, **fields: object) -> None:
        contact = {"list_ids": ["L"], "email": identifier, **fields}
        self.contacts[identifier] = (self.clock.seconds + visible_after, contact)

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        self.searches.append((kind, list(identifiers)))
        for identifier in identifiers:
            since, contact = self.contacts.get(identifier, (math.inf, {}))
            if self.clock.seconds >= since:
                yield identifier, contact


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stub(clock: ManualClock) -> ClientStub:
    return ClientStub(clock)


@pytest.fixture
def client(stub: ClientStub) -> Client:
    return cast("Client", stub)


PURPOSE = Purpose(upsert_kind(30_000, 3_500_000), ("L",))


def changes_of(*contacts: Contact) -> dict[str, Change]:
    changes = [Change(PURPOSE, identity(contact) or "", encode(contact), Origin("people", 1)) for contact in contacts]
    return {change.identity: change for change in changes}


def stored_of(client: Client, changes: dict[str, Change], *list_ids: str) -> set[str]:
    return stored(client, changes, list_ids, NAMES.__getitem__)


def confirmed_of(client: Client, clock: ManualClock, changes: dict[str, Change]) -> set[str]:
    """Wait until contacts are confirmed, and return the identities of those that are."""
    tracker = ListTracker(client, lambda _: None, can_create=False)
    operation = Upsert(PURPOSE.kind, client, clock, list_tracker=tracker, field_name=NAMES.__getitem__)
    batch = cast("Batch", BatchStub(PURPOSE))
    job = Job(BatchProgress(batch, len(changes)), dict(changes))
    wait_until_confirmed(operation, job, clock)
    return changes.keys() - job.changes().keys()


class BatchStub:
    """A batch that has nothing but a purpose."""

    def __init__(self, purpose: Purpose) -> None:
        self.purpose = purpose


def is_there(sent: Contact, found: dict[str, Any], *list_ids: str) -> bool:
    return is_stored(sent, found, list_ids, NAMES.__getitem__)


class TestValues:
    @pytest.mark.parametrize(
        ("sent", "found"),
        [
            ({"email": "a@x.com"}, {"email": "a@x.com", "first_name": "Ada"}),
            ({"city": "London"}, {"city": "London"}),
            ({"city": ""}, {"city": ""}),
            ({"city": ""}, {"city": None}),
            ({"city": ""}, {}),
            ({"alternate_emails": []}, {"alternate_emails": None}),
            ({"alternate_emails": ["a@x.com"]}, {"alternate_emails": ["B@x.com", "A@x.com"]}),
            ({"alternate_emails": ["a@x.com", "b@x.com"]}, {"alternate_emails": ["b@x.com", "a@x.com"]}),
            ({"custom_fields": {"e1_T": "pro"}}, {"custom_fields": {"Plan": "pro"}}),
            ({"custom_fields": {"e1_T": "pro"}}, {"custom_fields": {"PLAN": "pro"}}),
            ({"custom_fields": {"e1_T": ""}}, {"custom_fields": None}),
            ({"custom_fields": {"e2_N": 3}}, {"custom_fields": {"visits": 3.0}}),
            ({"custom_fields": {"e2_N": 0}}, {"custom_fields": {"visits": 0}}),
            ({"custom_fields": {"e2_N": Decimal("0.1")}}, {"custom_fields": {"visits": 0.1}}),
            ({"custom_fields": {"e2_N": 10**20 + 1}}, {"custom_fields": {"visits": 1e20}}),
            ({"custom_fields": {"e3_D": "2024-02-29T12:00:00.123Z"}},
             {"custom_fields": {"born_on": "2024-02-29T12:00:00Z"}}),
            ({"custom_fields": {"e3_D": "2024-02-29T12:00:00Z"}},
             {"custom_fields": {"born_on": "2024-02-29T13:00:00+01:00"}}),
            ({"custom_fields": {"e3_D": "2024-02-29T00:00:00Z"}}, {"custom_fields": {"born_on": "2024-02-29"}}),
        ],
    )  # fmt: skip
    def test_a_contact_is_stored_when_the_account_has_every_sent_value(
        self, sent: Contact, found: dict[str, Any]
    ) -> None:
        assert is_there(sent, found)

    @pytest.mark.parametrize(
        ("sent", "found"),
        [
            ({"email": "a@x.com"}, {}),
            ({"email": "a@x.com"}, {"email": "b@x.com"}),
            ({"city": "London"}, {"city": "Paris"}),
            ({"city": "London"}, {"city": "london"}),
            ({"city": "London"}, {}),
            ({"city": ""}, {"city": "London"}),
            ({"alternate_emails": []}, {"alternate_emails": ["a@x.com"]}),
            ({"alternate_emails": ["a@x.com", "b@x.com"]}, {"alternate_emails": ["a@x.com"]}),
            ({"alternate_emails": ["a@x.com"]}, {"alternate_emails": None}),
            ({"custom_fields": {"e1_T": "pro"}}, {}),
            ({"custom_fields": {"e1_T": ""}}, {"custom_fields": {"Plan": "pro"}}),
            ({"custom_fields": {"e2_N": 0}}, {"custom_fields": {}}),
            ({"custom_fields": {"e2_N": 0}}, {"custom_fields": {"visits": ""}}),
            ({"custom_fields": {"e2_N": 3}}, {"custom_fields": {"visits": "many"}}),
            ({"custom_fields": {"e2_N": 1}}, {"custom_fields": {"visits": True}}),
            ({"custom_fields": {"e3_D": "2024-02-29T12:00:00Z"}},
             {"custom_fields": {"born_on": "2024-02-29T12:00:01Z"}}),
            ({"custom_fields": {"e1_T": "9999-12-31T24:00:00Z"}}, {"custom_fields": {"Plan": "other"}}),
            ({"custom_fields": {"e1_T": "2024-01-01"}}, {"custom_fields": {"Plan": "9999-12-31T24:00"}}),
            ({"custom_fields": {"e1_T": "0001-01-01T00:00:00+14:00"}}, {"custom_fields": {"Plan": "0001-01-01"}}),
        ],
    )  # fmt: skip
    def test_a_contact_is_not_stored_when_the_account_lacks_a_sent_value(
        self, sent: Contact, found: dict[str, Any]
    ) -> None:
        assert not is_there(sent, found)

    @pytest.mark.parametrize(
        ("held", "expected"), [(["L", "M", "N"], True), (["L"], False), ([], False), (None, False)]
    )
    def test_a_contact_must_be_on_every_list(self, held: list[str] | None, *, expected: bool) -> None:
        assert is_there({"email": "a@x.com"}, {"email": "a@x.com", "list_ids": held}, "L", "M") is expected

    @given(st.text(), st.text() | st.none() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()))
    def test_no_value_in_the_account_causes_a_crash(self, sent: str, found: object) -> None:
        is_there(
            {"city": sent, "custom_fields": {"e1_T": sent, "e2_N": 1}},
            {"city": found, "custom_fields": {"Plan": found, "visits": found}},
        )


class TestSearch:
    def test_contacts_are_found_by_their_first_identifier(self, client: Client, stub: ClientStub) -> None:
        people = [{"email": "a@x.com", "external_id": "1"}, {"external_id": "2"}, {"anonymous_id": "3"}]
        stub.hold("a@x.com")
        stored_of(client, changes_of(*people))
        assert stub.searches == [("email", ["a@x.com"]), ("external_id", ["2"]), ("anonymous_id", ["3"])]

    def test_people_whose_addresses_differ_in_capitals_only_are_told_apart(
        self, client: Client, stub: ClientStub
    ) -> None:
        for email in ("É@x.com", "é@x.com"):
            stub.hold(email)
        assert stored_of(client, changes_of({"email": "É@x.com"}, {"email": "é@x.com"})) == {"É@x.com", "é@x.com"}

    def test_custom_fields_are_found_by_their_name(self, client: Client, stub: ClientStub) -> None:
        stub.hold("a@x.com", custom_fields={"Plan": "pro"})
        stub.hold("b@x.com", custom_fields={"Plan": "free"})
        sent = [{"email": email, "custom_fields": {"e1_T": "pro"}} for email in ("a@x.com", "b@x.com")]
        assert stored_of(client, changes_of(*sent)) == {"a@x.com"}

    def test_only_contacts_that_the_account_holds_as_sent_are_stored(self, client: Client, stub: ClientStub) -> None:
        stub.hold("a@x.com", city="London")
        stub.hold("b@x.com", city="Paris")
        people = [{"email": f"{letter}@x.com", "city": "London"} for letter in "abc"]
        assert stored_of(client, changes_of(*people), "L") == {"a@x.com"}

    def test_an_answer_in_other_capitals_is_understood(self, client: Client, stub: ClientStub) -> None:
        def find(kind: str, identifiers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
            del kind
            return iter([(identifier.upper(), {"email": identifier}) for identifier in identifiers])

        stub.find_contacts = find  # type: ignore[method-assign]  # this account answers in capitals
        assert stored_of(client, changes_of({"email": "a@x.com"})) == {"a@x.com"}

    @pytest.mark.parametrize("key", ["mÜller@x.com", "müller@x.com", "MÜLLER@x.com"])
    @pytest.mark.parametrize("held", ["mÜller@x.com", "müller@x.com"])
    def test_an_address_is_found_whose_other_letters_sendgrid_has_put_in_lower_case(
        self, client: Client, stub: ClientStub, key: str, held: str
    ) -> None:
        def find(kind: str, identifiers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
            del kind, identifiers
            return iter([(key, {"email": held})])

        stub.find_contacts = find  # type: ignore[method-assign]  # this account answers with other letters
        assert stored_of(client, changes_of({"email": "mÜller@x.com"})) == {"mÜller@x.com"}

    def test_other_identifiers_are_found_as_they_are_only(self, client: Client, stub: ClientStub) -> None:
        def find(kind: str, identifiers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
            return iter([(identifier, {kind: identifier.lower()}) for identifier in identifiers])

        stub.find_contacts = find  # type: ignore[method-assign]  # this account answers with another identifier
        assert stored_of(client, changes_of({"external_id": "A1"})) == set()

    def test_without_contacts_to_look_up_there_is_no_search(self, client: Client, stub: ClientStub) -> None:
        assert (stored_of(client, {}, "L"), stub.searches) == (set(), [])


class TestWaiting:
    def test_there_is_no_wait_for_contacts_that_are_found_at_once(
        self, client: Client, stub: ClientStub, clock: ManualClock
    ) -> None:
        stub.hold("a@x.com")
        assert confirmed_of(client, clock, changes_of({"email": "a@x.com"})) == {"a@x.com"}
        assert clock.sleeps == []

    def test_a_contact_that_is_found_later_is_stored(
        self, client: Client, stub: ClientStub, clock: ManualClock
    ) -> None:
        stub.hold("a@x.com", visible_after=90.0)
        assert confirmed_of(client, clock, changes_of({"email": "a@x.com"})) == {"a@x.com"}

    def test_only_missing_contacts_are_looked_up_again(
        self, client: Client, stub: ClientStub, clock: ManualClock
    ) -> None:
        stub.hold("a@x.com")
        stub.hold("b@x.com", visible_after=1.0)
        confirmed_of(client, clock, changes_of({"email": "a@x.com"}, {"email": "b@x.com"}))
        searched = [identifiers for _, identifiers in stub.searches]
        assert searched == [["a@x.com", "b@x.com"], ["b@x.com"], ["b@x.com"]]

    def test_the_wait_for_a_contact_that_is_never_found_ends(
        self, client: Client, stub: ClientStub, clock: ManualClock
    ) -> None:
        stub.hold("a@x.com")
        started_at = clock.seconds
        people = changes_of({"email": "a@x.com"}, {"email": "b@x.com"})
        assert confirmed_of(client, clock, people) == {"a@x.com"}
        assert MAX_INVISIBLE_SECONDS <= clock.seconds - started_at <= MAX_INVISIBLE_SECONDS + 30.0

    def test_the_wait_ends_after_exactly_two_minutes(
        self, client: Client, stub: ClientStub, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lookups, "_FIRST_WAIT_SECONDS", 30.0)
        confirmed_of(client, clock, changes_of({"email": "a@x.com"}))
        assert (clock.sleeps, len(stub.searches)) == ([30.0] * 4, 5)

    def test_waits_grow(self, client: Client, clock: ManualClock) -> None:
        confirmed_of(client, clock, changes_of({"email": "a@x.com"}))
        assert clock.sleeps[:4] == [0.5, 1.0, 2.0, 4.0]
        assert max(clock.sleeps) == 30.0


class Found:
    """An operation that finds some people, and notes whom it looks up."""

    def __init__(self, *found: str) -> None:
        self.found = set(found)
        self.looked_up: list[list[str]] = []

    def confirm(self, _: Job, identities: Collection[str]) -> set[str]:
        self.looked_up.append(list(identities))
        return self.found & set(identities)


class TestSamples:
    @staticmethod
    def confirmed(operation: Found, count: int) -> set[str]:
        return lookups.confirmed(cast("Operation", operation), job_of(*(f"p{number}" for number in range(count))))

    def test_a_hundred_people_spread_over_the_job_are_looked_up_first(self) -> None:
        operation = Found()
        assert self.confirmed(operation, 1_050) == set()
        assert operation.looked_up == [[f"p{number}@example.com" for number in range(0, 1_000, 10)]]

    def test_if_some_are_found_the_others_are_looked_up_too(self) -> None:
        operation = Found("p0@example.com", "p7@example.com")
        assert self.confirmed(operation, 250) == {"p0@example.com", "p7@example.com"}
        first, others = operation.looked_up
        assert first == [f"p{number}@example.com" for number in range(0, 200, 2)]
        assert others == [f"p{number}@example.com" for number in range(250) if f"p{number}@example.com" not in first]

    @pytest.mark.parametrize("count", [1, 99, 100])
    def test_up_to_a_hundred_people_are_looked_up_at_once(self, count: int) -> None:
        operation = Found("p0@example.com")
        assert self.confirmed(operation, count) == {"p0@example.com"}
        assert operation.looked_up == [[f"p{number}@example.com" for number in range(count)]]


def completed_by(stub: ClientStub, changes: dict[str, Change]) -> list[str]:
    """Complete contacts, and return the identities of those that were."""
    return StickyIdentifiers().complete(cast("Client", stub), changes, list(changes))


def test_identifiers_that_sendgrid_holds_are_added_and_all_else_is_kept() -> None:
    changes = changes_of({"email": "a@x", "city": "London"}, {"email": "b@x"})
    stub = ClientStub(
        ManualClock(),
        a_x={"email": "a@x", "external_id": "7", "anonymous_id": "", "city": "Paris"},
        b_x={"email": "b@x"},
    )
    assert completed_by(stub, changes) == ["a@x"]
    assert decode(changes["a@x"].contact) == {"email": "a@x", "city": "London", "external_id": "7"}
    assert decode(changes["b@x"].contact) == {"email": "b@x"}


def test_a_contact_that_lacks_no_identifier_stays_as_it_is() -> None:
    stub = ClientStub(ManualClock(), a_x={"email": "a@x", "external_id": "8"})
    assert completed_by(stub, changes_of({"email": "a@x", "external_id": "7"})) == []


def test_a_contact_found_by_its_alternate_address_adds_no_identifier() -> None:
    stub = ClientStub(ManualClock(), a_x={"email": "other@x", "alternate_emails": ["a@x"], "external_id": "7"})
    assert completed_by(stub, changes_of({"email": "a@x"})) == []


def test_contacts_without_an_email_are_found_by_their_other_identifier() -> None:
    changes = changes_of({"external_id": "7"})
    stub = ClientStub(ManualClock(), **{"7": {"external_id": "7", "email": "a@x"}})
    assert completed_by(stub, changes) == ["external_id 7"]
    assert decode(changes["external_id 7"].contact) == {"external_id": "7", "email": "a@x"}


def test_without_contacts_to_complete_there_is_no_search() -> None:
    stub = ClientStub(ManualClock())
    assert (completed_by(stub, {}), stub.searches) == ([], [])


def test_search_results_are_not_collected(stub: ClientStub) -> None:
    """30,000 people with all their fields would take hundreds of megabytes."""

    class Held(dict[str, Any]):
        alive = 0
        most_alive = 0

        def __init__(self, **fields: Any) -> None:
            super().__init__(**fields)
            Held.alive += 1
            Held.most_alive = max(Held.most_alive, Held.alive)

        def __del__(self) -> None:
            Held.alive -= 1

    def find(kind: str, identifiers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        return ((identifier, Held(**{kind: identifier})) for identifier in identifiers)

    stub.find_contacts = find  # type: ignore[method-assign]  # this account holds everybody
    people = changes_of(*[{"email": f"{number}@x.com"} for number in range(1_000)])
    assert len(stored_of(cast("Client", stub), people)) == 1_000
    assert completed_by(stub, people) == []
    assert Held.most_alive < 5
