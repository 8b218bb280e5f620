from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from unittest import mock

from target_sendgrid.delivery.operations import sticky
from target_sendgrid.delivery.operations.sticky import StickyIdentifiers
from target_sendgrid.sendgrid.contact import decode
from tests.harness.clocks import ManualClock
from tests.harness.jobs import job_of
from tests.unit.delivery.test_lookups import ClientStub, changes_of

if TYPE_CHECKING:
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client


def stub_of(**found: dict[str, Any]) -> ClientStub:
    return ClientStub(ManualClock(), **found)


def completed(known: StickyIdentifiers, stub: ClientStub, changes: dict[str, Change]) -> list[str]:
    return known.complete(cast("Client", stub), changes, list(changes))


def test_later_contacts_of_a_person_are_completed_without_a_look_up() -> None:
    known, stub = StickyIdentifiers(), stub_of(a_x={"email": "a@x", "external_id": "7"})
    assert completed(known, stub, changes_of({"email": "a@x"})) == ["a@x"]
    later = changes_of({"email": "a@x", "city": "York"}, {"email": "b@x"})
    assert completed(known, stub, {"a@x": later["a@x"]}) == ["a@x"]
    assert decode(later["a@x"].contact) == {"email": "a@x", "external_id": "7", "city": "York"}
    assert len(stub.searches) == 1


def test_who_lacks_nothing_is_not_looked_up_again_either() -> None:
    known, stub = StickyIdentifiers(), stub_of()
    for _ in range(2):
        assert completed(known, stub, changes_of({"email": "a@x"})) == []
    assert len(stub.searches) == 1


def test_what_a_record_has_itself_is_kept() -> None:
    known, stub = StickyIdentifiers(), stub_of(a_x={"email": "a@x", "external_id": "7"})
    completed(known, stub, changes_of({"email": "a@x"}))
    later = changes_of({"email": "a@x", "external_id": "8"})
    assert completed(known, stub, later) == []
    assert decode(later["a@x"].contact) == {"email": "a@x", "external_id": "8"}


def test_a_job_is_completed_before_it_is_sent() -> None:
    known = StickyIdentifiers()
    job = job_of("a", "b")
    assert known.contacts_of(job) == job.contacts()
    stub = stub_of()
    ada = {"email": "a@example.com", "external_id": "7"}
    stub.find_contacts = lambda *_: iter([("a@example.com", ada)])  # type: ignore[method-assign]  # all that it holds
    completed(known, stub, {"a@example.com": job_of("a").changes()["a@example.com"]})
    assert [decode(contact).get("external_id") for contact in known.contacts_of(job)] == ["7", None]


def test_only_so_many_people_are_remembered() -> None:
    known, stub = StickyIdentifiers(), stub_of(a_x={"email": "a@x", "external_id": "7"})
    with mock.patch.object(sticky, "MAX_REMEMBERED", 1):
        for email in ("a@x", "b@x", "b@x", "a@x"):
            completed(known, stub, changes_of({"email": email}))
    assert len(stub.searches) == 3
