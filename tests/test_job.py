"""Contacts on their way: packed, by identity, or on disk, they are the same in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.job import Job, Rejection
from target_sendgrid.delivery.spool import Spool
from target_sendgrid.errors import LocalFileError, Reason
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.contact import Entry, encode

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


def told(job: Job) -> list[tuple[str, bytes, list[Origin]]]:
    return [(identity, entry.contact, entry.origins) for identity, entry in job.entries.items()]


def test_contacts_are_the_same_packed_and_unpacked_and_after_a_time_on_disk() -> None:
    plain, parked, spool = Job.of(batch()), Job.of(batch()), Spool()
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
        parked.spool(spool)
        was_parked = parked.is_spooled
        assert list(parked.contacts) == list(plain.contacts)
        assert (was_parked, parked.is_spooled) == (True, False)
        assert told(parked) == expected


def test_what_is_done_with_the_entries_is_packed_too() -> None:
    job = Job.of(batch())
    first, second, *_ = list(job.entries)
    job.entries[first].contact = encode({"email": first, "external_id": "1"})
    job.reject(second, Rejection(Reason.REFUSED_BY_SENDGRID, "", None))
    part = job.part(list(job.entries)[-2:])
    for one in (job, part):
        one.pack()
        one.spool(Spool())
    assert next(iter(job.contacts)) == encode({"email": first, "external_id": "1"})
    assert (len(job.contacts), job.count) == (COUNT - 2, COUNT - 2)
    assert list(part.entries) == ["é7\n@example.com", "external_id 7"]
    assert [refused.entry.origin.line for refused in job.progress.rejected] == [1]


def test_an_identity_that_has_changed_meanwhile_still_names_its_contact() -> None:
    """A contact that was completed with an email goes on under the identity that it came with."""
    entries = {
        "external_id 7": Entry(encode({"external_id": "7", "email": "a@x.com"}), Origin("people", 1)),
        "a@x.com": Entry(encode({"email": "a@x.com"}), Origin("people", 2)),
    }
    assert list(contacts.unpack(contacts.pack(entries))) == list(entries)


def test_a_batch_is_taken_over_once() -> None:
    taken = batch()
    Job.of(taken)
    with pytest.raises(LookupError):
        Job.of(taken)


def test_a_file_that_was_changed_ends_the_run_with_advice() -> None:
    job, spool = Job.of(batch()), Spool()
    job.spool(spool)
    spool._make_cipher = Spool()._make_cipher  # noqa: SLF001 - another key, as good as another content
    with pytest.raises(LocalFileError, match="TMPDIR"):
        _ = job.contacts
