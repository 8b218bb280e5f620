"""Contacts on their way: packed, by identity, or on disk, they are the same in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.import_job import Rejected, Shipment
from target_sendgrid.delivery.spool import Spool
from target_sendgrid.errors import LocalFileError, Reason
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.contact import Entry, Origin, encode

if TYPE_CHECKING:
    from target_sendgrid.delivery.batching import Batch

COUNT = 1_234
"""More than go into one piece of a request or of a file."""


def batch() -> Batch:
    """Return many people; one came three times, one in a batch file, and one keeps the message it came in."""
    batcher = Batcher(30_000, 3_500_000)
    for number in range(COUNT):
        email = f"é{number}\n@example.com"
        batcher.add(email, encode({"email": email}), "L", Origin("people", number), is_new=True)
    batcher.add("é7\n@example.com", encode({"email": "é7\n@example.com", "city": "York"}), "L", Origin("guests", 9_001))
    batcher.add("é7\n@example.com", encode({"email": "é7\n@example.com"}), "L", Origin("people", 9_002, 3))
    batcher.add("external_id 7", encode({"external_id": "7"}), "L", Origin("people", 9_003, 0, b'{"\xc3\xa9": "\\n"}'))
    return batcher.seal(("L",))


def told(shipment: Shipment) -> list[tuple[str, bytes, list[Origin]]]:
    return [(identity, entry.contact, entry.origins) for identity, entry in shipment.entries.items()]


def test_contacts_are_the_same_packed_and_unpacked_and_after_a_time_on_disk() -> None:
    plain, parked, spool = Shipment.of(batch()), Shipment.of(batch()), Spool()
    expected = told(plain)
    assert len(expected) == plain.count == COUNT + 1
    assert [origins for *_, origins in expected if len(origins) > 1] == [
        [Origin("people", 7), Origin("guests", 9_001), Origin("people", 9_002, 3)]
    ]
    assert expected[-1] == (
        "external_id 7", b'{"external_id":"7"}', [Origin("people", 9_003, 0, b'{"\xc3\xa9": "\\n"}')]
    )  # fmt: skip
    for _ in range(2):  # once as it came, once after it was taken apart
        parked.pack()
        parked.park(spool)
        was_parked = parked.is_parked
        assert list(parked.contacts) == list(plain.contacts)
        assert (was_parked, parked.is_parked) == (True, False)
        assert told(parked) == expected


def test_what_is_done_with_the_entries_is_packed_too() -> None:
    shipment = Shipment.of(batch())
    first, second, *_ = list(shipment.entries)
    shipment.entries[first].contact = encode({"email": first, "external_id": "1"})
    shipment.reject(second, Rejected(Reason.REFUSED_BY_SENDGRID, "", None))
    part = shipment.part(list(shipment.entries)[-2:])
    for one in (shipment, part):
        one.pack()
        one.park(Spool())
    assert next(iter(shipment.contacts)) == encode({"email": first, "external_id": "1"})
    assert (len(shipment.contacts), shipment.count) == (COUNT - 2, COUNT - 2)
    assert list(part.entries) == ["é7\n@example.com", "external_id 7"]
    assert [refused.entry.origin.line for refused in shipment.progress.rejected] == [1]


def test_an_identity_that_has_changed_meanwhile_still_names_its_contact() -> None:
    """A contact that was completed with an email goes on under the identity that it came with."""
    entries = {
        "external_id 7": Entry(encode({"external_id": "7", "email": "a@x.com"}), Origin("people", 1)),
        "a@x.com": Entry(encode({"email": "a@x.com"}), Origin("people", 2)),
    }
    assert list(contacts.unpack(contacts.pack(entries))) == list(entries)


def test_a_batch_is_taken_over_once() -> None:
    taken = batch()
    Shipment.of(taken)
    with pytest.raises(LookupError):
        Shipment.of(taken)


def test_a_file_that_was_changed_ends_the_run_with_advice() -> None:
    shipment, spool = Shipment.of(batch()), Spool()
    shipment.park(spool)
    spool._make_cipher = Spool()._make_cipher  # noqa: SLF001 - another key, as good as another content
    with pytest.raises(LocalFileError, match="TMPDIR"):
        _ = shipment.contacts
